"""Sizes are shown from small to large, and what is no size is left as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.retail.catalogue.sizes import in_order_of_size


@pytest.mark.parametrize(
    "ordered",
    [
        ["XXS", "XS", "S", "M", "L", "XL", "2XL", "XXXL"],
        ["22-24", "25-27"],
        ["8", "9.5", "10", "100"],
        ["36 EU", "37 EU", "110cm"],
        ["xs", "M", "L", "均碼"],
    ],
)
def test_from_small_to_large_whatever_order_they_come_in(ordered: list[str]) -> None:
    assert in_order_of_size(sorted(ordered)) == ordered
    assert in_order_of_size(ordered[::-1]) == ordered


@pytest.mark.parametrize("values", [["Red", "Blue"], ["M", "XM"], ["L", "Slim L", "S"], []])
def test_what_is_no_size_stays_as_it_came(values: list[str]) -> None:
    assert in_order_of_size(values) == values


@given(st.lists(st.text(max_size=6)))
def test_nothing_is_lost_or_added(values: list[str]) -> None:
    assert sorted(in_order_of_size(values)) == sorted(values)
