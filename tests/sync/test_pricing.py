"""Which price counts: the shop's own, then the nearest list that is valid, then the catalogue's."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from sync.retail.catalogue.pricing import Effective, Listed, SetPrice, price_at
from sync.retail.windows import At

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
NOON = datetime(2026, 9, 21, 12, tzinfo=HONG_KONG)
AT = At(NOON)
SCOPES = ("store", "region", "hq")


def listed(list_id: str, scope: Any = "hq", amount: int = 1, **fields: Any) -> Listed:
    return Listed(list_id=list_id, scope=scope, amount=amount, **fields)


def test_the_nearest_scope_counts_then_the_rank_then_the_id() -> None:
    lists = [
        listed("h", rank=99),
        listed("r2", "region", rank=1),
        listed("r1", "region", rank=1),
        listed("r0", "region", rank=0),
    ]

    assert price_at(AT, catalogue=(5, 1), listed=lists) == Effective(1, 1, "price_list", "r1")
    assert price_at(AT, catalogue=(5, 1), listed=lists[:1]) == Effective(1, 1, "price_list", "h")
    assert price_at(AT, catalogue=(5, 1)) == Effective(5, 1, "catalogue")
    assert price_at(AT, catalogue=None) is None
    assert price_at(AT, catalogue=(5, 1), listed=lists, own=SetPrice(amount=3, per=100)) == Effective(
        3, 100, "store_price"
    )


@given(
    lists=st.lists(
        st.builds(
            Listed,
            list_id=st.text("abc", min_size=1, max_size=2),
            scope=st.sampled_from(SCOPES),
            rank=st.integers(0, 2),
            amount=st.integers(0, 9),
        ),
        unique_by=lambda each: each.list_id,
    ),
    rng=st.randoms(use_true_random=False),
)
def test_the_order_in_which_lists_came_means_nothing(lists: list[Listed], rng: Any) -> None:
    shuffled = rng.sample(lists, len(lists))

    assert price_at(AT, catalogue=(5, 1), listed=shuffled) == price_at(AT, catalogue=(5, 1), listed=lists)


def test_a_list_counts_from_midnight_of_its_first_day_to_that_after_its_last_in_the_stores_zone() -> None:
    autumn = listed("autumn", valid_from=date(2026, 9, 21), valid_until=date(2026, 9, 22))

    def source(moment: datetime) -> str:
        found = price_at(At(moment.astimezone(HONG_KONG)), catalogue=(5, 1), listed=[autumn])
        assert found is not None
        return found.source

    begins = datetime(2026, 9, 20, 16, tzinfo=UTC)
    assert source(begins) == source(begins + timedelta(days=2, seconds=-1)) == "price_list"
    assert source(begins - timedelta(seconds=1)) == source(begins + timedelta(days=2)) == "catalogue"


def test_grace_never_takes_the_place_of_a_list_that_is_valid_without_it() -> None:
    at = At(NOON, is_sure=False, grace_ms=24 * 3600 * 1000)
    over = listed("over", "store", 7, valid_until=date(2026, 9, 20))

    assert price_at(at, catalogue=(5, 1), listed=[over, listed("now")]) == Effective(1, 1, "price_list", "now")
    assert price_at(at, catalogue=(5, 1), listed=[over]) == Effective(7, 1, "price_list", "over", by_grace=True)
    assert price_at(AT, catalogue=(5, 1), listed=[over]) == Effective(5, 1, "catalogue")
