"""Chinese printer text: bytes decode back, columns are the printer's, lines never split a wide character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.printing.chinese import (
    CODECS,
    MISSING_MARKS,
    Encoding,
    character_columns,
    clean_text,
    encode_runs,
    fold_text,
    mark_missing,
    missing_characters,
    text_columns,
    wrap_columns,
)

ENCODINGS = st.sampled_from(list(CODECS))


def _decoded(text: str, encoding: Encoding) -> str:
    return b"".join(run for _, run in encode_runs(text, encoding)).decode(CODECS[encoding])


@pytest.mark.parametrize("encoding", [encoding for encoding in CODECS if encoding != "none"])
def test_ascii_is_one_byte_and_chinese_two(encoding: Encoding) -> None:
    assert encode_runs("A中B", encoding) == [
        (False, b"A"),
        (True, "中".encode(CODECS[encoding])),
        (False, b"B"),
    ]


def test_eten_additions_are_in_big5() -> None:
    assert encode_runs("碁銹裏", "big5") == [(True, b"\xf9\xd6\xf9\xd7\xf9\xd8")]


def test_cantonese_needs_hkscs() -> None:
    assert missing_characters("嘅咗㗎", "big5") == ("嘅", "咗", "㗎")
    assert missing_characters("嘅咗冇㗎", "big5-hkscs") == ()
    assert _decoded("嘅咗冇㗎", "big5-hkscs") == "嘅咗冇㗎"


def test_japanese_and_korean_have_their_own_codes() -> None:
    assert _decoded("レシート領収書", "shift-jis") == "レシート領収書"
    assert _decoded("영수증", "ks") == "영수증"
    assert missing_characters("영수증", "big5") == ("영", "수", "증")


def test_without_a_multibyte_font_everything_but_ascii_is_missing() -> None:
    assert missing_characters("A中é", "none") == ("中", "é")


def test_four_byte_gb18030_counts_as_missing() -> None:
    assert missing_characters("㗎嘅", "gb18030") == ("㗎",)


def test_missing_characters_are_named_once_and_in_order() -> None:
    assert missing_characters("😀a🜁😀\n中", "big5") == ("😀", "🜁")


@given(text=st.text(), encoding=ENCODINGS)
def test_whatever_is_not_missing_decodes_back(text: str, encoding: Encoding) -> None:
    folded = fold_text(text, encoding)
    absent = set(missing_characters(folded, encoding)) | {"\n"}
    printable = "".join(char for char in folded if char not in absent)

    assert _decoded(printable, encoding) == printable


@given(text=st.text(), encoding=ENCODINGS)
def test_control_characters_never_become_bytes(text: str, encoding: Encoding) -> None:
    marked = mark_missing(fold_text(text, encoding), encoding).replace("\n", "")

    assert all(byte >= 0x20 and byte != 0x7F for _, run in encode_runs(marked, encoding) for byte in run)


def test_a_missing_character_is_refused_rather_than_dropped() -> None:
    with pytest.raises(ValueError, match=r"U\+1F600"):
        encode_runs("a😀", "big5")


@pytest.mark.parametrize("encoding", CODECS)
def test_the_missing_mark_can_be_printed_in_every_encoding(encoding: Encoding) -> None:
    assert missing_characters(MISSING_MARKS[encoding], encoding) == ()
    assert mark_missing("a😀", encoding) == "a" + MISSING_MARKS[encoding]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\u00a0b\u2003c", "a b c"),
        ("全\u3000形", "全\u3000形"),
        ("a\tb", "a b"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("x\x1by\x1dz\x00", "x?y?z?"),
        ("\ufeffa\u200bb\u00adc", "abc"),
        ("e\u0301", "é"),
        ("葛\U000e0100", "葛"),
        ("\ud800", "?"),
    ],
)
def test_text_is_cleaned_of_what_no_printer_prints(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_lookalikes_replace_only_what_the_encoding_lacks() -> None:
    assert fold_text("¥9 −5 コーヒー・豆", "big5") == "￥9 -5 コーヒー·豆"
    assert fold_text("·", "big5") == "·"


def test_a_two_byte_character_takes_two_columns_even_when_unicode_calls_it_narrow() -> None:
    assert character_columns("…", "big5") == 2
    assert character_columns("é", "big5") == 1
    assert character_columns("é", "big5-hkscs") == 2
    assert character_columns("\u0301", "big5") == 0
    assert text_columns("中文 abc", "big5") == 8


def test_words_stay_whole_and_wide_characters_break_anywhere() -> None:
    assert wrap_columns("dark roast coffee", 10, "big5") == ["dark roast", "coffee"]
    assert wrap_columns("深焙咖啡豆", 7, "big5") == ["深焙咖", "啡豆"]
    assert wrap_columns("abcdefghij", 4, "big5") == ["abcd", "efgh", "ij"]
    assert wrap_columns("a\n\nb", 4, "big5") == ["a", "", "b"]
    assert wrap_columns("", 4, "big5") == [""]


@given(text=st.text(), columns=st.integers(2, 60), encoding=ENCODINGS)
def test_wrapping_fits_and_loses_nothing_but_spaces(text: str, columns: int, encoding: Encoding) -> None:
    folded = fold_text(text, encoding)

    lines = wrap_columns(folded, columns, encoding)

    assert all(text_columns(line, encoding) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == folded.replace(" ", "").replace("\n", "")
