"""Rows of price lists and promotions: what their dates, hours and places mean, and each mistake found once, with its pointer."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.retail.catalogue.catalogue import Problem
from sync.retail.catalogue.price_lists import (
    PriceListRow,
    PromotionRow,
    StorePriceRow,
    check_price_list,
    check_promotion,
    check_window,
    window_of,
)
from sync.retail.names import Name
from sync.retail.windows import Window

LIST = PriceListRow(list_id="l", name=Name(en="List"))
HALF = PromotionRow(promotion_id="p", name=Name(en="Half"), does="percent_off", rate_bp=5000)
DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


def found(problems: Iterator[Problem]) -> list[tuple[str, str]]:
    return [(each.code, each.field) for each in problems]


def test_what_is_not_said_is_no_bound() -> None:
    assert window_of("", "") == Window(None, None, (), None)
    assert window_of("", "", hour_from=0, hour_until=24).hours is None
    assert window_of("", "", hour_from=0, hour_until=12).hours == (0, 12)
    assert window_of("", "", hour_from=9, hour_until=24).hours == (9, 24)
    assert window_of("", "", weekdays=(1, 7)).weekdays == (1, 7)


@given(first=DAYS, last=DAYS)
def test_a_window_is_of_the_days_that_are_written(first: date, last: date) -> None:
    window = window_of(first.isoformat(), last.isoformat())

    assert (window.valid_from, window.valid_until) == (first, last)
    row = replace(LIST, valid_from=first.isoformat(), valid_until=last.isoformat())
    assert found(check_window(row)) == ([("window", "/valid_until")] if first > last else [])


@pytest.mark.parametrize("text", ["20260921", "2026-9-21", "2026-13-01", "x", "2026-W39-1"])
def test_a_day_is_written_in_one_way(text: str) -> None:
    """Days are compared as text, too."""
    with pytest.raises(ValueError):
        window_of(text, "")
    for row in (replace(LIST, valid_from=text), replace(LIST, valid_until=text)):
        assert found(check_window(row)) == [("window", "/valid_from")]
        assert found(check_price_list(row)) == [("window", "/valid_from")]


def test_one_day_is_a_window_and_one_bound_is_enough() -> None:
    day = "2026-09-21"
    price = StorePriceRow(store="hk01", sku="A", amount=1, valid_from=day, valid_until=day)

    assert found(check_window(price)) == []
    assert (
        found(check_window(replace(price, valid_until=""))) == found(check_window(replace(price, valid_from=""))) == []
    )


def test_hours_that_end_where_they_begin_are_no_hours() -> None:
    assert found(check_promotion(replace(HALF, hour_from=9, hour_until=9))) == [("window", "/hour_until")]
    assert found(check_promotion(replace(HALF, hour_from=22, hour_until=2))) == []
    assert found(check_price_list(LIST)) == [], "a list has no hours"


@pytest.mark.parametrize(
    ("scope", "place", "is_good"),
    [("hq", "", True), ("hq", "hk01", False), ("store", "hk01", True), ("store", "", False), ("region", "", False)],
)
def test_what_is_for_a_place_names_it(scope: Any, place: str, is_good: bool) -> None:
    expected = [] if is_good else [("place", "/place")]

    assert found(check_price_list(replace(LIST, scope=scope, place=place))) == expected
    assert found(check_promotion(replace(HALF, scope=scope, place=place))) == expected


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"does": "n_for_amount", "count": 1}, ""),
        ({"does": "n_for_amount", "count": 0}, "/count"),
        ({"does": "n_for_price_of", "count": 3, "pay_for": 2}, ""),
        ({"does": "n_for_price_of", "count": 2, "pay_for": 1}, ""),
        ({"does": "n_for_price_of", "count": 3, "pay_for": 3}, "/pay_for"),
        ({"does": "n_for_price_of", "count": 3, "pay_for": 4}, "/pay_for"),
        ({"does": "n_for_price_of", "count": 3, "pay_for": 0}, "/pay_for"),
        ({"does": "percent_off", "rate_bp": 1}, ""),
        ({"does": "percent_off", "rate_bp": 0}, "/rate_bp"),
        ({"does": "amount_off", "amount": 1}, ""),
        ({"does": "amount_off", "amount": 0, "rate_bp": 7}, "/amount"),
    ],
)
def test_a_promotion_says_what_its_kind_needs_and_no_other_is_asked(fields: dict[str, Any], pointer: str) -> None:
    row = replace(HALF, **{"rate_bp": 0, **fields})

    assert found(check_promotion(row)) == ([("promotion", pointer)] if pointer else [])
    assert found(check_promotion(replace(row, valid_from="x")))[:1] == [("window", "/valid_from")]
