"""How goods lie and move at a place: age and demand from what hubs tell of their levels, a day at a time."""

from typing import Any

from sync.cloud.allocation.history import DAY_MS, Demand, age_of, demand_of, sent_away


def demand(chain: Any, store: str = "hk01", days: int = 28) -> Demand:
    read, now_ms = chain.end.cloud.books.db.read, chain.end.clock.now_ms
    sent = sent_away(read, days=days, now_ms=now_ms)
    return demand_of(read, chain.place(store), days=days, now_ms=now_ms, sent=sent)


async def days_pass(chain: Any, days: int, **level: int) -> None:
    chain.end.clock.now_ms += days * DAY_MS
    if level:
        await chain.stock("hk01", "TEA-01", **level)
    await chain.look()


async def test_demand_is_what_left_in_so_many_days_however_seldom_anybody_looked(chain_of: Any) -> None:
    chain = await chain_of()
    await days_pass(chain, 0, qty=100, sold=0, held=0)
    await days_pass(chain, 10, qty=100, sold=20, held=0)
    assert demand(chain) == Demand(20, 10)
    await days_pass(chain, 20, qty=150, sold=26, held=0)

    assert (demand(chain), demand(chain, days=7)) == (Demand(26, 28), Demand(6, 7))
    assert Demand(26, 28).lasts_days(124) == 133


async def test_what_was_sent_to_another_place_is_no_demand(chain_of: Any) -> None:
    chain = await chain_of()
    await days_pass(chain, 0, qty=100, sold=0, held=0)
    transfer = {"kind": "transfer", "v": 1, "transfer_id": "hk01:d1", "sender": "hk01", "receiver": "hk02"}
    await chain.fact("hk01", "transfers", transfer | {"lines": [["TEA-01", 30]], "sent_at": "2026-09-22T00:00:00Z"})
    await days_pass(chain, 10, qty=100, sold=40, held=0)

    assert demand(chain) == Demand(10, 10)


async def test_goods_are_as_old_as_the_newest_of_them_and_a_place_that_nobody_knows_has_no_age(chain_of: Any) -> None:
    chain = await chain_of()
    await days_pass(chain, 0, qty=10, held=0)
    await days_pass(chain, 5, qty=12, held=0)
    await days_pass(chain, 9, qty=12, sold=3, held=0)
    read, now_ms = chain.end.cloud.books.db.read, chain.end.clock.now_ms

    assert age_of(read, chain.place("hk01"), now_ms=now_ms) == 9
    assert age_of(read, chain.place("hk02"), now_ms=now_ms) is None
    assert demand(chain, "hk02") == Demand(0, 0) and Demand(0, 0).lasts_days(5) is None


async def test_days_that_nobody_asks_for_any_more_go_and_the_last_of_them_stays(chain_of: Any, sql: Any) -> None:
    chain = await chain_of()
    for n in range(6):
        await days_pass(chain, 30, qty=100, sold=n * 10, held=0)

    first = (chain.end.clock.now_ms // DAY_MS) - 120
    assert [day for (day,) in sql("SELECT day FROM place_day ORDER BY day")] == [
        first,
        *(first + 30 * n for n in (1, 2, 3, 4)),
    ]
    assert demand(chain, days=90) == Demand(30, 90)


async def test_the_place_that_needs_its_goods_least_sends_where_that_is_declared(chain_of: Any) -> None:
    chain = await chain_of(allocation={"criteria": ["cover"], "ask": False})
    for store in ("hk01", "hk02"):
        await chain.stock(store, "TEA-01", 50)
    await chain.look()
    chain.end.clock.now_ms += 10 * DAY_MS
    await chain.stock("hk01", "TEA-01", 50, sold=20)
    await chain.stock("hk02", "TEA-01", 50, sold=5)
    await chain.look()
    await chain.order("w1")

    assert (await chain.parcels("w1"))[0][1] == "hk02"
    said = [each["said"]["en"] for each in (await chain.allocation("w1"))["runs"][0]["candidates"]]
    assert said[1] == "Its goods last 15 days there, those of hk02 90: it needs them itself."
