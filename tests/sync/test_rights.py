"""The algebra of rights: a join of rows, and shares that are spent, granted, given back and passed on, no piece too many."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.stock import rights
from sync.retail.stock.rights import Asset, Cover, Difference, Outlet, Row, SpendPolicy, State

HUB, CLOUD, OTHER = "shop:1", "cloud:1", "other:1"
HOLDERS = (HUB, CLOUD, OTHER)
NUMBER = st.integers(0, 20)
LIVE_ROWS = st.builds(
    Row,
    received=NUMBER,
    issued=NUMBER,
    picked=NUMBER,
    spent=NUMBER,
    given_back=NUMBER,
    granted=st.dictionaries(st.sampled_from(HOLDERS), NUMBER),
)
SEALED_ROWS = st.builds(
    replace, LIVE_ROWS, sealed=st.integers(1, 2), granted=st.dictionaries(st.sampled_from(HOLDERS), st.integers(-9, 9))
)
STATES = st.dictionaries(st.sampled_from(HOLDERS), LIVE_ROWS | SEALED_ROWS)
DEEP = {HUB: Row(received=10, granted={CLOUD: 4}), CLOUD: Row(spent=1)}


def code_of(call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(RuleError) as refused:
        call(*args, **options)
    return refused.value.code


def sell(state: State, qty: int, *, policy: SpendPolicy = SpendPolicy.PHYSICAL_FIRST) -> rights.Spent:
    return rights.spend(state, HUB, qty, outlet=Outlet.ISSUED, policy=policy)


# the join


def check_join(one: State, other: State, third: State) -> None:
    merge = rights.merge
    assert merge(one, one) == one
    assert merge(one, other) == merge(other, one)
    assert merge(merge(one, other), third) == merge(one, merge(other, third))
    assert merge(merge(one, other), other) == merge(one, other)


@given(one=STATES, other=STATES, third=STATES)
def test_merge_is_a_join(one: State, other: State, third: State) -> None:
    check_join(one, other, third)


def check_nothing_known_is_lost(one: State, other: State) -> None:
    both = rights.merge(one, other)
    for state in (one, other):
        for writer, row in state.items():
            kept = both[writer]
            assert kept.sealed >= row.sealed
            if kept.sealed == row.sealed:
                assert kept.issued >= row.issued
                assert all(kept.granted[to] >= qty for to, qty in row.granted.items())


@given(one=STATES, other=STATES)
def test_merge_loses_nothing_that_either_knows(one: State, other: State) -> None:
    check_nothing_known_is_lost(one, other)


def test_a_sealed_row_stands_against_what_its_clone_goes_on_writing() -> None:
    sealed = rights.reclaim(DEEP, HUB, "shop:2")

    heard = rights.merge(sealed, {HUB: Row(received=99, granted={CLOUD: 50})})

    assert heard == sealed


# what is there


@given(state=STATES)
def test_rights_and_promises_are_what_is_there(state: State) -> None:
    """By algebra alone: no row, however odd, breaks the identity; grants only move."""
    on_hand, unpicked = rights.on_hand_of(state), rights.unpicked_of(state)

    assert rights.audit(state, on_hand=on_hand, unpicked=unpicked) is None


@pytest.mark.parametrize(
    ("on_hand", "unpicked", "found"),
    [
        (10, 1, None),
        (9, 1, Difference("levels", 9, 10)),
        (10, 2, Difference("promises", 2, 1)),
    ],
)
def test_an_audit_names_the_figure_that_differs(on_hand: int, unpicked: int, found: Difference | None) -> None:
    assert rights.audit(DEEP, on_hand=on_hand, unpicked=unpicked) == found


def test_a_grant_that_only_one_side_counts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "granted_to", lambda _state, _holder: 0)

    assert rights.audit(DEEP, on_hand=10, unpicked=1) == Difference("rights", 9, 5)


def test_promise_pick_and_cancel_leave_the_right_of_the_shop_alone() -> None:
    picked = rights.pick(DEEP, HUB, 1)

    assert rights.right_of(picked, HUB) == rights.right_of(DEEP, HUB) == 6
    assert rights.on_hand_of(picked) == 9
    assert rights.unpicked_of(picked) == 0
    assert rights.right_of(rights.give_back(DEEP, CLOUD, 1), CLOUD) == 4


def test_a_promise_that_was_picked_cannot_be_given_back() -> None:
    assert code_of(rights.give_back, rights.pick(DEEP, HUB, 1), CLOUD, 1) == "no_promise"


def test_a_promise_is_given_back_once() -> None:
    assert code_of(rights.give_back, rights.give_back(DEEP, CLOUD, 1), CLOUD, 1) == "no_promise"


# spending


def check_overdraw(right: int, qty: int) -> None:
    """The debt grows by the overdraw and by nothing else."""
    state = {HUB: Row(received=max(0, right), issued=max(0, -right))}
    spent = rights.spend(state, HUB, qty, outlet=Outlet.ISSUED, policy=SpendPolicy.PHYSICAL_FIRST)
    owed, owes = max(0, -right), max(0, -rights.right_of(spent.state, HUB))
    assert owes - owed == spent.overdraw
    assert rights.right_of(spent.state, HUB) == right - qty


@given(right=st.integers(-9, 9), qty=st.integers(1, 12))
def test_a_till_never_refuses_goods_in_hand_and_notes_by_how_much_it_was_over(right: int, qty: int) -> None:
    check_overdraw(right, qty)


@given(right=st.integers(-9, 9), qty=st.integers(1, 12))
def test_strict_spends_exactly_what_may_be_spent(right: int, qty: int) -> None:
    state = {HUB: Row(received=max(0, right), issued=max(0, -right))}

    if rights.may_spend(state, HUB, qty):
        assert sell(state, qty, policy=SpendPolicy.STRICT).overdraw == 0
    else:
        assert code_of(sell, state, qty, policy=SpendPolicy.STRICT) == "no_right"


# grants


def check_grant(right: int, qty: int) -> None:
    state = {HUB: Row(received=9, issued=9 - right, granted={CLOUD: 3}), OTHER: Row(granted={HUB: 3})}
    if qty > max(0, right):
        assert code_of(rights.grant, state, HUB, CLOUD, qty) == "no_right"
        return
    assert rights.grant(state, HUB, CLOUD, qty) == 3 + qty
    after = rights.with_grant(state, HUB, CLOUD, qty)
    assert rights.right_of(after, HUB) == right - qty
    assert rights.right_of(after, CLOUD) == 3 + qty


@given(right=st.integers(-9, 9), qty=st.integers(1, 12))
def test_a_grant_takes_from_what_is_unspent_and_from_no_debt(right: int, qty: int) -> None:
    check_grant(right, qty)


def test_a_right_in_flight_is_nobodys() -> None:
    before: State = {HUB: Row(received=5)}

    at_hub, at_cloud = rights.with_grant(before, HUB, CLOUD, 3), before

    assert rights.right_of(at_hub, HUB) + rights.right_of(at_cloud, CLOUD) == 2
    assert rights.right_of(rights.merge(at_cloud, at_hub), CLOUD) == 3


def test_nothing_is_granted_to_or_by_the_sealed() -> None:
    sealed = rights.reclaim({**DEEP, OTHER: Row()}, OTHER, HUB)

    assert code_of(rights.grant, sealed, HUB, OTHER, 1) == "sealed"
    assert code_of(rights.grant, sealed, OTHER, HUB, 1) == "sealed"
    assert code_of(rights.reclaim, sealed, HUB, OTHER) == "sealed"


# seals


def check_reclaim(state: State) -> None:
    """All that is left passes on, a debt as a debt, once; the whole stays what it was."""
    left, heir_had = rights.right_of(state, HUB), rights.right_of(state, "shop:2")
    once = rights.reclaim(state, HUB, "shop:2")
    assert once[HUB].sealed
    assert rights.right_of(once, HUB) == 0
    assert rights.right_of(once, "shop:2") == heir_had + left
    assert rights.reclaim(once, HUB, "shop:2") == once


@given(state=st.dictionaries(st.sampled_from(HOLDERS), LIVE_ROWS))
def test_a_seal_passes_on_what_is_left_once(state: State) -> None:
    check_reclaim(state)


def test_what_is_granted_to_the_dead_afterwards_passes_on_as_well() -> None:
    sealed = rights.reclaim(DEEP, HUB, "shop:2")
    late = rights.merge(sealed, {CLOUD: Row(spent=1, granted={HUB: 2})})

    again = rights.reclaim(late, HUB, "shop:2")

    assert rights.right_of(again, HUB) == 0
    assert rights.right_of(again, "shop:2") == 8
    assert rights.merge(again, sealed)[HUB] == again[HUB]


def test_a_seal_replaces_the_row_by_what_the_facts_say() -> None:
    sealed = rights.reclaim(DEEP, HUB, "shop:2", frozen=Row(received=8, granted={CLOUD: 4}))

    assert rights.right_of(sealed, "shop:2") == 4
    assert rights.on_hand_of(rights.merge(sealed, DEEP)) == 8


# debts


def test_a_debt_is_covered_by_the_first_named_then_by_name() -> None:
    state = {HUB: Row(issued=5), OTHER: Row(received=3), CLOUD: Row(received=1), "a:1": Row(received=9)}

    assert rights.debts(state) == {HUB: 5}
    assert rights.cover_debts(state, first=CLOUD) == [Cover(CLOUD, HUB, 1), Cover("a:1", HUB, 4)]


def check_cover(state: State) -> None:
    covers, owed = rights.cover_debts(state, first=CLOUD), rights.debts(state)
    for holder in rights.holders_of(state):
        assert sum(cover.qty for cover in covers if cover.holder == holder) <= rights.unspent_of(state, holder)
        assert sum(cover.qty for cover in covers if cover.debtor == holder) <= owed.get(holder, 0)
    unspent = sum(rights.unspent_of(state, holder) for holder in rights.holders_of(state))
    assert sum(cover.qty for cover in covers) == min(unspent, sum(owed.values()))


@given(state=STATES)
def test_covers_are_all_that_is_needed_or_all_there_is(state: State) -> None:
    check_cover(state)


# the same algebra for other assets


def test_a_coupon_is_redeemed_as_often_as_it_was_issued_for() -> None:
    assert rights.coupon_asset("C1") == Asset("coupon", ("C1",))
    state = rights.with_grant(rights.make({}, CLOUD, 2), CLOUD, HUB, 1)

    once = rights.spend(state, HUB, 1, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT).state

    assert code_of(rights.spend, once, HUB, 1, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT) == "no_right"
    conditional = rights.spend(once, HUB, 1, outlet=Outlet.SPENT, policy=SpendPolicy.PHYSICAL_FIRST)
    assert conditional.overdraw == 1
    assert rights.right_of(conditional.state, CLOUD) == 1


def test_no_more_comes_back_than_a_line_sold() -> None:
    assert rights.sale_line_asset("s1", 2) == Asset("sale_line", ("s1", "2"))
    state = rights.make({}, HUB, 3)

    back = rights.spend(state, HUB, 2, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT).state

    assert code_of(rights.spend, back, HUB, 2, outlet=Outlet.SPENT, policy=SpendPolicy.STRICT) == "no_right"


# planted faults

merge_rows, right_of, reclaim, spend = rights.merge_rows, rights.right_of, rights.reclaim, rights.spend


def sum_instead_of_max(one: Row, other: Row) -> Row:
    return replace(merge_rows(one, other), issued=one.issued + other.issued)


def last_arrived(_one: Row, other: Row) -> Row:
    return other


def smaller_of_each(one: Row, other: Row) -> Row:
    return replace(merge_rows(one, other), issued=min(one.issued, other.issued))


def overdraw_of_all(state: State, holder: str, qty: int, **how: Any) -> rights.Spent:
    spent = spend(state, holder, qty, **how)
    return replace(spent, overdraw=max(0, -rights.right_of(spent.state, holder)))


def grant_of_all_received(state: State, giver: str, receiver: str, qty: int) -> int:
    row = state[giver]
    if qty > row.received:
        raise RuleError("no_right", "/qty", "")
    return row.granted.get(receiver, 0) + qty


def grant_that_replaces(state: State, giver: str, _receiver: str, qty: int) -> int:
    if qty > rights.unspent_of(state, giver):
        raise RuleError("no_right", "/qty", "")
    return qty


def reclaim_of_rights_only(state: State, sealed: str, heir: str) -> State:
    return reclaim(state, sealed, heir) if right_of(state, sealed) >= 0 else state


def reclaim_again(state: State, sealed: str, heir: str) -> State:
    row = state.get(sealed, Row())
    total = 2 * row.granted.get(heir, 0) + right_of(state, sealed)
    return {**state, sealed: replace(row, granted={**row.granted, heir: total}, sealed=row.sealed + 1)}


def cover_by_each(state: State, *, first: str) -> list[Cover]:
    holders = rights.holders_of(state)
    return [
        Cover(holder, debtor, min(owed, rights.unspent_of(state, holder)))
        for debtor, owed in rights.debts(state).items()
        for holder in holders
    ]


ANY_STATES = st.dictionaries(st.sampled_from(HOLDERS), LIVE_ROWS)
QUICK = settings(derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False)
RIGHT, QTY = st.integers(-9, 9), st.integers(1, 12)
FAULTS: list[tuple[str, Callable[..., Any], Callable[..., None], tuple[Any, ...]]] = [
    ("merge_rows", sum_instead_of_max, check_join, (STATES, STATES, STATES)),
    ("merge_rows", last_arrived, check_join, (STATES, STATES, STATES)),
    ("merge_rows", smaller_of_each, check_nothing_known_is_lost, (STATES, STATES)),
    ("spend", overdraw_of_all, check_overdraw, (RIGHT, QTY)),
    ("grant", grant_of_all_received, check_grant, (RIGHT, QTY)),
    ("grant", grant_that_replaces, check_grant, (RIGHT, QTY)),
    ("reclaim", reclaim_of_rights_only, check_reclaim, (ANY_STATES,)),
    ("reclaim", reclaim_again, check_reclaim, (ANY_STATES,)),
    ("cover_debts", cover_by_each, check_cover, (STATES,)),
]


@pytest.mark.parametrize(("name", "fault", "law", "inputs"), FAULTS, ids=[fault.__name__ for _, fault, *_ in FAULTS])
def test_a_planted_fault_breaks_its_law(
    name: str,
    fault: Callable[..., Any],
    law: Callable[..., None],
    inputs: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rights, name, fault)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        QUICK(given(st.tuples(*inputs))(lambda values: law(*values)))()


def test_nobody_may_spend_nothing() -> None:
    assert [rights.may_spend(DEEP, HUB, qty) for qty in (-1, 0, 1, 6, 7)] == [False, False, True, True, False]


def test_a_seal_counts_up_and_freezes_what_the_facts_say_once() -> None:
    frozen = Row(received=8)
    once = rights.reclaim(DEEP, HUB, "shop:2", frozen=frozen)
    assert once[HUB] == Row(received=8, granted={"shop:2": 8}, sealed=1)

    late = rights.merge(once, {CLOUD: Row(spent=1, granted={HUB: 3})})  # granted before it heard of the seal
    twice = rights.reclaim(late, HUB, "shop:2", frozen=Row(received=99))
    assert twice[HUB] == Row(received=8, granted={"shop:2": 11}, sealed=2)
    assert rights.reclaim(twice, HUB, "shop:2", frozen=Row(received=99)) == twice


def test_whoever_leaves_nothing_passes_nothing() -> None:
    empty = rights.reclaim({HUB: Row(received=3, issued=3)}, HUB, "shop:2")
    assert empty == {HUB: Row(received=3, issued=3, sealed=1)}


def test_rights_to_different_things_are_different_assets() -> None:
    named = (rights.stock_asset("a", "b"), rights.coupon_asset("a"), rights.sale_line_asset("a", 1))
    assert named == (Asset("stock", ("a", "b")), Asset("coupon", ("a",)), Asset("sale_line", ("a", "1")))
