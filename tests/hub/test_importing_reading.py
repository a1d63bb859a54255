"""Files as shops have them are opened whatever their packing, encoding and delimiter, or refused with a remedy."""

import gzip
import json
from pathlib import Path

import pytest

from hub.importing import reading
from hub.importing.reading import ImportFileError, open_rows

TEXT = "sku,name_zh,price\r\nA1,凍檸茶,10.90\r\nA2,奶茶,12\r\n"


def records(path: Path) -> list[dict[str, object]]:
    with open_rows(path) as source:
        return [row.record for row in source.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp950", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_encoding_and_delimiter_gives_the_same_records(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(TEXT.replace(",", delimiter).encode(encoding))

    assert records(path) == [
        {"sku": "A1", "name_zh": "凍檸茶", "price": "10.90"},
        {"sku": "A2", "name_zh": "奶茶", "price": "12"},
    ]


def test_cantonese_characters_of_hkscs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes("sku,name_zh\nA1,𠝹紙刀揼骨\n".encode("big5hkscs"))

    with open_rows(path) as source:
        assert [row.record["name_zh"] for row in source.rows] == ["𠝹紙刀揼骨"]
        assert source.encoding == "big5hkscs"


def test_rows_are_numbered_as_excel_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text('sku,name\n"A\n1",x\n\n,\nA2,y\n', encoding="utf-8")

    with open_rows(path) as source:
        assert [(row.number, row.record["sku"]) for row in source.rows] == [(2, "A\n1"), (5, "A2")]


def test_excels_own_delimiter_line_is_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("sep=;\nsku;name\nA1;tea, iced\n", encoding="utf-8")

    with open_rows(path) as source:
        assert [(row.number, row.record["name"]) for row in source.rows] == [(3, "tea, iced")]


def test_surplus_cells_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("sku,price\nA1,1,299\nA2,5,\n", encoding="utf-8")

    with open_rows(path) as source:
        assert [row.surplus for row in source.rows] == [("299",), ()]


@pytest.mark.parametrize("content", [[{"sku": "A1", "price": 10.90}], {"items": [{"sku": "A1", "price": 10.90}]}])
@pytest.mark.parametrize("packed", [False, True])
def test_json_prices_are_text_and_never_floats(tmp_path: Path, content: object, packed: bool) -> None:
    path = tmp_path / ("items.json.gz" if packed else "items.json")
    encoded = json.dumps(content).replace("10.9", "10.90").encode()
    path.write_bytes(gzip.compress(encoded) if packed else encoded)

    assert records(path) == [{"sku": "A1", "price": "10.90"}]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("items.xlsx", b"PK\x03\x04", "save it as 'CSV UTF-8'"),
        ("items.csv", b"PK\x03\x04zip", "save it as 'CSV UTF-8'"),
        ("items.pdf", b"x", "unknown kind of file"),
        ("items.csv", b"", "is empty"),
        ("items.csv", b"\n\n", "names no columns"),
        ("items.csv", b"sku,price,sku\n1,2,3\n", "'sku' is there twice"),
        ("items.csv", b"sku,name\nA1,a\0b\n", "U\\+0000"),
        ("items.csv", b"sku,name\nA1,caf\xe9\xff\n", "neither UTF-8 nor Big5"),
        ("items.csv", b"\xef\xbb\xbfsku,name\nA1,\xa4\xa4\n", "neither UTF-8 nor Big5"),
        ("items.csv", b'sku,name\nA1,"' + b"x" * 200_000, "record 2 .* quotation mark"),
        ("items.csv.gz", b"sku,name\nA1,x\n", "damaged or cut off"),
        ("items.csv.gz", gzip.compress(TEXT.encode() * 99)[:-12], "damaged or cut off"),
        ("items.json", b'{"rows": []}', "write a list of objects"),
        ("items.json", b'[{"sku": "A1"', "write a list of objects"),
        ("items.json", b"[" * 100_000, "write a list of objects"),
        ("items.json", b'[{"sku": "A1"}, 7]', "item 2"),
        ("items.json", '[{"sku": "茶"}]'.encode("big5"), "JSON"),
    ],
)
def test_an_unreadable_file_is_refused_with_a_remedy(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(ImportFileError, match=words) as caught:
        records(path)

    assert caught.value.code == "import_file"
    assert name in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"none\.csv"):
        records(tmp_path / "none.csv")


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.json.gz"])
def test_a_packed_bomb_is_refused_by_its_unpacked_size(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "UNPACKED_BYTES_MAX", 5_000_000)
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"a" * 6_000_000))

    with pytest.raises(ImportFileError, match="larger than 4 MiB"):
        records(path)
