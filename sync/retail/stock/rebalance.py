"""Rebalancing: how much of its unspent right a holder grants to whom, at each contact, by what it knows. Pure.

Both sides run the same rule on the same figures and so come to the same target; neither writes for the other. All inputs are
replicated (rows, policy), none is a clock or a guess of one side: two sides with different inputs would push a right to and fro.

    1. a debt comes first     whoever has an unspent right covers its share of it (rights.cover_debts), and nothing else happens
    2. the shop's own         `safety_stock` stays with the hub for who walks in, and so does a single item, or nothing would be
                              there to sell when the line is down; on line it sells by `answer_request`, while the hub answers
    3. the rest is shared     `online_share_pct` of it is the cloud's, or what demand says where the policy follows it
    4. in bulk                nothing moves for less than `batch`, unless the receiver is empty or below its own
    5. any third holder       hands what it has to the hub: rights belong where the goods are

What is `kept` is not granted, for a debt neither: reservations, orders that wait for the right just granted, and what was
reclaimed from a dead replica and not counted since.

Not here: when contact is made, who may ask, storage. Source: the design, section 3.3 (Rights).
"""

from typing import Annotated

from msgspec import Meta, Struct

from sync.retail.stock import rights
from sync.retail.stock.rights import State

DEMAND_PRIOR = 20  # pieces that the policy's share weighs against what was sold: few sales say little


class Policy(Struct, frozen=True, kw_only=True):
    """The declared policy of a store for an asset, known to both sides. `batch` 1 moves each piece."""

    safety_stock: Annotated[int, Meta(ge=0)] = 0
    online_share_pct: Annotated[int, Meta(ge=0, le=100)] = 50
    batch: Annotated[int, Meta(ge=1)] = 1
    single_item: bool = True
    follow_demand: bool = False


class Sides(Struct, frozen=True):
    """The two that share an asset: the replica that has the goods, and the one that promises them on line."""

    hub: str
    cloud: str


class Grant(Struct, frozen=True, array_like=True):
    """How much is to be granted to whom."""

    receiver: str
    qty: int


def due_grants(state: State, me: str, *, sides: Sides, policy: Policy, kept: int = 0) -> tuple[Grant, ...]:
    """Return what `me` grants now as it knows the asset; in all never more than its unspent right less what is kept."""
    free = max(0, rights.right_of(state, me) - kept)
    if rights.debts(state):
        return _cover(state, me, free, sides)
    qty = min(free, _surplus(state, me, sides, policy, kept))
    receiver = sides.cloud if me == sides.hub else sides.hub
    return (Grant(receiver, qty),) if qty > 0 else ()


def online_target(state: State, *, sides: Sides, policy: Policy) -> int:
    """Return how much of what hub and cloud have together should be the cloud's; no grant between the two moves it."""
    both = rights.right_of(state, sides.hub) + rights.right_of(state, sides.cloud)
    if policy.single_item and both == 1:
        return 0
    return max(0, both - policy.safety_stock) * _online_pct(state, policy) // 100


def answer_request(state: State, me: str, qty: int, *, policy: Policy, kept: int = 0) -> int:
    """Return what the hub grants for an order that waits on the line: all of it or nothing; safety stock is not touched."""
    return qty if 0 < qty <= rights.right_of(state, me) - policy.safety_stock - kept else 0


def _cover(state: State, me: str, free: int, sides: Sides) -> tuple[Grant, ...]:
    grants = []
    for cover in rights.cover_debts(state, first=sides.cloud):
        if cover.holder == me and (qty := min(cover.qty, free)):
            grants.append(Grant(cover.debtor, qty))
            free -= qty
    return tuple(grants)


def _surplus(state: State, me: str, sides: Sides, policy: Policy, kept: int) -> int:
    """Return by how much `me` is above what it should have; 0 where that is not worth a move."""
    if me not in (sides.hub, sides.cloud):
        return rights.unspent_of(state, me)
    target = online_target(state, sides=sides, policy=policy)
    at_hub, on_line = rights.right_of(state, sides.hub), rights.right_of(state, sides.cloud)
    if me == sides.hub:
        above, is_needed = min(target - on_line, at_hub - policy.safety_stock - kept), on_line == 0
    else:
        above, is_needed = on_line - target, target == 0 or at_hub < policy.safety_stock
    return above if above >= policy.batch or is_needed else 0


def _online_pct(state: State, policy: Policy) -> int:
    """Return the online share. Demand is read from the rows, which both sides have; grants do not move it."""
    if not policy.follow_demand:
        return policy.online_share_pct
    walked_in = sum(max(0, row.issued - row.picked) for row in state.values())
    promised = sum(max(0, row.spent - row.given_back) for row in state.values())
    weighed = promised * 100 + DEMAND_PRIOR * policy.online_share_pct
    return weighed // (walked_in + promised + DEMAND_PRIOR)
