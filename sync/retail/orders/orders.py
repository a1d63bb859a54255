"""Orders: the steps of web shop, marketplace and click-and-collect, who may write them, and what two owners come to. Pure.

    state        next                                        the goods' promise
    created      allocated, cancelled, expired               none yet
    allocated    picking, cancelled, expired                 open: made with this step, which passes the token to the hub (`to`)
    picking      ready, cancelled                            open
    ready        collected, shipped, cancelled, expired      open
    collected    closed                                      ends: picked
    shipped      closed                                      ends: picked
    cancelled    closed                                      ends: given back, where it was made
    expired      closed                                      ends: given back, where it was made

    token        one owner; the writer of a step, then whom it names. The owner numbers the steps; others send requests
    two owners   (a restored cloud, a copied hub) two steps with one number. The furthest closing step stands:
                 collected > shipped > cancelled > expired. A refund for goods that were handed over is flagged, and so are
                 goods handed over twice. While it is open nobody owns it: who owned it may close it, none of them goes on

Pick and pack are verified where they happen. A promise's end has the promise as its key (sync.retail.stock.promises): it ends
once, even where two owners ended it. Not here: which shop gets it, rights, storage. Source: the design, 3.3 (Order).
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.errors import RuleError
from sync.retail.selling.sales import Id, Moment, ShortText

STEPS_MAX = 100  # of an order; the longest way has five, beyond a hundred the next step is refused
Ending = Literal["picked", "given_back"]


class OrderState(StrEnum):
    """Where an order is."""

    CREATED = "created"
    ALLOCATED = "allocated"
    PICKING = "picking"
    READY = "ready"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SHIPPED = "shipped"
    COLLECTED = "collected"


RANK = {state: rank for rank, state in enumerate(OrderState)}
"""The furthest step stands; the four that close an order are above all others, in the order in which they stand where two met."""
HANDED_OVER = frozenset({OrderState.COLLECTED, OrderState.SHIPPED})
CALLED_OFF = frozenset({OrderState.CANCELLED, OrderState.EXPIRED})
CLOSED = HANDED_OVER | CALLED_OFF
NEXT = {
    OrderState.CREATED: frozenset({OrderState.ALLOCATED}) | CALLED_OFF,
    OrderState.ALLOCATED: frozenset({OrderState.PICKING}) | CALLED_OFF,
    OrderState.PICKING: frozenset({OrderState.READY, OrderState.CANCELLED}),
    OrderState.READY: CLOSED,
}


class OrderStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step that its owner took: the n-th of the order. `rep` stays when a fork repair writes the fact under a new dot."""

    v: int = 1
    order_id: Id
    n: Annotated[int, Meta(ge=1, le=STEPS_MAX)]
    state: OrderState
    rep: str
    to: str | None = None
    request_id: Id | None = None
    reason: ShortText = ""
    at: Moment

    @property
    def step_id(self) -> str:
        """The fact's key: two owners' steps with one number are two facts, and so are those of a hub and its copy."""
        return f"{self.order_id}/{self.n}/{self.rep}/{self.state}"


class OrderRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who does not own the order wants it in a state (a customer cancels in the web shop)."""

    v: int = 1
    request_id: Id
    order_id: Id
    wants: OrderState
    by: str
    reason: ShortText = ""
    at: Moment


class Flag(StrEnum):
    """What a person must look at."""

    TWO_OWNERS = "two_owners"
    REFUND = "refund"
    HANDED_OVER_TWICE = "handed_over_twice"


class Order(Struct, frozen=True):
    """What the steps come to. `owner` may write step n + 1; None: closed, or two owners met."""

    order_id: str
    n: int
    state: OrderState
    owner: str | None
    ending: Ending | None
    flags: frozenset[Flag] = frozenset()

    @property
    def is_closed(self) -> bool:
        """Whether no further step follows."""
        return self.state in CLOSED


def merge(steps: Iterable[OrderStep]) -> Order:
    """Return what the steps of one order come to: the same whatever their order, and however often each was told."""
    known = {step.step_id: step for step in steps}.values()
    assert known, "an order begins with a step"
    flags = _flags(known)
    best = max(known, key=lambda step: (RANK[step.state], step.rep))
    is_open = best.state not in CLOSED
    return Order(
        order_id=best.order_id,
        n=max(step.n for step in known),
        state=best.state,
        owner=(best.to or best.rep) if is_open and Flag.TWO_OWNERS not in flags else None,
        ending=ending_of(best.state, was_promised=any(step.state is OrderState.ALLOCATED for step in known)),
        flags=flags,
    )


def ending_of(state: OrderState, *, was_promised: bool) -> Ending | None:
    """Return how a step to this state ends the promise, None where it does not or there is none."""
    if not was_promised or state not in CLOSED:
        return None
    return "picked" if state in HANDED_OVER else "given_back"


def first_step(order_id: str, rep: str, at: datetime) -> OrderStep:
    """Return the step that creates an order; its writer owns it."""
    return OrderStep(order_id=order_id, n=1, state=OrderState.CREATED, rep=rep, at=at)


def next_step(
    steps: Iterable[OrderStep],
    state: OrderState,
    *,
    rep: str,
    at: datetime,
    to: str | None = None,
    request_id: str | None = None,
    reason: str = "",
    follows: Collection[str] = (),
) -> OrderStep:
    """Return the owner's next step; raise RuleError where it may not be taken: nothing happened, and it says who may.

    `follows`: lives that are no more and that `rep` goes on for.
    """
    known = list(steps)
    order = merge(known)
    lives = {rep, *follows}
    pointer = f"/orders/{order.order_id}"
    if order.is_closed:
        raise RuleError("order_closed", pointer, f"order {order.order_id} is {order.state} already")
    if Flag.TWO_OWNERS in order.flags:
        if state not in CLOSED or lives.isdisjoint(step.to or step.rep for step in known):
            raise RuleError(
                "two_owners", pointer, f"order {order.order_id} has two owners: close it, or ask the manager"
            )
    elif order.owner not in lives:
        raise RuleError("not_owner", pointer, f"order {order.order_id} is with {order.owner}: send a request there")
    elif state not in NEXT[order.state]:
        raise RuleError("order_step", pointer, f"from {order.state} an order does not become {state}")
    if (state is OrderState.ALLOCATED) != (to is not None):
        raise RuleError("order_to", pointer, "the step to allocated names who fulfils the order, no other does")
    if order.n >= STEPS_MAX:
        raise RuleError("order_steps", pointer, f"order {order.order_id} has {STEPS_MAX} steps: look at it")
    return OrderStep(
        order_id=order.order_id,
        n=order.n + 1,
        state=state,
        rep=rep,
        to=to,
        request_id=request_id,
        reason=reason,
        at=at,
    )


def answer(
    request: OrderRequest, steps: Iterable[OrderStep], *, rep: str, at: datetime, follows: Collection[str] = ()
) -> OrderStep | None:
    """Return the step that does what was requested, None when a step did already; raise RuleError as next_step does."""
    known = list(steps)
    if any(step.request_id == request.request_id for step in known):
        return None
    return next_step(
        known, request.wants, rep=rep, at=at, request_id=request.request_id, reason=request.reason, follows=follows
    )


def _flags(known: Iterable[OrderStep]) -> frozenset[Flag]:
    steps = list(known)
    flags = set()
    if max(Counter(step.n for step in steps).values()) > 1:
        flags.add(Flag.TWO_OWNERS)
    handed_over = sum(step.state in HANDED_OVER for step in steps)
    if handed_over > 1:
        flags.add(Flag.HANDED_OVER_TWICE)
    if handed_over and any(step.state in CALLED_OFF for step in steps):
        flags.add(Flag.REFUND)
    return frozenset(flags)
