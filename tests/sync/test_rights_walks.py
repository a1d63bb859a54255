"""Rights under every interleaving: no piece is promised twice and no figure is lost, whatever is delivered when.

Method: the world of rights_world, driven by Hypothesis (short histories, which it can shrink) and by seeded walks (long ones).
Each planted fault must be found by the walks. A failed walk says how to run it again.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.stock import rebalance, rights, settlement
from sync.retail.stock.rebalance import Policy, Sides
from sync.retail.stock.rights import Row, SpendPolicy, State
from sync.retail.stock.settlement import End, Promise
from tests.sync.rights_world import World, walk


def walk_all(seeds: Iterable[int], *, steps: int) -> list[World]:
    worlds = []
    for seed in seeds:
        try:
            worlds.append(walk(seed, steps))
        except (AssertionError, RuleError) as error:
            error.add_note(f"replay: python -c 'from tests.sync.rights_world import walk; walk({seed}, {steps})'")
            raise
    return worlds


def test_no_piece_is_promised_twice_whatever_arrives_when() -> None:
    run_state_machine_as_test(
        World, settings=settings(max_examples=100, stateful_step_count=50, deadline=None, database=None)
    )


def test_long_walks_keep_the_same_laws_and_pass_every_place() -> None:
    """A law that is never tried holds as well: debts, re-sourced orders, picks and seals must all have come up."""
    worlds = walk_all(range(100), steps=150)

    settled = [each for world in worlds for each in world.settled.values()]
    assert sum(bool(each.re_sourced) for each in settled) > 20
    assert sum(bool(each.from_unspent) for each in settled) > 20
    assert sum(each.end is End.PICKED for world in worlds for each in world.promises.values()) > 50
    assert sum(world.lives > 1 for world in worlds) > 20
    assert sum(bool(rights.debts(world.truth)) for world in worlds) > 5


# planted faults: each must be found by the walks above

merge_rows, right_of, end_promise, spend = (
    rights.merge_rows,
    rights.right_of,
    settlement.end_promise,
    rights.spend,
)


def summing_merge(one: Row, other: Row) -> Row:
    both = merge_rows(one, other)
    return both if one == other else replace(both, received=one.received + other.received)


def merge_that_ignores_seals(one: Row, other: Row) -> Row:
    both = merge_rows(replace(one, sealed=0), replace(other, sealed=0))
    return replace(both, sealed=max(one.sealed, other.sealed))


def later_row_wins(one: Row, other: Row) -> Row:
    return one if one.sealed >= other.sealed else other


def grant_beyond_the_right(state: State, giver: str, receiver: str, qty: int) -> int:
    return state.get(giver, Row()).granted.get(receiver, 0) + qty


def grant_in_debt(state: State, giver: str, receiver: str, qty: int) -> int:
    if qty > abs(rights.right_of(state, giver)):
        raise RuleError("no_right", "/qty", "")
    return state.get(giver, Row()).granted.get(receiver, 0) + qty


def spend_without_right(state: State, holder: str, qty: int, **how: Any) -> rights.Spent:
    return spend(state, holder, qty, outlet=how["outlet"], policy=SpendPolicy.PHYSICAL_FIRST)


def unnoted_overdraw(state: State, holder: str, qty: int, **how: Any) -> rights.Spent:
    return replace(spend(state, holder, qty, **how), overdraw=0)


def right_that_a_grant_leaves(state: State, holder: str) -> int:
    return right_of(state, holder) + sum(state.get(holder, Row()).granted.values())


def end_twice(promise: Promise, end: End, *, by: str) -> Promise:
    return end_promise(replace(promise, end=None), end, by=by)


def end_by_anybody(promise: Promise, end: End, *, by: str) -> Promise:
    return end_promise(replace(promise, keeper=by), end, by=by)


def reclaim_each_time(state: State, sealed: str, heir: str) -> State:
    row = state.get(sealed, Row())
    left = right_of(state, sealed) + row.granted.get(heir, 0)
    total = row.granted.get(heir, 0) + left
    return {**state, sealed: replace(row, granted={**row.granted, heir: total}, sealed=row.sealed + 1)}


def reclaim_that_forgives_debts(state: State, sealed: str, heir: str) -> State:
    row, left = state.get(sealed, Row()), max(0, right_of(state, sealed))
    granted = {**row.granted, heir: row.granted.get(heir, 0) + left}
    return {**state, sealed: replace(row, granted=granted, sealed=row.sealed + 1)}


def pick_that_leaves_the_shelf_full(state: State, owner: str, qty: int) -> State:
    row = state.get(owner, Row())
    return {**state, owner: replace(row, picked=row.picked + qty)}


def pick_that_spends(state: State, owner: str, qty: int) -> State:
    row = state.get(owner, Row())
    return {**state, owner: replace(row, issued=row.issued + qty)}


def nothing_yields(_promises: Any, _qty: int) -> tuple[Promise, ...]:
    return ()


def push_everything(state: State, me: str, *, sides: Sides, policy: Policy, kept: int = 0) -> tuple[Any, ...]:
    other = sides.cloud if me == sides.hub else sides.hub
    qty = rights.unspent_of(state, me)
    return (rebalance.Grant(other, qty),) if qty else ()


FAULTS: list[tuple[ModuleType, str, Callable[..., Any]]] = [
    (rights, "merge_rows", summing_merge),
    (rights, "merge_rows", merge_that_ignores_seals),
    (rights, "merge_rows", later_row_wins),
    (rights, "grant", grant_beyond_the_right),
    (rights, "grant", grant_in_debt),
    (rights, "spend", spend_without_right),
    (rights, "spend", unnoted_overdraw),
    (rights, "right_of", right_that_a_grant_leaves),
    (rights, "reclaim", reclaim_each_time),
    (rights, "reclaim", reclaim_that_forgives_debts),
    (rights, "pick", pick_that_leaves_the_shelf_full),
    (rights, "pick", pick_that_spends),
    (settlement, "end_promise", end_twice),
    (settlement, "end_promise", end_by_anybody),
    (settlement, "yielding", nothing_yields),
    (rebalance, "due_grants", push_everything),
]


@pytest.mark.parametrize(("module", "name", "fault"), FAULTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_walks_find_a_planted_fault(
    module: ModuleType, name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, fault)

    with pytest.raises((AssertionError, RuleError)):
        walk_all(range(100), steps=150)
