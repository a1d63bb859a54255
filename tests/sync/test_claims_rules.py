"""A claim's pure rules: what is back elsewhere, whether the lines were sold so. Over real books of two stores: test_claims."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.retail.selling.claims import (
    LineElsewhere,
    Paid,
    ReturnedElsewhere,
    SoldElsewhere,
    back_elsewhere,
    differing_line,
    summed,
)
from sync.retail.selling.sales import SaleLine

TEA = SaleLine(1, "TEA", 4, 1000, per=1)
HAM = SaleLine(3, "HAM", 250, 2500, "g", per=600, discount=42)
SOLD = SoldElsewhere(
    store="hk01",
    sale_id="s1",
    receipt_no="R-1",
    business_date="2026-09-21",
    currency="HKD",
    lines=(TEA, HAM),
    tenders=(Paid("cash", 5000),),
    returned={},
)
STORES = ("hk01", "hk02", "tw01")
RETURNED = st.dictionaries(
    st.sampled_from(STORES), st.dictionaries(st.sampled_from([1, 3]), st.integers(1, 9), max_size=2), max_size=3
)


def test_what_a_store_took_back_itself_is_in_its_own_books_and_not_counted_again() -> None:
    sold = replace(SOLD, returned={"hk01": {1: 1}, "hk02": {1: 2, 3: 50}, "tw01": {3: 25}})

    assert back_elsewhere(sold, own="hk01") == {1: 2, 3: 75}
    assert back_elsewhere(sold, own="hk02") == {1: 1, 3: 25}
    assert back_elsewhere(sold, own="mo01") == {1: 3, 3: 75}
    assert back_elsewhere(SOLD, own="hk01") == {}


@given(returned=RETURNED, own=st.sampled_from(STORES))
def test_elsewhere_and_here_together_are_what_is_back_in_all(returned: dict[str, dict[int, int]], own: str) -> None:
    found = back_elsewhere(replace(SOLD, returned=returned), own=own)

    for line in (1, 3):
        here = returned.get(own, {}).get(line, 0)
        assert found.get(line, 0) + here == sum(lines.get(line, 0) for lines in returned.values())


def test_lines_that_were_sold_so_are_the_sales_and_need_not_be_all() -> None:
    for claimed in ((TEA, HAM), (HAM, TEA), (HAM,), ()):
        assert differing_line(claimed, SOLD) is None


def test_how_a_price_came_about_is_no_matter_of_a_claim_but_what_was_paid_is() -> None:
    """A receipt shows the line's amount; the till types it in as the price, without the discount."""
    assert differing_line([replace(TEA, unit_price=1250, discount=1000)], SOLD) is None
    assert differing_line([replace(TEA, unit_price=1250)], SOLD) == 0


@pytest.mark.parametrize(
    "changed",
    [{"sku": "RICE"}, {"qty": 5}, {"qty": 3}, {"unit": "g"}, {"unit_price": 1001}, {"discount": 1}, {"line": 2}],
)
def test_a_line_that_was_not_sold_so_is_found_by_its_place(changed: dict[str, Any]) -> None:
    wrong = replace(TEA, **changed)

    assert differing_line([wrong, HAM], SOLD) == 0
    assert differing_line([HAM, wrong], SOLD) == 1
    assert differing_line([HAM, wrong, wrong], SOLD) == 1, "the first one"


def test_a_return_that_is_told_twice_counts_once() -> None:
    def told(return_id: str, *lines: tuple[int, int]) -> ReturnedElsewhere:
        return ReturnedElsewhere(
            elsewhere_id=f"hk02:{return_id}",
            return_id=return_id,
            taker="hk02",
            seller="hk01",
            sale="s1",
            lines=tuple(LineElsewhere(*line) for line in lines),
            refund=1,
            currency="HKD",
            taken_at=datetime(2026, 9, 21, tzinfo=UTC),
        )

    first, second = told("r1", (1, 1), (3, 50)), told("r2", (1, 2))
    assert summed([first, second, first]) == {1: 3, 3: 50}
    assert summed([]) == {}
