"""Orders: one owner walks the table, two owners come to one answer; each law finds its planted faults."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.orders import orders
from sync.retail.orders.orders import (
    CALLED_OFF,
    CLOSED,
    HANDED_OVER,
    NEXT,
    RANK,
    STEPS_MAX,
    Flag,
    Order,
    OrderRequest,
    OrderState,
    OrderStep,
    answer,
    ending_of,
    first_step,
    merge,
    next_step,
)

QUIET = settings(max_examples=5000, phases=[Phase.generate], database=None)
AT = datetime(2026, 9, 21, tzinfo=UTC)
CLOUDS, HUBS = ("cloud:x", "cloud:y"), ("hk01:a", "hk02:b")


class Wish(Struct, frozen=True):
    """Somebody wants a step: mostly the owner as its side knows it, mostly one that the table has."""

    side: int
    rep: str
    state: int


wishes = st.lists(
    st.builds(
        Wish, st.integers(0, 1), st.sampled_from(["owner"] * 4 + [*CLOUDS, *HUBS]), st.integers(0, 3 * len(OrderState))
    ),
    max_size=30,
)
"""Two sides that do not hear of each other: a restored cloud knows that the order was created, and gives it away again."""

Next = Callable[..., OrderStep]


def walk(script: Sequence[Wish], rule: Next = next_step, *, sides: int = 2) -> list[OrderStep]:
    """Return all steps that the rule let pass, on one side or on two."""
    begun = first_step("o1", CLOUDS[0], AT)
    known = [[begun], [begun]]
    for n, wish in enumerate(script):
        here = known[wish.side % sides]
        order = merge(here)
        rep = order.owner or CLOUDS[0] if wish.rep == "owner" else wish.rep
        likely = sorted(NEXT.get(order.state, ()), key=lambda state: RANK[state]) or list(OrderState)
        states = [*OrderState, *likely * 4]
        state = states[wish.state % len(states)]
        to = HUBS[wish.side % sides] if state is OrderState.ALLOCATED else None
        try:
            here.append(rule(here, state, rep=rep, at=AT + timedelta(seconds=n), to=to))
        except RuleError:
            continue
    return list({step.step_id: step for side in known for step in side}.values())


Merge = Callable[[Sequence[OrderStep]], Order]


def order_and_repetition_mean_nothing(rule: Merge, script: Sequence[Wish]) -> bool:
    steps = walk(script)
    rng = random.Random(len(steps))
    return all(rule(rng.sample(steps * 2, 2 * len(steps))) == rule(steps) for _ in range(3))


def the_furthest_closing_step_stands(rule: Merge, script: Sequence[Wish]) -> bool:
    """Collected, shipped, cancelled, expired, in this order, whoever wrote it and under whatever number."""
    steps = walk(script)
    closing = [state for state in (*_BY_RANK,) if any(step.state is state for step in steps)]
    order = rule(steps)
    return order.state is closing[0] if closing else not order.is_closed


_BY_RANK = (OrderState.COLLECTED, OrderState.SHIPPED, OrderState.CANCELLED, OrderState.EXPIRED)


def more_steps_never_take_back_a_hand_over(rule: Merge, script: Sequence[Wish]) -> bool:
    """Whatever comes later, a closed order stays closed, and only moves up in the order of closing steps."""
    steps = walk(script)
    random.Random(len(steps)).shuffle(steps)
    told = [rule(steps[: upto + 1]) for upto in range(len(steps))]
    return all(
        not before.is_closed or (after.is_closed and RANK[before.state] <= RANK[after.state])
        for before, after in pairwise(told)
    )


def a_refund_for_goods_that_left_is_flagged(rule: Merge, script: Sequence[Wish]) -> bool:
    states = {step.state for step in walk(script)}
    return (Flag.REFUND in rule(walk(script)).flags) == bool(states & HANDED_OVER and states & CALLED_OFF)


def last_number_stands(steps: Sequence[OrderStep]) -> Order:
    """The planted fault: the longer way is the better one."""
    return merge([max(steps, key=lambda step: (step.n, step.rep))])


def as_it_arrives(steps: Sequence[OrderStep]) -> Order:
    """The planted fault: the last that was told."""
    return merge(steps[-1:])


def cancelled_before_shipped(steps: Sequence[OrderStep]) -> Order:
    """The planted fault: who cancels is right."""
    cancelled = [step for step in steps if step.state is OrderState.CANCELLED]
    return merge(cancelled or steps)


def refund_of_the_standing_step(steps: Sequence[OrderStep]) -> Order:
    """The planted fault: a refund is looked for where the merged order was called off."""
    order = merge(steps)
    return replace(order, flags=order.flags - {Flag.REFUND} if order.state in HANDED_OVER else order.flags)


LAWS: list[tuple[Callable[[Merge, Sequence[Wish]], bool], list[Merge]]] = [
    (order_and_repetition_mean_nothing, [as_it_arrives]),
    (the_furthest_closing_step_stands, [last_number_stands, cancelled_before_shipped]),
    (more_steps_never_take_back_a_hand_over, [as_it_arrives]),
    (a_refund_for_goods_that_left_is_flagged, [refund_of_the_standing_step, last_number_stands]),
]


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=lambda law: law.__name__)
@given(script=wishes)
def test_two_owners_come_to_one_answer(law: Callable[[Merge, Sequence[Wish]], bool], script: list[Wish]) -> None:
    assert law(merge, script)


@pytest.mark.parametrize(
    ("law", "fault"), [(law, fault) for law, faults in LAWS for fault in faults], ids=lambda each: each.__name__
)
def test_that_law_finds_the_planted_fault(law: Callable[[Merge, Sequence[Wish]], bool], fault: Merge) -> None:
    assert find(wishes, lambda script: not law(fault, script), settings=QUIET, random=random.Random(1))


def one_owner_walks_the_table(rule: Next, script: Sequence[Wish]) -> bool:
    """Numbers are dense, each step follows the table and is its owner's; a promise ends once, or is open, or was never made."""
    steps = walk(script, rule, sides=1)
    owner, endings = CLOUDS[0], []
    for n, step in enumerate(steps, 1):
        if step.n != n or step.rep != owner or (n > 1 and step.state not in NEXT.get(steps[n - 2].state, frozenset())):
            return False
        owner = step.to or owner
        promised = any(each.state is OrderState.ALLOCATED for each in steps[:n])
        endings += [ending] if (ending := ending_of(step.state, was_promised=promised)) else []
    order = merge(steps)
    was_promised = len(steps) > 1 and steps[1].state is OrderState.ALLOCATED
    return (
        order.flags == frozenset()
        and order.state is steps[-1].state
        and len(endings) == (was_promised and order.is_closed)
        and endings[-1:] == ([order.ending] if order.ending else [])
        and (order.ending == "given_back") == (was_promised and order.state in CALLED_OFF)
    )


def anybody_steps(steps: Sequence[OrderStep], state: OrderState, *, rep: str, **more: Any) -> OrderStep:
    """The planted fault: who is not the owner takes a step."""
    return replace(next_step(steps, state, rep=merge(steps).owner or rep, **more), rep=rep)


def closed_goes_on(steps: Sequence[OrderStep], state: OrderState, **more: Any) -> OrderStep:
    """The planted fault: what is closed is closed again, and its promise given back again."""
    order = merge(steps)
    if order.is_closed and state in CALLED_OFF:
        return replace(steps[-1], n=order.n + 1, state=state)
    return next_step(steps, state, **more)


@given(script=wishes)
def test_one_owner_ends_a_promise_once(script: list[Wish]) -> None:
    assert one_owner_walks_the_table(next_step, script)


@pytest.mark.parametrize("fault", [anybody_steps, closed_goes_on])
def test_that_law_finds_steps_of_others_and_promises_that_end_twice(fault: Next) -> None:
    assert find(
        wishes, lambda script: not one_owner_walks_the_table(fault, script), settings=QUIET, random=random.Random(1)
    )


def chain(*states: OrderState, hub: str = HUBS[0]) -> list[OrderStep]:
    steps = [first_step("o1", CLOUDS[0], AT)]
    for state in states:
        to = hub if state is OrderState.ALLOCATED else None
        steps.append(next_step(steps, state, rep=merge(steps).owner or "", at=AT, to=to))
    return steps


PICKED = (OrderState.ALLOCATED, OrderState.PICKING, OrderState.READY)


def refused(steps: Sequence[OrderStep], state: OrderState, *, rep: str, to: str | None = None) -> str:
    with pytest.raises(RuleError) as error:
        next_step(steps, state, rep=rep, at=AT, to=to)
    return error.value.code


def test_the_token_passes_to_the_hub_when_it_is_allocated() -> None:
    created, allocated = chain(), chain(OrderState.ALLOCATED)

    assert (merge(created).owner, merge(allocated).owner) == (CLOUDS[0], HUBS[0])
    assert refused(allocated, OrderState.PICKING, rep=CLOUDS[0]) == "not_owner"
    assert refused(created, OrderState.ALLOCATED, rep=CLOUDS[0]) == "order_to"
    assert refused(allocated, OrderState.PICKING, rep=HUBS[0], to=HUBS[1]) == "order_to"
    assert refused(created, OrderState.READY, rep=CLOUDS[0]) == "order_step"
    assert refused(chain(*PICKED, OrderState.COLLECTED), OrderState.CANCELLED, rep=HUBS[0]) == "order_closed"


def test_an_order_nobody_had_promised_goods_to_gives_nothing_back() -> None:
    assert merge(chain(OrderState.CANCELLED)).ending is None
    assert merge(chain(OrderState.ALLOCATED, OrderState.CANCELLED)).ending == "given_back"
    assert merge(chain(*PICKED, OrderState.SHIPPED)).ending == "picked"


@pytest.mark.parametrize(("one", "other"), list(permutations(_BY_RANK, 2)))
def test_a_hand_over_beats_a_cancellation_and_the_refund_is_flagged(one: OrderState, other: OrderState) -> None:
    first, second = chain(*PICKED, one), chain(*PICKED, other, hub=HUBS[1])

    order = merge(first + second)

    assert order.state is min(one, other, key=_BY_RANK.index)
    assert (Flag.REFUND in order.flags) == ((one in HANDED_OVER) != (other in HANDED_OVER))
    assert (Flag.HANDED_OVER_TWICE in order.flags) == ({one, other} == HANDED_OVER)
    assert Flag.TWO_OWNERS in order.flags and order.owner is None
    assert order == merge(second + first)


def test_while_two_owners_have_met_either_closes_it_and_neither_goes_on() -> None:
    met = chain(OrderState.ALLOCATED) + chain(OrderState.ALLOCATED, OrderState.PICKING, hub=HUBS[1])
    copied = [*chain(*PICKED), *(replace(step, rep=CLOUDS[1]) for step in chain(OrderState.ALLOCATED, hub=HUBS[1])[1:])]

    assert merge(copied).owner is None
    assert refused(copied, OrderState.PICKING, rep=HUBS[1]) == "two_owners"
    assert refused(copied, OrderState.COLLECTED, rep="hk09:z") == "two_owners"
    closed = next_step(copied, OrderState.COLLECTED, rep=HUBS[0], at=AT)
    assert (closed.n, merge([*copied, closed]).state) == (5, OrderState.COLLECTED)
    assert len(met) == 5


def test_a_request_is_done_once_and_only_by_the_owner() -> None:
    steps = chain(OrderState.ALLOCATED)
    request = OrderRequest(
        request_id="q1", order_id="o1", wants=OrderState.CANCELLED, by=CLOUDS[0], reason="changed my mind", at=AT
    )

    with pytest.raises(RuleError, match="send a request"):
        answer(request, steps, rep=CLOUDS[0], at=AT)
    step = answer(request, steps, rep=HUBS[0], at=AT)

    assert step is not None and (step.state, step.request_id, step.reason) == (
        OrderState.CANCELLED,
        "q1",
        "changed my mind",
    )
    assert answer(request, [*steps, step], rep=HUBS[0], at=AT) is None
    for fact in (request, step):
        assert msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)) == fact


def test_every_open_state_has_a_way_out_and_no_closed_one_has() -> None:
    assert set(NEXT) == set(OrderState) - CLOSED
    assert set(RANK) == set(OrderState) and max(RANK[state] for state in NEXT) < min(RANK[state] for state in CLOSED)
    assert tuple(sorted(CLOSED, key=lambda state: -RANK[state])) == _BY_RANK


def test_an_order_without_an_end_is_not_walked_for_ever() -> None:
    assert (
        refused([replace(first_step("o1", CLOUDS[0], AT), n=STEPS_MAX)], OrderState.CANCELLED, rep=CLOUDS[0])
        == "order_steps"
    )
    assert orders.STEPS_MAX > 5


def test_nobody_owns_an_order_that_is_closed() -> None:
    assert merge(chain(*PICKED, OrderState.COLLECTED)).owner is merge(chain(OrderState.EXPIRED)).owner is None


@pytest.mark.parametrize(("rep", "may_close"), [(CLOUDS[0], True), (HUBS[0], True), (HUBS[1], True), ("hk09:z", False)])
def test_of_two_owners_that_met_whoever_wrote_or_was_named_may_close_it(rep: str, may_close: bool) -> None:
    met = [*chain(OrderState.ALLOCATED), replace(chain(OrderState.ALLOCATED, hub=HUBS[1])[1], rep=CLOUDS[1])]

    if may_close:
        assert merge([*met, next_step(met, OrderState.CANCELLED, rep=rep, at=AT)]).is_closed
    else:
        assert refused(met, OrderState.CANCELLED, rep=rep) == "two_owners"


def test_who_follows_the_owner_goes_on_and_nobody_else_does() -> None:
    begun = first_step("o1", CLOUDS[0], AT)
    steps = [begun, next_step([begun], OrderState.ALLOCATED, rep=CLOUDS[0], at=AT, to=HUBS[0])]
    with pytest.raises(RuleError, match="send a request") as refused:
        next_step(steps, OrderState.PICKING, rep="hk01:b", at=AT, follows=["hk01:0"])
    assert refused.value.code == "not_owner"

    after = next_step(steps, OrderState.PICKING, rep="hk01:b", at=AT, follows=["hk01:0", HUBS[0]])
    assert merge([*steps, after]).owner == "hk01:b"


def test_of_two_owners_who_follows_one_may_close_the_order() -> None:
    begun = first_step("o1", CLOUDS[0], AT)
    passed = [next_step([begun], OrderState.ALLOCATED, rep=CLOUDS[0], at=AT, to=hub) for hub in HUBS]
    both = [begun, replace(passed[0], rep=CLOUDS[1]), passed[1]]
    with pytest.raises(RuleError) as refused:
        next_step(both, OrderState.CANCELLED, rep="hk01:b", at=AT)
    assert refused.value.code == "two_owners"

    closed = next_step(both, OrderState.CANCELLED, rep="hk01:b", at=AT, follows=[HUBS[0]])
    assert merge([*both, closed]).state is OrderState.CANCELLED
