"""Promotions kept between reads: what is answered is what stands, whoever reads; reading again reads nothing but the version."""

from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import Any

import pytest
from msgspec.structs import replace

from hub.store.catalogue import promotions
from hub.store.catalogue.pricing import put_rows
from hub.store.catalogue.promotions import KEPT_MAX, LIVE_MAX, live_promotions
from sync.retail.catalogue.price_lists import PromotionRow
from sync.retail.names import Name
from sync.retail.windows import At

NOW = At(datetime(2026, 3, 2, 12, tzinfo=UTC), True, 0)


class UndoneError(Exception):
    """A job that fails after it has written."""


def row(promotion_id: str, **fields: Any) -> PromotionRow:
    values: dict[str, Any] = {"does": "percent_off", "rate_bp": 1000, "name": Name(en=promotion_id)} | fields
    return PromotionRow(promotion_id=promotion_id, **values)


def live(store: Any, at: At = NOW, **more: Any) -> dict[str, int]:
    """Promotions and what they take off, as the shop's reads have them."""
    return {each.promotion_id: each.rate_bp for each in live_promotions(store.db.read, store.shop, at, **more)}


async def put(store: Any, *rows: PromotionRow) -> None:
    await store.db.write(lambda tx: put_rows(tx, store.replica, rows))


async def test_each_change_is_seen_by_the_next_read(store: Any) -> None:
    assert live(store) == {}
    await put(store, row("a"), row("b"))
    assert live(store) == live(store) == {"a": 1000, "b": 1000}
    await put(store, row("a", rate_bp=500))
    assert live(store) == {"a": 500, "b": 1000}
    await put(store, row("b", gone=True))
    assert live(store) == {"a": 500}
    await store.db.write(lambda tx: tx.execute("DELETE FROM promotion WHERE promotion_id = 'a'"))
    assert live(store) == {}


async def test_a_job_sees_what_it_wrote_and_nobody_does_once_it_is_undone(store: Any) -> None:
    await put(store, row("a"))
    seen: list[list[str]] = []

    def failing(tx: Connection) -> None:
        put_rows(tx, store.replica, [row("b")])
        seen.append([each.promotion_id for each in live_promotions(tx, store.shop, NOW)])
        raise UndoneError

    assert live(store) == {"a": 1000}
    with pytest.raises(UndoneError):
        await store.db.write(failing)

    assert seen == [["a", "b"]]
    assert live(store) == {"a": 1000}
    await put(store, row("c"))
    assert live(store) == {"a": 1000, "c": 1000}


async def test_another_day_and_another_shop_have_their_own(store: Any) -> None:
    await put(
        store, row("march", valid_until="2026-03-31"), row("may", valid_from="2026-05-01"), row("all"), row("late")
    )
    await put(store, row("there", scope="store", place="hk02"))

    for _ in range(2):
        assert set(live(store)) == {"march", "all", "late"}
        assert set(live(store, replace(NOW, moment=NOW.moment + timedelta(days=90)))) == {"may", "all", "late"}
        there = replace(store.shop, store_id="hk02")
        assert {each.promotion_id for each in live_promotions(store.db.read, there, NOW)} == {
            "march",
            "all",
            "late",
            "there",
        }


async def test_what_is_for_other_goods_alone_is_left_out(store: Any) -> None:
    await put(
        store,
        row("tea", skus=["TEA-01", "TEA-02"]),
        row("milk", skus=["MILK"]),
        row("food", skus=["MILK"], categories=["food"]),
        row("everything"),
    )

    assert set(live(store, skus={"TEA-02", "CUP"})) == {"tea", "food", "everything"}
    assert set(live(store, skus={"MILK", "TEA-01"})) == set(live(store)) == {"tea", "milk", "food", "everything"}


async def test_reading_again_reads_the_version_alone(store: Any) -> None:
    await put(store, *(row(f"p{n:03}", skus=[f"S{n}-{m}" for m in range(100)]) for n in range(LIVE_MAX + 1)))
    said: list[str] = []
    first = live(store)
    store.db.read.set_trace_callback(said.append)

    assert live(store) == first
    assert len(first) == LIVE_MAX and "p200" not in first
    assert said == ["SELECT version FROM promotion_version"]


async def test_no_more_is_kept_than_a_few_days(store: Any) -> None:
    await put(store, row("a"))
    for day in range(3 * KEPT_MAX):
        assert live(store, replace(NOW, moment=NOW.moment + timedelta(days=day))) == {"a": 1000}

    assert len(promotions._kept) == KEPT_MAX
