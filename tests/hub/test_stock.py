"""Stock: a movement counts once; the figure on hand is the sum of all movements and sales, judged by SQL over their bodies."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import ConflictError, RefusedError
from hub.store.stock.stock import Moved, Movement, move, on_hand
from sync.retail.selling.sales import Override, Sale, SaleLine, Tender

FREE = Override("goods without a price are not what is tested here")

FROM_BODIES = """
SELECT sku, sum(qty) FROM (
  SELECT effect.value ->> 0 AS sku, effect.value ->> 2 AS qty FROM stock_movement, json_each(body, '$.stock') AS effect
  UNION ALL
  SELECT effect.value ->> 0, effect.value ->> 2 FROM sale, json_each(body, '$.stock') AS effect
) GROUP BY sku
"""


async def book(store: Any, movement: Movement) -> Moved:
    return await store.db.write(lambda tx: move(tx, store.replica, movement, location="shop", now_ms=1))


def movement(movement_id: str = "m1", *, sku: str = "TEA-01", qty: int = 5, note: str = "") -> Movement:
    return Movement(movement_id, sku, qty, "receive", note)


async def test_a_movement_counts_once_however_often_it_comes(store: Any) -> None:
    first, *again = [await book(store, movement()) for _ in range(3)]

    assert (first.on_hand, first.repeated) == (25, False)
    assert [(m.on_hand, m.repeated, m.dot) for m in again] == [(25, True, first.dot)] * 2
    assert store.db.read.execute("SELECT seq FROM stream WHERE name = 'stock'").fetchone() == (first.dot.seq,)


@pytest.mark.parametrize("other", [movement(qty=6), movement(sku="SHIRT-M"), movement(note="x")])
async def test_other_content_under_a_known_id_is_a_conflict_and_moves_nothing(store: Any, other: Movement) -> None:
    await book(store, movement())

    with pytest.raises(ConflictError) as conflict:
        await book(store, other)

    assert conflict.value.code == "other_content"
    assert (on_hand(store.db.read, "TEA-01", "shop"), on_hand(store.db.read, "SHIRT-M", "shop")) == (25, 5)


@pytest.mark.parametrize("sku", ["NOTHING", "BAG"])
async def test_what_has_no_stock_cannot_move(store: Any, sku: str) -> None:
    with pytest.raises(RefusedError, match=sku):
        await book(store, movement(sku=sku))

    assert on_hand(store.db.read, sku, "shop") == 0


def draw_sale(n: int, sku: str, qty: int) -> Sale:
    unit = "g" if sku == "PLUM" else "each"
    line = SaleLine(1, sku, qty, 0, unit, per=1, override=FREE)
    return Sale(sale_id=f"s{n}", till_id="t1", currency="HKD", lines=(line,), tenders=(Tender("cash", 0),), total=0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["move", "sell", "repeat"]),
            st.sampled_from(["TEA-01", "SHIRT-M", "PLUM"]),
            st.integers(1, 50),
        ),
        max_size=20,
    ),
    direction=st.sampled_from([1, -1]),
)
async def test_the_figure_is_the_sum_of_all_bodies(store: Any, steps: Any, direction: int) -> None:
    """Each example goes on with the store that the ones before left behind."""
    start = store.db.read.execute("SELECT count(*) FROM sale").fetchone()[0]
    for n, (kind, sku, qty) in enumerate(steps, start):
        if kind == "move":
            await book(store, movement(f"m{n}-{sku}-{qty}-{direction}", sku=sku, qty=qty * direction))
        for _ in range({"move": 0, "sell": 1, "repeat": 2}[kind]):
            await store.sell(draw_sale(n * 1000 + qty, sku, qty))

    cached = dict(store.db.read.execute("SELECT sku, on_hand FROM stock").fetchall())
    assert cached == dict(store.db.read.execute(FROM_BODIES).fetchall())


async def test_a_refused_sale_moves_nothing(store: Any, sale: Callable[..., Sale]) -> None:
    with pytest.raises(RefusedError):
        await store.sell(sale(total=1))

    assert on_hand(store.db.read, "TEA-01", "shop") == 20
