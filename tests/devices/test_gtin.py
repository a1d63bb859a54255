"""Check digits and the four lengths of a GTIN."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.gtin import check_digit, gtin14
from devices.errors import LabelError

DIGITS = st.text("0123456789", min_size=1, max_size=17)


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("96385074", "00000096385074"),
        ("614141000036", "00614141000036"),
        ("5901234123457", "05901234123457"),
        ("98765432109213", "98765432109213"),
    ],
)
def test_every_length_of_gtin_becomes_gtin_14(text: str, gtin: str) -> None:
    assert gtin14(text) == gtin


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_numeric"),
        ("123", "length"),
        ("157035381410375177", "length"),
        ("5901234123458", "check_digit"),
        ("590123412345A", "not_numeric"),
        ("0123456789⁰⁰⁰", "not_numeric"),
        ("٥٩٠١٢٣٤١٢٣٤٥٧", "not_numeric"),
    ],
)
def test_what_is_no_gtin_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(LabelError) as refused:
        gtin14(text)
    assert refused.value.reason == reason


def test_the_example_of_the_general_specifications_has_check_digit_7() -> None:
    assert check_digit("629104150021") == 3
    assert check_digit("37610425002123456") == 9


@given(DIGITS, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_never_passes(body: str, place: int, change: int) -> None:
    place %= len(body)
    wrong = str((int(body[place]) + change) % 10)
    assert check_digit(body[:place] + wrong + body[place + 1 :]) != check_digit(body)
