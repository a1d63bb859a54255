"""Effects by their fixed name: of every kind of fact, known or not, and as the hub's SQL reads them."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.store.stock.levels import fold
from sync.effects import Effect, PointsMoved, effects_of, points_of, sum_effects, sum_points
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


points = st.lists(st.tuples(st.sampled_from(["m1", "m2", "陳"]), st.integers(-100, 100)), max_size=5)


@given(points, st.dictionaries(texts.filter(lambda name: name != "points"), st.integers()))
def test_points_of_any_kind_of_fact_are_read(moved: list[Any], other: dict[str, Any]) -> None:
    body = json.dumps(other | {"points": moved}).encode()
    assert [msgspec.structs.astuple(effect) for effect in points_of(body)] == moved


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"stock":[["a","shop",1]]}',
        b'{"note":"points"}',
        b'{"points":5}',
        b'{"points":"5"}',
        b'{"points":[["m1"]]}',
        b'{"points":[["m1",1.5]]}',
        b'{"points":[["m1",1,2]]}',
        b'{"points":[["m1",99999999999999999]]}',
        b'{"points":[["",1]]}',
        b'{"points":[["m1",1]]',
        b'["points"]',
    ],
)
def test_what_moves_no_points_counts_for_nobody(body: bytes) -> None:
    assert points_of(body) == ()
    assert sum_points([body]) == sum_points([], [body]) == {}


def test_points_of_a_sale_that_fell_are_taken_back() -> None:
    """Earned at two shops, one of which gave way to another; what comes to nothing is not named."""
    earned, burned = b'{"points":[["m2",30],["m1",5]]}', b'{"points":[["m1",-20]]}'
    assert points_of(burned) == (PointsMoved("m1", -20),)
    assert sum_points([earned, earned, burned], [earned]) == {"m1": -15, "m2": 30}
    assert list(sum_points([earned])) == ["m1", "m2"], "in the order of the members"
    assert sum_points([], [burned]) == {"m1": 20}
    assert sum_points([burned], [burned]) == {}


@given(st.lists(points, max_size=4), st.lists(points, max_size=4))
def test_a_members_points_are_what_counts_less_what_fell(counted: list[Any], fallen: list[Any]) -> None:
    """Judged member by member, of the facts as they were before they were written."""
    found = sum_points(
        [json.dumps({"points": each}).encode() for each in counted],
        [json.dumps({"points": each}).encode() for each in fallen],
    )

    for member in ("m1", "m2", "陳"):
        has = sum(n for fact in counted for name, n in fact if name == member)
        has -= sum(n for fact in fallen for name, n in fact if name == member)
        assert found.get(member, 0) == has and (member in found) == bool(has)
