"""Effects by their fixed name: of every kind of fact, known or not, and as the hub's SQL reads them."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.store.stock.levels import fold
from sync.effects import Effect, effects_of, sum_effects
from sync.retail.selling.sales import StockEffect
from sync.retail.stock.movements import MOVEMENT, Movement, MovementFact
from sync.store.writing import record_fact
from tests.sync.entity_world import End

texts = st.text(min_size=1, max_size=8)
effects = st.lists(st.tuples(texts, texts, st.integers(-100, 100)), max_size=5)


@given(effects, st.dictionaries(texts.filter(lambda name: name != "stock"), st.integers()))
def test_effects_of_any_kind_are_read(stock: list[Any], other: dict[str, Any]) -> None:
    body = json.dumps(other | {"stock": stock}).encode()
    assert [tuple(msgspec.structs.astuple(effect)) for effect in effects_of(body)] == stock


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"stock":5}',
        b'{"stock":[["a"]]}',
        b'{"stock":[["a","shop",1.5]]}',
        b'{"stock":[["a","shop",1,2]]}',
        b'{"stock":[["a","shop",99999999999999999]]}',
        b'{"stock":[["","shop",1]]}',
        b"[" * 5000,
    ],
)
def test_what_is_no_effect_moves_nothing(body: bytes) -> None:
    assert effects_of(body) == ()


def test_sums_are_of_what_counts_less_what_fell() -> None:
    one, other = b'{"stock":[["a","shop",-2],["b","shop",1]]}', b'{"stock":[["a","shop",-2]]}'
    assert effects_of(other) == (Effect("a", "shop", -2),)
    assert sum_effects([one, other, other], [other]) == {("a", "shop"): -4, ("b", "shop"): 1}
    assert sum_effects([other], [other]) == {}


@given(effects)
def test_a_fold_in_sql_is_the_sum_in_python(stock: list[Any]) -> None:
    """Law on effects at the writer: its tally, received less issued, is the sum of its facts' effects."""
    end = End()
    try:
        rows = [tuple(effect) for effect in stock if "\x00" not in effect[0] + effect[1]]
        fact = MovementFact(
            movement=Movement(movement_id="m1", sku="a", qty=1, reason="receive"),
            committed_at=datetime(2026, 9, 21, tzinfo=UTC),
            stock=tuple(StockEffect(*row) for row in rows),
        )
        record_fact(end.tx, end.replica, MOVEMENT, fact)
        while fold(end.tx, end.replica):
            pass
        folded = end.tx.execute(
            "SELECT sku, location, received - issued FROM level WHERE received <> issued"
        ).fetchall()
    finally:
        end.close()
    assert {(sku, location): qty for sku, location, qty in folded} == sum_effects([msgspec.json.encode(fact)])
