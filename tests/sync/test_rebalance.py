"""Rebalancing: two sides that run one rule come to rest, keep what the shop needs, and never hand on what they do not have."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sync.retail.stock import rebalance, rights
from sync.retail.stock.rebalance import Grant, Policy, Sides
from sync.retail.stock.rights import Row, State

HUB, CLOUD, OTHER = "shop:1", "cloud:1", "other:1"
SIDES = Sides(HUB, CLOUD)
ROUNDS_MAX = 4  # debts; a third holder's rights to the hub; from there on line; a round that finds nothing to do
POLICIES = st.builds(
    Policy,
    safety_stock=st.integers(0, 5),
    online_share_pct=st.integers(0, 100),
    batch=st.integers(1, 6),
    single_item=st.booleans(),
    follow_demand=st.booleans(),
)
RIGHT = st.integers(-6, 40)
KEPT = st.integers(0, 5)


def held(hub: int = 0, cloud: int = 0, other: int = 0, *, sold: int = 0, promised: int = 0) -> State:
    """Return a state in which each holds so much, after so much was sold and promised."""
    rest = {HUB: hub + sold, CLOUD: cloud + promised, OTHER: other}
    granted = {name: qty for name, qty in rest.items() if name != HUB and qty > 0}
    goods = rest[HUB] + sum(granted.values())
    state = {HUB: Row(received=max(0, goods), issued=sold + max(0, -goods), granted=granted)}
    return state | {
        CLOUD: Row(spent=promised + max(0, -rest[CLOUD])),
        OTHER: Row(spent=max(0, -other)),
    }


def due(state: State, me: str, *, kept: int = 0, **policy: Any) -> tuple[Grant, ...]:
    return rebalance.due_grants(state, me, sides=SIDES, policy=Policy(**policy), kept=kept)


def act(state: State, me: str, policy: Policy, *, kept: int = 0) -> State:
    for grant in rebalance.due_grants(state, me, sides=SIDES, policy=policy, kept=kept):
        state = rights.with_grant(state, me, grant.receiver, grant.qty)
    return state


# laws


def check_rest(state: State, policy: Policy, kept: int) -> None:
    """By turns, each hearing the other: at rest after one round between the two, after a few where a third or a debt is in it."""
    is_simple = not rights.debts(state) and not rights.right_of(state, OTHER)
    for _ in range(2 if is_simple else ROUNDS_MAX):
        before = state
        for holder in (HUB, CLOUD, OTHER):
            state = act(state, holder, policy, kept=kept if holder == HUB else 0)
        if state == before:
            return
    raise AssertionError("still moving")


def check_rest_at_once(state: State, policy: Policy, kept: int) -> None:
    """Both act at the same moment on what they knew, then hear each other: at rest as well."""
    for _ in range(ROUNDS_MAX):
        before = state
        for holder in (HUB, CLOUD, OTHER):
            state = rights.merge(state, act(before, holder, policy, kept=kept if holder == HUB else 0))
        if state == before:
            return
    raise AssertionError("still moving")


def check_only_the_unspent(state: State, policy: Policy, kept: int) -> None:
    for holder in (HUB, CLOUD, OTHER):
        grants = rebalance.due_grants(state, holder, sides=SIDES, policy=policy, kept=kept)
        assert all(grant.qty > 0 and grant.receiver != holder for grant in grants)
        assert sum(grant.qty for grant in grants) <= max(0, rights.right_of(state, holder) - kept)


def check_the_shop_keeps_its_own(state: State, policy: Policy, kept: int) -> None:
    """Without a debt to answer, what the hub grants leaves safety stock and what is kept."""
    if rights.debts(state) or rights.right_of(state, OTHER):
        return
    after = act(state, HUB, policy, kept=kept)
    if after != state:
        assert rights.right_of(after, HUB) >= policy.safety_stock + kept
        assert rights.right_of(after, CLOUD) <= rebalance.online_target(state, sides=SIDES, policy=policy)


def check_debts_are_answered(state: State, policy: Policy, _kept: int) -> None:
    """One round covers all debts, or all that there is is given."""
    owed = sum(rights.debts(state).values())
    unspent = sum(rights.unspent_of(state, holder) for holder in (HUB, CLOUD, OTHER))
    after = state
    for holder in (HUB, CLOUD, OTHER):
        after = rights.merge(after, act(state, holder, policy))
    if owed:
        assert sum(rights.debts(after).values()) == max(0, owed - unspent)


STATES = st.builds(held, RIGHT, RIGHT, st.integers(-6, 10), sold=st.integers(0, 50), promised=st.integers(0, 50))
INPUTS = {"state": STATES, "policy": POLICIES, "kept": KEPT}


@given(**INPUTS)
def test_two_sides_by_turns_come_to_rest(state: State, policy: Policy, kept: int) -> None:
    check_rest(state, policy, kept)


@given(**INPUTS)
def test_two_sides_at_once_come_to_rest(state: State, policy: Policy, kept: int) -> None:
    check_rest_at_once(state, policy, kept)


@given(**INPUTS)
def test_nobody_grants_more_than_is_unspent_and_not_kept(state: State, policy: Policy, kept: int) -> None:
    check_only_the_unspent(state, policy, kept)


@given(**INPUTS)
def test_what_walks_in_finds_its_safety_stock(state: State, policy: Policy, kept: int) -> None:
    check_the_shop_keeps_its_own(state, policy, kept)


@given(**INPUTS)
def test_a_debt_is_answered_in_one_round(state: State, policy: Policy, kept: int) -> None:
    check_debts_are_answered(state, policy, kept)


@given(hub=st.integers(0, 40), cloud=st.integers(0, 40), policy=POLICIES, qty=st.integers(0, 9))
def test_no_grant_between_the_two_moves_the_target(hub: int, cloud: int, policy: Policy, qty: int) -> None:
    state = held(hub, cloud)
    moved = rights.with_grant(state, HUB, CLOUD, qty) if 0 < qty <= hub else state

    assert rebalance.online_target(moved, sides=SIDES, policy=policy) == rebalance.online_target(
        state, sides=SIDES, policy=policy
    )


# the policy, by example


def test_deep_stock_moves_in_bulk() -> None:
    assert due(held(40), HUB, online_share_pct=50, batch=12) == (Grant(CLOUD, 20),)
    assert due(held(25, 15), HUB, online_share_pct=50, batch=12) == ()
    assert due(held(15, 25), CLOUD, online_share_pct=50, batch=12) == ()
    assert due(held(8, 32), CLOUD, online_share_pct=50, batch=12) == (Grant(HUB, 12),)


def test_less_than_a_batch_moves_to_whoever_has_none() -> None:
    assert due(held(4), HUB, batch=12) == (Grant(CLOUD, 2),)
    assert due(held(0, 4), CLOUD, batch=12, safety_stock=1) == (Grant(HUB, 3),)


def test_a_single_item_stays_in_the_shop_and_is_answered_for_while_the_line_holds() -> None:
    policy = Policy(online_share_pct=100)

    assert due(held(1), HUB, online_share_pct=100) == ()
    assert due(held(0, 1), CLOUD, online_share_pct=100) == (Grant(HUB, 1),)
    assert due(held(1), HUB, online_share_pct=100, single_item=False) == (Grant(CLOUD, 1),)
    assert rebalance.answer_request(held(1), HUB, 1, policy=policy) == 1


@pytest.mark.parametrize(("qty", "kept", "answered"), [(3, 0, 3), (4, 0, 0), (3, 1, 0), (0, 0, 0)])
def test_a_request_is_answered_whole_or_not_and_safety_stock_is_not_touched(qty: int, kept: int, answered: int) -> None:
    policy = Policy(safety_stock=2)

    assert rebalance.answer_request(held(5), HUB, qty, policy=policy, kept=kept) == answered


def test_a_right_just_granted_for_an_order_is_kept_for_it() -> None:
    assert due(held(0, 1), CLOUD, kept=1) == ()


def test_the_cloud_answers_a_debt_before_others_do() -> None:
    state = held(-3, 2, 5)

    assert due(state, CLOUD) == (Grant(HUB, 2),)
    assert due(state, OTHER) == (Grant(HUB, 1),)
    assert due(state, HUB) == ()


def test_a_third_holder_hands_its_rights_to_the_shop() -> None:
    assert due(held(0, 0, 4), OTHER) == (Grant(HUB, 4),)


def test_the_share_follows_what_was_sold_where_the_policy_says_so() -> None:
    on_line, walk_in = held(40, promised=80), held(40, sold=80)

    assert due(on_line, HUB, follow_demand=True) == (Grant(CLOUD, 36),)
    assert due(walk_in, HUB, follow_demand=True) == (Grant(CLOUD, 4),)


# planted faults

surplus, online_target, online_pct, cover = (
    rebalance._surplus,
    rebalance.online_target,
    rebalance._online_pct,
    rebalance._cover,
)


def target_of_ones_own(state: State, *, sides: Sides, policy: Policy) -> int:
    return rights.right_of(state, sides.hub) * policy.online_share_pct // 100


def surplus_of_all(state: State, me: str, sides: Sides, policy: Policy, kept: int) -> int:
    if me == sides.hub:
        return rebalance.online_target(state, sides=sides, policy=policy)
    return surplus(state, me, sides, policy, kept)


def surplus_without_safety(state: State, me: str, sides: Sides, policy: Policy, kept: int) -> int:
    target = rebalance.online_target(state, sides=sides, policy=policy)
    if me == sides.hub:
        return target - rights.right_of(state, sides.cloud)
    return surplus(state, me, sides, policy, kept)


def cover_whole(state: State, me: str, free: int, sides: Sides) -> tuple[Grant, ...]:
    return tuple(Grant(debtor, owed) for debtor, owed in rights.debts(state).items() if debtor != me and free)


def cover_by_cloud_only(state: State, me: str, free: int, sides: Sides) -> tuple[Grant, ...]:
    return cover(state, me, free, sides) if me == sides.cloud else ()


Law = Callable[[State, Policy, int], None]
FAULTS: list[tuple[str, Callable[..., Any], Law]] = [
    ("online_target", target_of_ones_own, check_rest),
    ("_surplus", surplus_of_all, check_rest_at_once),
    ("_surplus", surplus_without_safety, check_the_shop_keeps_its_own),
    ("_cover", cover_whole, check_only_the_unspent),
    ("_cover", cover_by_cloud_only, check_debts_are_answered),
]


@pytest.mark.parametrize(("name", "fault", "law"), FAULTS, ids=[fault.__name__ for _, fault, _ in FAULTS])
def test_a_planted_fault_breaks_its_law(
    name: str, fault: Callable[..., Any], law: Law, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebalance, name, fault)
    quick = settings(
        max_examples=1000, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False
    )

    with pytest.raises(AssertionError):
        quick(given(st.tuples(STATES, POLICIES, KEPT))(lambda values: law(*values)))()


@pytest.mark.parametrize(
    ("state", "me", "options", "granted"),
    [
        (held(10, 0), HUB, {}, 5),
        (held(10, 0), HUB, {"kept": 8, "safety_stock": 1}, 1),  # what is kept and the safety stock stay
        (held(10, 0), HUB, {"kept": 10}, 0),
        (held(0, 1), CLOUD, {"batch": 5}, 1),  # the last piece belongs to the shop, however few they are
        (held(0, 2), CLOUD, {"batch": 2}, 0),  # one too many is less than a batch
        (held(0, 4), CLOUD, {"batch": 2}, 2),
        (held(2, 3), CLOUD, {"batch": 3, "safety_stock": 2}, 0),
        (held(1, 3), CLOUD, {"batch": 3, "safety_stock": 2}, 2),  # below its safety stock the shop needs any
        (held(9, 1), HUB, {"batch": 5}, 0),
        (held(9, 0), HUB, {"batch": 5}, 4),  # nothing on line: any is needed there
    ],
)
def test_what_is_worth_a_move_is_granted(state: State, me: str, options: dict[str, int], granted: int) -> None:
    receiver = CLOUD if me == HUB else HUB
    assert due(state, me, **options) == ((Grant(receiver, granted),) if granted else ())


def test_what_is_kept_covers_no_debt() -> None:
    assert due(held(2, -3), HUB, kept=5) == due(held(2, -3), HUB, kept=2) == ()
    assert due(held(2, -3), HUB, kept=1) == (Grant(CLOUD, 1),)


@pytest.mark.parametrize(
    ("state", "options", "target"),
    [
        (held(1000, 0), {}, 500),
        (held(60, 40), {"online_share_pct": 30, "safety_stock": 10}, 27),
        (held(3, 0), {"online_share_pct": 100, "safety_stock": 3}, 0),
        (held(3, 0), {"online_share_pct": 100, "safety_stock": 5}, 0),
        (held(1, 0), {"online_share_pct": 100}, 0),
        (held(1, 0), {"online_share_pct": 100, "single_item": False}, 1),
        (held(0, 2), {"online_share_pct": 100}, 2),
        # 30 walked in, 10 were promised, and the policy's half weighs as 20: (10 + 10) of 60
        (held(20, 0, sold=30, promised=10), {"follow_demand": True}, 20 * 33 // 100),
        (held(200, 0, sold=30, promised=100), {"follow_demand": True}, 200 * 73 // 100),
        (rights.pick(held(20, 0, sold=30, promised=10), HUB, 5), {"follow_demand": True}, 20 * 33 // 100),
        (rights.give_back(held(20, 0, sold=30, promised=10), CLOUD, 10), {"follow_demand": True}, 30 * 20 // 100),
        ({HUB: Row(received=95, picked=5), CLOUD: Row()}, {"follow_demand": True}, 50),  # rows that cannot be
        ({HUB: Row(received=95), CLOUD: Row(given_back=5)}, {"follow_demand": True}, 50),
    ],
)
def test_the_clouds_share_of_what_both_have(state: State, options: dict[str, Any], target: int) -> None:
    assert rebalance.online_target(state, sides=SIDES, policy=Policy(**options)) == target


@pytest.mark.parametrize(("qty", "granted"), [(0, 0), (1, 1), (3, 3), (4, 0)])
def test_an_order_gets_all_that_it_asks_for_or_nothing(qty: int, granted: int) -> None:
    policy = Policy(safety_stock=4)
    assert rebalance.answer_request(held(10), HUB, qty, policy=policy, kept=3) == granted


def test_a_third_holder_hands_all_it_has_to_the_hub() -> None:
    assert due(held(0, 0, 7), OTHER) == (Grant(HUB, 7),)
    assert due(held(0, 0, 7), OTHER, kept=2) == (Grant(HUB, 5),)


def test_nothing_is_kept_where_nothing_is_said() -> None:
    assert rebalance.due_grants(held(0, 0, 7), OTHER, sides=SIDES, policy=Policy()) == (Grant(HUB, 7),)
    asked = [rebalance.answer_request(held(3), HUB, qty, policy=Policy()) for qty in (3, 4)]
    assert asked == [3, 0]
