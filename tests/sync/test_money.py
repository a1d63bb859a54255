"""Money is exact: what is read can be written and read again, and a return undoes its sale to the minor unit."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.money import (
    AMOUNT_MINOR_MAX,
    AmountError,
    cash_rounding,
    display_digits,
    format_amount,
    line_amount,
    minor_digits,
    parse_amount,
)

CURRENCIES = st.sampled_from(["HKD", "TWD", "JPY", "KWD", "GBP"])
AMOUNTS = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
PRICES = st.integers(0, 10**9)
QUANTITIES = st.integers(-(10**7), 10**7)
PERS = st.integers(1, 100_000)


def test_minor_and_display_digits_follow_the_currency() -> None:
    digits = {code: (minor_digits(code), display_digits(code)) for code in ("HKD", "TWD", "JPY", "KWD", "XYZ")}

    assert digits == {"HKD": (2, 2), "TWD": (2, 0), "JPY": (0, 0), "KWD": (3, 3), "XYZ": (2, 2)}


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("10.90", "HKD", 1090), ("10.9", "HKD", 1090), ("35", "TWD", 3500), ("120", "JPY", 120), ("0.001", "KWD", 1)],
)
def test_an_amount_is_read_to_the_minor_unit(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("10.905", "HKD", "decimals"),
        ("1.0", "JPY", "decimals"),
        ("NaN", "HKD", "format"),
        ("Infinity", "HKD", "format"),
        ("1e5", "HKD", "format"),
        ("1E+999999999", "HKD", "format"),
        ("+1", "HKD", "format"),
        ("1_000", "HKD", "format"),
        ("1,000", "HKD", "format"),
        (" 1", "HKD", "format"),
        ("1\n", "HKD", "format"),
        ("１", "HKD", "format"),
        (".5", "HKD", "format"),
        ("5.", "HKD", "format"),
        ("", "HKD", "format"),
        ("9" * 5000, "HKD", "format"),
        ("-1", "HKD", "negative"),
        ("9" * 16, "HKD", "range"),
        ("1", "hkd", "currency"),
        ("1", "HKDX", "currency"),
    ],
)
def test_an_unclear_amount_is_refused_with_its_reason(text: str, currency: str, reason: str) -> None:
    with pytest.raises(AmountError) as caught:
        parse_amount(text, currency)

    assert caught.value.reason == reason


def test_a_whole_taiwan_amount_shows_no_decimals_and_a_fraction_is_never_hidden() -> None:
    shown = [format_amount(minor, "TWD") for minor in (3500, 3550, 3555, -3500, 0, 50)]

    assert shown == ["35", "35.50", "35.55", "-35", "0", "0.50"]
    assert format_amount(-5, "HKD") == "-0.05"


@given(AMOUNTS, CURRENCIES)
def test_what_is_written_reads_back_exactly(minor: int, currency: str) -> None:
    assert parse_amount(format_amount(minor, currency), currency, negative=True) == minor


@given(PRICES, st.integers(0, 10**7), PERS)
def test_a_line_is_round_half_up_of_the_exact_ratio(price: int, qty: int, per: int) -> None:
    below, rest = divmod(Fraction(price * qty, per), 1)

    assert line_amount(price, qty, per) == below + (rest >= Fraction(1, 2))


@given(PRICES, QUANTITIES, PERS)
def test_a_return_is_exactly_the_negative_of_its_sale(price: int, qty: int, per: int) -> None:
    assert line_amount(price, -qty, per) == -line_amount(price, qty, per)


@given(PRICES, QUANTITIES, PERS)
def test_a_whole_multiple_of_the_price_quantity_is_exact(price: int, times: int, per: int) -> None:
    assert line_amount(price, times * per, per) == price * times


def test_half_a_minor_unit_goes_away_from_zero() -> None:
    assert [line_amount(1, qty, 2) for qty in (1, -1, 3, -3)] == [1, -1, 2, -2]


def test_a_price_for_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="per 0"):
        line_amount(100, 1, 0)


@pytest.mark.parametrize(
    ("total", "currency", "difference"),
    [
        (1093, "HKD", -3),
        (1095, "HKD", 5),
        (-1095, "HKD", -5),
        (1090, "HKD", 0),
        (3550, "TWD", 50),
        (3549, "TWD", -49),
        (1093, "GBP", 0),
    ],
)
def test_cash_rounding_gives_the_difference_to_the_coin(total: int, currency: str, difference: int) -> None:
    assert cash_rounding(total, currency) == difference


@given(st.integers(-(10**12), 10**12), st.sampled_from([("HKD", 10), ("TWD", 100), ("JPY", 1)]))
def test_cash_can_pay_the_rounded_total(total: int, case: tuple[str, int]) -> None:
    currency, step = case
    rounded = total + cash_rounding(total, currency)

    assert rounded % step == 0
    assert 2 * abs(rounded - total) <= step
    assert rounded == int((Decimal(total) / step).quantize(Decimal(1), ROUND_HALF_UP)) * step


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        *((-1, "HKD", "-0.01"), (0, "HKD", "0.00"), (1205, "HKD", "12.05"), (-1, "JPY", "-1"), (1005, "KWD", "1.005")),
        *((3581, "TWD", "35.81"), (3510, "TWD", "35.10"), (3500, "TWD", "35"), (-100, "TWD", "-1"), (0, "TWD", "0")),
    ],
)
def test_an_amount_is_written_with_all_its_digits_or_none(minor: int, currency: str, text: str) -> None:
    assert format_amount(minor, currency) == text
    assert parse_amount(text, currency, negative=True) == minor


def test_a_price_is_for_one_where_nothing_else_is_said() -> None:
    assert line_amount(5, 3) == 15
