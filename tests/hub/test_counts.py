"""Counts against the database: the books come out as the shelf is, judged by a shelf that is kept beside them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import RefusedError
from hub.store.replica.lives import begin_life
from hub.store.stock import counts
from hub.store.stock.counts import book_count, seen_now
from hub.store.stock.stock import Booked, Movement, move, on_hand
from hub.store.upkeep.audit import audit
from sync.model import Replica
from sync.retail.selling.sales import Override, Sale, SaleLine, Tender
from sync.retail.stock.movements import MovementLine, Vector

FREE = Override("goods without a price are not what is tested here")

SKUS = ("TEA-01", "SHIRT-M")


class Shelf:
    """What lies there, whatever is booked; how far a device has seen it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.there = {sku: on_hand(store.db.read, sku, "shop") for sku in SKUS}
        self.made = store.db.read.execute("SELECT count(*) + 1000 * count(DISTINCT replica) FROM sale").fetchone()[0]
        self.made += store.db.read.execute("SELECT count(*) FROM stock_movement").fetchone()[0]

    def name(self) -> str:
        self.made += 1
        return f"n{self.made}"

    async def sell(self, sku: str, qty: int) -> None:
        line = SaleLine(1, sku, qty, 0, per=1, override=FREE)
        name = self.name()
        tender = (Tender("cash", 0),)
        await self.store.sell(Sale(sale_id=name, till_id="t1", currency="HKD", lines=(line,), tenders=tender, total=0))
        self.there[sku] -= qty

    async def receive(self, sku: str, qty: int) -> None:
        said = Movement(self.name(), sku, qty, "receive")
        await self.store.db.write(lambda tx: move(tx, self.store.replica, said, location="shop", now_ms=1))
        self.there[sku] += qty

    def seen(self) -> Vector:
        return seen_now(self.store.db.read, self.store.replica)

    async def post(self, counted: dict[str, int], seen: Vector) -> Booked:
        lines = tuple(MovementLine(sku, qty) for sku, qty in counted.items())
        said = Movement(self.name(), reason="count", lines=lines, seen=seen)
        return await self.store.db.write(
            lambda tx: book_count(tx, self.store.replica, said, location="shop", rule=None, now_ms=1)
        )

    async def new_life(self, incarnation: str) -> None:
        own = self.store.replica
        reborn = await self.store.db.write(
            lambda tx: begin_life(tx, own, peer="cloud", incarnation=incarnation, why="test", now_ms=1)
        )
        self.store.replica = reborn.replica

    def books(self) -> dict[str, int]:
        return {sku: on_hand(self.store.db.read, sku, "shop") for sku in SKUS}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["sell", "sell", "receive", "lose", "count", "post"]),
        st.sampled_from(SKUS),
        st.integers(1, 4),
    ),
    max_size=12,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_after_the_last_count_the_books_are_the_shelf(store: Any, steps: Any) -> None:
    """Each example goes on with the store that the ones before left behind; counts are posted late and in any order."""
    shelf = Shelf(store)
    waiting: list[tuple[dict[str, int], Vector]] = []
    for kind, sku, qty in steps:
        if kind == "sell":
            await shelf.sell(sku, qty)
        elif kind == "receive":
            await shelf.receive(sku, qty)
        elif kind == "lose":
            shelf.there[sku] -= min(qty, max(0, shelf.there[sku]))
        elif kind == "count":
            waiting.append(({sku: max(0, there) for sku, there in shelf.there.items()}, shelf.seen()))
        elif waiting:
            await shelf.post(*waiting.pop(qty % len(waiting)))
    for each in waiting:
        await shelf.post(*each)
    for sku, there in shelf.there.items():  # what is owed to customers cannot be counted
        if there < 0:
            await shelf.receive(sku, -there)
    await shelf.post(dict(shelf.there), shelf.seen())

    assert shelf.books() == shelf.there
    assert audit(store.db.read, store.replica) == []


async def test_what_a_device_has_seen_in_a_life_that_has_ended_it_has_seen(store: Any) -> None:
    shelf = Shelf(store)
    await shelf.sell("TEA-01", 3)
    counted, seen = {"TEA-01": 15}, shelf.seen()  # two are missing
    await shelf.sell("TEA-01", 1)
    await shelf.new_life("00000000000000b1")
    await shelf.sell("TEA-01", 2)
    booked = await shelf.post(counted, seen)

    assert booked.fact is not None
    assert [(effect.sku, effect.qty) for effect in booked.fact.stock] == [("TEA-01", -2)]
    assert shelf.books()["TEA-01"] == 15 - 1 - 2


async def test_rows_that_are_no_more_here_cannot_be_compared(store: Any) -> None:
    shelf = Shelf(store)
    seen = shelf.seen()
    await shelf.sell("TEA-01", 3)
    own: Replica = store.replica
    await store.db.write(
        lambda tx: tx.execute(
            "INSERT INTO floor (replica, stream, last, digest) VALUES (?, 'sales', 1, x'00')", (own.local_id,)
        )
    )

    with pytest.raises(RefusedError) as refused:
        await shelf.post({"TEA-01": 1}, seen)
    assert refused.value.code == "count_too_old"


async def test_a_count_that_takes_everything_for_seen_is_found(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_since", lambda *_: {})

    with pytest.raises(AssertionError):
        await test_what_a_device_has_seen_in_a_life_that_has_ended_it_has_seen(store)


async def test_a_count_that_forgets_new_dots_is_found(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_written_again", lambda *_: set())

    with pytest.raises(AssertionError):
        await test_what_a_device_has_seen_in_a_life_that_has_ended_it_has_seen(store)
