"""Settlement: a debt is covered from what is unspent, then by the newest promises, each of which gives way once."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.stock import rights, settlement
from sync.retail.stock.rights import Cover, Row, State
from sync.retail.stock.settlement import (
    End,
    Plan,
    Promise,
    end_promise,
    promises_at_risk,
    settle,
    settlement_id,
    yielding,
)

HUB, CLOUD, OTHER = "shop:1", "cloud:1", "other:1"
ASSET = rights.stock_asset("TEA-01", "shop")


def state_of(*, owed: int, cloud: int = 0, other: int = 0, promised: int = 0) -> State:
    """A shop that is in debt by `owed`, beside what cloud and a third holder have unspent and the cloud has promised."""
    granted = {CLOUD: cloud + promised, OTHER: other}
    goods = sum(granted.values())
    return {HUB: Row(received=goods, issued=owed, granted=granted), CLOUD: Row(spent=promised), OTHER: Row()}


def promise(seq: int, qty: int = 1, *, keeper: str = CLOUD, end: End | None = None) -> Promise:
    return Promise(f"o{seq}", seq, qty, keeper, end)


def planned(state: State, *promises: Promise, debtor: str = HUB) -> Plan:
    return settle(state, ASSET, settler=CLOUD, debtor=debtor, promises=promises)


def code_of(call: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(RuleError) as refused:
        call(*args, **options)
    return refused.value.code


# by example


def test_a_debt_takes_the_settlers_unspent_right_first() -> None:
    plan = planned(state_of(owed=2, cloud=3, promised=1), promise(1))

    assert plan.settlement is not None
    assert (plan.settlement.from_unspent, plan.settlement.re_sourced) == (2, ())
    assert rights.right_of(plan.state, HUB) == 0
    assert rights.right_of(plan.state, CLOUD) == 1


def test_then_it_asks_the_others_and_breaks_no_promise_for_what_they_have() -> None:
    plan = planned(state_of(owed=5, cloud=3, other=2, promised=1), promise(1))

    assert plan.requests == (Cover(OTHER, HUB, 2),)
    assert plan.ended == ()
    assert rights.debts(plan.state) == {HUB: 2}


def test_then_the_newest_promise_gives_way_and_the_rest_of_it_stays_with_the_settler() -> None:
    plan = planned(state_of(owed=1, promised=5), promise(1, 2), promise(2, 3))

    assert plan.settlement is not None
    assert plan.settlement.re_sourced == ("o2",)
    assert plan.ended == (promise(2, 3, end=End.GIVEN_BACK),)
    assert rights.right_of(plan.state, HUB) == 0
    assert rights.right_of(plan.state, CLOUD) == 2
    assert rights.unpicked_of(plan.state) == 2


def test_a_promise_whose_order_is_with_the_shop_is_asked_for_and_no_older_one_broken_instead() -> None:
    plan = planned(state_of(owed=1, promised=2), promise(1), promise(2, keeper=HUB))

    assert plan.releases == ("o2",)
    assert plan.settlement is None
    assert plan.ended == ()


def test_what_nobody_has_is_said() -> None:
    plan = planned(state_of(owed=5, cloud=1, promised=2), promise(1), promise(2))

    assert plan.uncovered == 2
    assert plan.settlement is not None
    assert (plan.settlement.covered, plan.settlement.uncovered) == (3, 2)
    assert rights.debts(plan.state) == {HUB: 2}


def test_of_two_debts_each_is_settled_by_what_covers_it() -> None:
    state = {HUB: Row(received=4, issued=2, granted={CLOUD: 4}), CLOUD: Row(), OTHER: Row(spent=3)}

    plan = planned(state)
    assert plan.settlement is not None
    assert (plan.settlement.debt, plan.settlement.from_unspent, plan.uncovered) == (2, 1, 1), "three are for the other"


def test_only_promises_of_the_settlers_own_orders_give_way_at_once() -> None:
    plan = planned(state_of(owed=2, promised=3), promise(1, 2), promise(2, keeper=HUB))

    assert (plan.ended, plan.releases) == ((promise(1, 2, end=End.GIVEN_BACK),), ("o2",))
    assert plan.settlement is not None
    assert (plan.settlement.covered, plan.settlement.uncovered) == (1, 0)
    assert rights.debts(plan.state) == {HUB: 1}


def test_an_older_promise_covers_only_what_the_newer_one_leaves() -> None:
    plan = planned(state_of(owed=3, promised=4), promise(1, 2), promise(2, 2, keeper=HUB))

    assert plan.settlement is not None
    assert (plan.settlement.covered, plan.settlement.uncovered) == (1, 0)
    assert (rights.right_of(plan.state, HUB), rights.right_of(plan.state, CLOUD)) == (-2, 1)


def test_a_cover_by_a_grant_is_not_one_by_a_promise_given_back() -> None:
    one = {HUB: Row(issued=3), CLOUD: Row(granted={HUB: 1})}
    other = {HUB: Row(issued=5, given_back=1), CLOUD: Row(granted={HUB: 2})}

    assert settlement_id(one, ASSET, HUB, settler=CLOUD) != settlement_id(other, ASSET, HUB, settler=CLOUD)


def test_two_debts_of_the_settler_are_told_apart_by_what_it_gave_back_between_them() -> None:
    one = {CLOUD: Row(issued=3, given_back=1)}
    other = {CLOUD: Row(issued=5, given_back=3)}

    assert rights.right_of(one, CLOUD) == rights.right_of(other, CLOUD) == -2
    assert settlement_id(one, ASSET, CLOUD, settler=CLOUD) != settlement_id(other, ASSET, CLOUD, settler=CLOUD)


def test_no_debt_is_no_settlement() -> None:
    state = state_of(owed=0, cloud=1)

    assert planned(state, promise(1)) == Plan(state=state)


def test_a_settler_that_inherited_a_debt_settles_its_own_first() -> None:
    state = {**state_of(owed=1, promised=2), CLOUD: Row(spent=3)}

    other, own = planned(state, promise(1), promise(2)), planned(state, promise(1), promise(2), debtor=CLOUD)

    assert other == Plan(state=state)
    assert own.settlement is not None
    assert own.settlement.re_sourced == ("o2",)
    assert rights.right_of(own.state, CLOUD) == 0
    assert rights.debts(planned(own.state, promise(1), debtor=HUB).state) == {}


def test_the_shops_list_of_promises_at_risk_is_the_newest_beyond_what_is_unspent() -> None:
    promises = [promise(1), promise(2), promise(3), promise(4, end=End.PICKED)]

    assert promises_at_risk(state_of(owed=2, cloud=1, promised=3), promises, first=CLOUD) == (promise(3),)
    assert promises_at_risk(state_of(owed=2, cloud=2, promised=3), promises, first=CLOUD) == ()


@pytest.mark.parametrize("end", list(End))
def test_a_promise_ends_once_and_by_whom_its_order_is_with(end: End) -> None:
    ended = end_promise(promise(1), end, by=CLOUD)

    assert code_of(end_promise, ended, End.GIVEN_BACK, by=CLOUD) == "promise_ended"
    assert code_of(end_promise, ended, End.PICKED, by=CLOUD) == "promise_ended"
    assert code_of(end_promise, promise(1), end, by=HUB) == "not_keeper"


# laws

OWED = st.integers(1, 12)
SMALL = st.integers(0, 6)
PROMISES = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([CLOUD, HUB]), st.sampled_from([None, None, *End])), max_size=6
).map(lambda drawn: tuple(promise(n, qty, keeper=keeper, end=end) for n, (qty, keeper, end) in enumerate(drawn, 1)))
INPUTS = (OWED, SMALL, SMALL, PROMISES)


def drawn_state(owed: int, cloud: int, other: int, promises: tuple[Promise, ...]) -> State:
    return state_of(owed=owed, cloud=cloud, other=other, promised=open_qty(promises))


def open_qty(promises: tuple[Promise, ...]) -> int:
    return sum(each.qty for each in promises if each.end is None)


def updated(promises: tuple[Promise, ...], plan: Plan) -> tuple[Promise, ...]:
    ended = {each.order_id: each for each in plan.ended}
    return tuple(ended.get(each.order_id, each) for each in promises)


def check_conserved(owed: int, cloud: int, other: int, promises: tuple[Promise, ...]) -> None:
    """Before and after: rights and open promises are what is there; nobody but the debtor is or gets into debt."""
    state = drawn_state(owed, cloud, other, promises)
    plan = settlement.settle(state, ASSET, settler=CLOUD, debtor=HUB, promises=promises)
    unpicked = open_qty(updated(promises, plan))
    assert rights.audit(plan.state, on_hand=rights.on_hand_of(state), unpicked=unpicked) is None
    assert rights.right_of(plan.state, CLOUD) >= 0
    assert rights.right_of(plan.state, HUB) <= 0
    if plan.settlement is not None:
        assert rights.right_of(plan.state, HUB) == plan.settlement.covered - owed


def check_to_the_end(owed: int, cloud: int, other: int, promises: tuple[Promise, ...]) -> None:
    """Requests answered, orders released, settled again until nothing happens: no debt is left, or nothing to cover it with."""
    state, keys = drawn_state(owed, cloud, other, promises), set()
    for _ in range(len(promises) + 3):
        plan = settlement.settle(state, ASSET, settler=CLOUD, debtor=HUB, promises=promises)
        again = settlement.settle(state, ASSET, settler=CLOUD, debtor=HUB, promises=promises)
        assert plan == again
        if plan.settlement is not None:
            assert plan.settlement.settlement_id not in keys
            keys.add(plan.settlement.settlement_id)
        state, promises = plan.state, updated(promises, plan)
        for request in plan.requests:
            state = rights.with_grant(state, request.holder, request.debtor, request.qty)
        promises = tuple(replace(each, keeper=CLOUD) if each.order_id in plan.releases else each for each in promises)
    if rights.debts(state):
        assert not open_qty(promises)
        assert not any(rights.unspent_of(state, holder) for holder in rights.holders_of(state))
        assert rights.on_hand_of(state) < 0


def check_no_promise_too_many(owed: int, cloud: int, other: int, promises: tuple[Promise, ...]) -> None:
    """Only newest ones give way, only where unspent rights do not do, and not one more than needed."""
    plan = settlement.settle(
        drawn_state(owed, cloud, other, promises), ASSET, settler=CLOUD, debtor=HUB, promises=promises
    )
    named = {each.order_id for each in plan.ended} | set(plan.releases)
    chosen = [each for each in promises if each.order_id in named]
    spared = [each for each in promises if each.end is None and each not in chosen]
    assert all(each.seq > other.seq for each in chosen for other in spared)
    missing = owed - cloud - other
    if chosen:
        assert sum(each.qty for each in chosen[1:]) < missing
    else:
        assert missing <= 0 or not spared


@given(owed=OWED, cloud=SMALL, other=SMALL, promises=PROMISES)
def test_a_settlement_conserves_what_is_there(owed: int, cloud: int, other: int, promises: tuple[Promise, ...]) -> None:
    check_conserved(owed, cloud, other, promises)


@given(owed=OWED, cloud=SMALL, other=SMALL, promises=PROMISES)
def test_settled_to_the_end_no_debt_is_left_or_stock_is_below_zero(
    owed: int, cloud: int, other: int, promises: tuple[Promise, ...]
) -> None:
    check_to_the_end(owed, cloud, other, promises)


@given(owed=OWED, cloud=SMALL, other=SMALL, promises=PROMISES)
def test_no_promise_gives_way_that_need_not(owed: int, cloud: int, other: int, promises: tuple[Promise, ...]) -> None:
    check_no_promise_too_many(owed, cloud, other, promises)


def check_keys() -> None:
    """The same size of debt twice is two settlements, seen twice is one."""
    first = planned(state_of(owed=1, cloud=4))
    row = first.state[HUB]
    second = planned({**first.state, HUB: replace(row, issued=row.issued + 1)})
    assert first.settlement is not None
    assert second.settlement is not None
    assert planned(state_of(owed=1, cloud=4)).settlement == first.settlement
    assert first.settlement.settlement_id != second.settlement.settlement_id


def test_a_debt_has_one_key_and_the_next_debt_another() -> None:
    check_keys()


def test_a_debt_that_is_inherited_after_a_settlement_has_a_key_of_its_own() -> None:
    """What is passed on may be a debt: then all that the debtor was ever handed comes to less than before."""
    first = planned(state_of(owed=1, cloud=4))
    second = planned({**first.state, OTHER: Row(issued=1, granted={HUB: -1}, sealed=1)})

    assert first.settlement is not None and second.settlement is not None
    assert rights.granted_to(second.state, HUB) == rights.granted_to(first.state, HUB)
    assert first.settlement.settlement_id != second.settlement.settlement_id


def test_the_next_settler_has_keys_of_its_own() -> None:
    first = planned(state_of(owed=1, cloud=4))
    again = settle(state_of(owed=1, other=4), ASSET, settler=OTHER, debtor=HUB, promises=())

    assert first.settlement is not None and again.settlement is not None
    assert first.settlement.settlement_id != again.settlement.settlement_id


# planted faults


def oldest_first(promises: Any, qty: int) -> tuple[Promise, ...]:
    return yielding([replace(each, seq=-each.seq) for each in promises], qty)


def all_of_them(promises: Any, qty: int) -> tuple[Promise, ...]:
    return tuple(each for each in promises if each.end is None)[::-1] if qty > 0 else ()


def ended_ones_as_well(promises: Any, qty: int) -> tuple[Promise, ...]:
    return yielding([replace(each, end=None) for each in promises], qty)


def asks_for_nothing(promises: Any, qty: int) -> tuple[Promise, ...]:
    return tuple(each for each in yielding(promises, qty) if each.keeper == CLOUD)


def give_back_twice(state: State, holder: str, qty: int) -> State:
    row = state[holder]
    return {**state, holder: replace(row, given_back=row.given_back + 2 * qty)}


def cover_by_the_first_only(state: State, *, first: str) -> list[Cover]:
    qty = min(rights.unspent_of(state, first), rights.debts(state).get(HUB, 0))
    return [Cover(first, HUB, qty)] if qty else []


def key_of_the_size(state: State, _asset: Any, debtor: str, *, settler: str) -> str:
    del settler
    return f"settlement-{rights.right_of(state, debtor)}"


FAULTS: list[tuple[Any, str, Callable[..., Any], Callable[..., None]]] = [
    (settlement, "yielding", all_of_them, check_no_promise_too_many),
    (settlement, "yielding", ended_ones_as_well, check_conserved),
    (settlement, "yielding", asks_for_nothing, check_to_the_end),
    (rights, "give_back", give_back_twice, check_conserved),
    (rights, "cover_debts", cover_by_the_first_only, check_no_promise_too_many),
]


def run(law: Callable[..., None]) -> None:
    quick = settings(derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False)
    quick(given(st.tuples(*INPUTS))(lambda values: law(*values)))()


@pytest.mark.parametrize(("module", "name", "fault", "law"), FAULTS, ids=[fault.__name__ for *_, fault, _ in FAULTS])
def test_a_planted_fault_breaks_its_law(
    module: Any, name: str, fault: Callable[..., Any], law: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, fault)

    with pytest.raises((AssertionError, RuleError)):
        run(law)


def test_yielding_oldest_first_breaks_the_law_of_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_age(promises: Any, qty: int) -> tuple[Promise, ...]:
        chosen = {each.order_id for each in oldest_first(promises, qty)}
        return tuple(each for each in promises if each.order_id in chosen)

    monkeypatch.setattr(settlement, "yielding", by_age)

    with pytest.raises(AssertionError):
        run(check_no_promise_too_many)


def test_a_key_made_of_the_size_breaks_the_law_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "settlement_id", key_of_the_size)

    with pytest.raises(AssertionError):
        check_keys()
