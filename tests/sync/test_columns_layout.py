"""Columns as they stand on the wire, kind by kind: what another version wrote is read, and what we write it can read."""

from typing import Any

import msgspec
import pytest

from sync import columns
from sync.columns import DIGITS_MAX, SHAPES_MAX, TEMPLATES_MAX, pack, unpack
from sync.errors import ProtocolError

UUIDS = ["00112233-4455-6677-8899-aabbccddeeff", "10112233-4455-6677-8899-aabbccddeeff"]
PLANES = bytes.fromhex("0010" + "".join(f"{n:x}{n:x}" * 2 for n in range(1, 16)))


def packed(*rows: Any) -> list[Any]:
    return msgspec.msgpack.decode(pack([msgspec.json.encode(row) for row in rows]))


def column(*values: Any) -> Any:
    """The column of a key that has these values."""
    rows, odd, (tag, shapes, which, keys, (found,)) = packed(*({"a": value} for value in values))
    assert (rows, odd, tag, shapes, which, keys) == (len(values), [], "o", [["a"]], ["c", 0], ["a"])
    return found


LAYOUTS: list[tuple[list[Any], list[Any]]] = [
    ([1, 1, 1], ["c", 1]),
    (["x", "x"], ["c", "x"]),
    ([None, None], ["c", None]),
    ([1, 2, 1], ["i", 1, 1, b"\0\1\0"]),
    ([-5, -3], ["i", -5, 1, b"\0\2"]),
    ([0, 2**8 - 1], ["i", 0, 1, b"\0\xff"]),
    ([7, 7 + 2**8], ["i", 7, 2, b"\0\0" + b"\0\1"]),
    ([0, 2**16 - 1], ["i", 0, 2, b"\0\xff" * 2]),
    ([0, 2**16], ["i", 0, 4, b"\0\0" * 2 + b"\0\1" + b"\0\0"]),
    ([0, 2**32 - 1], ["i", 0, 4, b"\0\xff" * 4]),
    ([0, 2**32], ["i", 0, 8, b"\0\0" * 4 + b"\0\1" + b"\0\0" * 3]),
    ([-(2**63), 2**63 - 1], ["i", -(2**63), 8, b"\0\xff" * 8]),
    ([2**62, 2**63], ["i", 2**62, 8, b"\0\0" * 7 + b"\0\x40"]),
    ([-(2**63), 2**63], ["v", [-(2**63), 2**63]]),
    ([0.5, 0.5], ["v", [0.5, 0.5]]),
    ([True, False], ["v", [True, False]]),
    ([1, "a"], ["v", [1, "a"]]),
    ([1, True], ["v", [1, True]]),
    ([1, 2, 1, 1], ["i", 1, 1, b"\0\1\0\0"]),
    ([[1, 2], [3, 4]], ["t", [["i", 1, 1, b"\0\2"], ["i", 2, 1, b"\0\2"]]]),
    ([[1], [2]], ["t", [["i", 1, 1, b"\0\1"]]]),
    ([[1], [2, 3]], ["l", ["i", 1, 1, b"\0\1"], ["i", 1, 1, b"\0\1\2"]]),
    ([[], []], ["l", ["c", 0], ["c", None]]),
    (UUIDS, ["u", PLANES]),
    (["A1", "A2"], ["s", "A", ["0"], ["c", 0], [[["i", 1, 1, b"\0\1"]]]]),
    (["007", "123"], ["s", "", ["000"], ["c", 0], [[["i", 7, 1, b"\0\x74"]]]]),
    (["A1", "A22"], ["s", "A", ["0", "00"], ["i", 0, 1, b"\0\1"], [[["c", 1]], [["c", 22]]]]),
    (["1-2", "3-2"], ["s", "", ["0-0"], ["c", 0], [[["i", 1, 1, b"\0\2"], ["c", 2]]]]),
    (["ab", "abc"], ["s", "ab", ["", "c"], ["i", 0, 1, b"\0\1"], [[], []]]),
    (["é", "é", "ü", "ü"], ["w", ["é", "ü"], ["i", 0, 1, b"\0\0\1\1"]]),
    (["é", "é", "ü"], ["v", ["é", "é", "ü"]]),
    (["١", "٢"], ["v", ["١", "٢"]]),
    (["é1", "é2"], ["s", "é", ["0"], ["c", 0], [[["i", 1, 1, b"\0\1"]]]]),
]


@pytest.mark.parametrize(("values", "layout"), LAYOUTS, ids=[str(values)[:40] for values, _ in LAYOUTS])
def test_a_column_stands_as_its_kind_says(values: list[Any], layout: list[Any]) -> None:
    assert column(*values) == layout
    rows = [msgspec.json.encode({"a": value}) for value in values]
    assert unpack(pack(rows), rows_max=len(rows)) == rows


@pytest.mark.parametrize(
    "other",
    [
        UUIDS[0].upper(),
        UUIDS[0][:-1],
        UUIDS[0].replace("-", ""),
        UUIDS[0].replace("-", "0"),
        UUIDS[0].replace("0", "-", 1),
        UUIDS[0].replace("f", "g"),
        UUIDS[0].replace("f", "١"),
        f"{UUIDS[0]}0",
        f"{UUIDS[0]}\n",
    ],
)
def test_only_uuids_as_they_are_written_stand_as_bytes(other: str) -> None:
    for values in ([other, UUIDS[1]], [UUIDS[1], other]):
        assert column(*values)[0] != "u"
        rows = [msgspec.json.encode({"a": value}) for value in values]
        assert unpack(pack(rows), rows_max=2) == rows


def test_numbers_of_more_digits_than_fit_stay_text() -> None:
    fits, too_long = (["1" * digits, "2" * digits] for digits in (DIGITS_MAX, DIGITS_MAX + 1))

    assert column(*fits)[:4] == ["s", "", ["0" * DIGITS_MAX], ["c", 0]]
    assert column(*too_long) == ["v", too_long]
    assert column(*(f"{text}-{n}" for n, text in enumerate(fits)))[0] == "s"
    assert column(*(f"{text}-{n}" for n, text in enumerate(too_long)))[0] == "v"


def test_text_of_many_layouts_is_listed() -> None:
    few, many = (["x" * n for n in range(1, count + 1)] for count in (TEMPLATES_MAX, TEMPLATES_MAX + 1))

    assert column(*few)[0] == "s" and column(*many) == ["v", many]
    late = ["x"] * 1000 + many
    assert column(*late)[0] == "w", "also where the first ones are all of one"


def test_objects_stand_by_shape_and_key() -> None:
    assert packed({"a": 1}, {"b": 2}, {"a": 3}) == [
        *(3, []),
        [
            *("o", [["a"], ["b"]], ["i", 0, 1, b"\0\1\0"], ["a", "b"]),
            [["i", 1, 1, b"\0\2"], ["c", 2]],
        ],
    ]
    uneven = [b'{"a":1}', b'{"b":2,"a":7}', b'{"a":3}', b"{}", b'{"b":4}', b'{"a":5}']
    assert unpack(pack(uneven), rows_max=6) == uneven
    few, many = ([{f"k{n}": 1} for n in range(count)] for count in (SHAPES_MAX, SHAPES_MAX + 1))
    assert packed(*few)[2][0] == "o" and packed(*many)[2] == ["v", many]
    assert packed() == [0, [], ["c", None]]


def test_a_row_that_is_not_canonical_stands_beside_the_columns_with_its_place() -> None:
    rows = [b'{"a":1}', b'{"a": 1}', b'{"a":2}', b"[1]"]
    found = msgspec.msgpack.decode(pack(rows))

    assert found[:2] == [4, [[1, rows[1]], [3, rows[3]]]]
    assert found[2][-1] == [["i", 1, 1, b"\0\1"]]
    assert unpack(pack(rows), rows_max=4) == rows


@pytest.mark.parametrize("row", [b"[1]", b"1", b'"a"', b"null"])
def test_only_objects_stand_in_columns(row: bytes) -> None:
    assert msgspec.msgpack.decode(pack([row, row])) == [2, [[0, row], [1, row]], ["c", None]]


def test_rows_with_numbers_beyond_64_bits_travel_as_they_are() -> None:
    rows = [b'{"a":1}', b'{"a":%d}' % 2**70]
    assert unpack(pack(rows), rows_max=2) == rows


def test_as_many_rows_as_are_allowed_are_read_and_no_more() -> None:
    rows = [b'{"a":1}'] * 3

    assert unpack(pack(rows), rows_max=3) == rows
    with pytest.raises(ProtocolError, match="a batch of 3 rows, at most 2"):
        unpack(pack(rows), rows_max=2)
    assert unpack(pack([]), rows_max=0) == []


COSTS: list[tuple[Any, int]] = [  # a value counts 8 bytes at least, and what it becomes
    ([10, [], ["o", [["a"]], ["c", 0], ["a"], [["c", "xx"]]]], 80 + 90 + 30 + 120),
    ([2, [], ["o", [["a"]], ["c", 0], ["a"], [["u", PLANES]]]], 16 + 18 + 6 + 16 + 72),
    ([4, [], ["o", [["a"]], ["c", 0], ["a"], [["w", ["é", "ü"], ["c", 0]]]]], 32 + 36 + 12 + 32 + 16 + 36),
    ([2, [], ["o", [["a"]], ["c", 0], ["a"], [["w", ["x", "four"], ["c", 0]]]]], 16 + 18 + 6 + 16 + 12 + 18),
    (
        [2, [], ["o", [["a"], ["four"]], ["i", 0, 1, b"\0\1"], ["a", "four"], [["v", [1]], ["v", [1]]]]],
        16 + 16 + 12 + 8 + 8,
    ),
    (
        [2, [], ["o", [["a"]], ["c", 0], ["a"], [["s", "A", ["0"], ["c", 0], [[["c", 1]]]]]]],
        16 + 18 + 6 + 16 + 18 + 8 + 18,
    ),
]


@pytest.mark.parametrize(
    ("wire", "cost"), COSTS, ids=["constant", "uuids", "words", "longest word", "longest keys", "texts"]
)
def test_what_columns_become_is_counted_before_it_is_made(
    wire: Any, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed_rows = msgspec.msgpack.encode(wire)

    monkeypatch.setattr(columns, "UNPACKED_MAX", cost)
    assert len(unpack(packed_rows, rows_max=100)) == wire[0]
    monkeypatch.setattr(columns, "UNPACKED_MAX", cost - 1)
    with pytest.raises(ProtocolError, match="more than"):
        unpack(packed_rows, rows_max=100)


@pytest.mark.parametrize(
    "wrong",
    [
        ["o", [["a", "b"]], ["c", 0], ["a"], [["c", 1]]],  # fewer columns than keys
        ["o", [["a"], ["b"]], ["i", 0, 1, b"\0\1"], ["a", "b"], [["c", 1]]],
        ["i", 0, 1, b"\0\1\2"],  # three values for two rows
        ["l", ["c", 1], ["i", 0, 1, b"\0"]],
        ["t", [["c", 1], ["i", 0, 1, b"\0"]]],
        ["w", ["a"], ["c", 1]],
        ["s", "", ["0"], ["c", 0], [[], []]],
        ["s", "", ["a"], ["c", 0], [[], []]],  # a column for a template that is not there
        ["o", [["a"], ["b"]], ["i", 0, 1, b"\0\1"], ["a", "b"], [["c", 1], ["c", 1], ["c", 1]]],
        ["u", bytes(31)],
        ["q", 1],
        ["c", 1, 2],
    ],
    ids=str,
)
def test_columns_that_do_not_fit_together_are_refused(wrong: Any) -> None:
    for column_ in (wrong, ["o", [["a"]], ["c", 0], ["a"], [wrong]]):
        with pytest.raises(ProtocolError):
            unpack(msgspec.msgpack.encode([2, [], column_]), rows_max=2)


def test_rows_beside_the_columns_are_bytes() -> None:
    assert unpack(msgspec.msgpack.encode([1, [[0, b"[1]"]], ["c", None]]), rows_max=1) == [b"[1]"]
    with pytest.raises(ProtocolError):
        unpack(msgspec.msgpack.encode([1, [[0, "[1]"]], ["c", None]]), rows_max=1)


def test_rows_that_are_larger_than_they_counted_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = msgspec.msgpack.encode([2, [], ["v", [{"a": "x" * 100}, {"a": "y" * 100}]]])
    size = len(b"".join(unpack(text, rows_max=2))) + 2  # and a line break behind each

    monkeypatch.setattr(columns, "UNPACKED_MAX", size)
    assert len(unpack(text, rows_max=2)) == 2
    monkeypatch.setattr(columns, "UNPACKED_MAX", size - 1)
    with pytest.raises(ProtocolError, match="more than"):
        unpack(text, rows_max=2)


def test_objects_without_keys_are_read() -> None:
    assert unpack(pack([b"{}"] * 3), rows_max=3) == [b"{}"] * 3


ESCAPED = [b'{"a\\"b":1,"c":2}', b'{"a\\"b":3,"c":2}']


def test_keys_that_have_to_be_escaped_are_read() -> None:
    assert unpack(pack(ESCAPED), rows_max=2) == ESCAPED
    beside = [*ESCAPED, b'{"c":1}', *ESCAPED]
    assert unpack(pack(beside), rows_max=5) == beside


def test_objects_of_fewer_keys_than_columns_are_refused_whatever_the_keys_are() -> None:
    for names, columns_ in ((['"'], [["c", 1], ["c", 2]]), (['"', "c"], [["c", 1]])):
        with pytest.raises(ProtocolError):
            unpack(msgspec.msgpack.encode([2, [], ["o", [names], ["c", 0], names, columns_]]), rows_max=2)


@pytest.mark.parametrize("empty", [["c", None], ["v", []], ["i", 0, 1, b""], ["s", "", [], ["c", 0], []]], ids=str)
def test_lists_that_are_all_empty_are_read_whatever_their_items_would_be(empty: Any) -> None:
    wire = [2, [], ["o", [["a"]], ["c", 0], ["a"], [["l", ["c", 0], empty]]]]

    assert unpack(msgspec.msgpack.encode(wire), rows_max=2) == [b'{"a":[]}'] * 2
