"""Steps of parcels at places without a hub: whoever picks there tells them here, and this cloud takes them.

    picking, ready     said for who follows the order; `short` with ready: lines of which something was not there
    shipped            (collected: where customers come to) the goods leave, promises end, what was short goes back to the right
    cancelled          the place rejects the parcel: its goods go back to the right; it is sent from elsewhere

A state that the parcel has passed already is answered as taken, so that a step may be told again. A write job's part.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection

from sync.cloud.allocation.locations import leave
from sync.cloud.orders import Known, call_off, find_order, forget_label, keep_step, promise_of
from sync.cloud.rights.promises import cancel, find_promise, pick_own
from sync.cloud.rights.rights import Place
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.orders.order_rows import ShortLine, fact_of
from sync.retail.orders.orders import CLOSED, HANDED_OVER, RANK, OrderRequest, OrderState, next_step

_WAY = (OrderState.PICKING, OrderState.READY)


def take_step(
    tx: Connection,
    own: Replica,
    parcel_id: str,
    state: OrderState,
    *,
    short: tuple[ShortLine, ...] = (),
    reason: str = "",
    now_ms: int,
) -> list[Place] | None:
    """Take a parcel to a state and all on the way to it; None for an unknown one. Raise RuleError where it cannot go there."""
    known = find_order(tx, parcel_id)
    if known is None:
        return None
    if known.store != own.store:
        raise RuleError(
            "not_owner",
            f"/orders/{parcel_id}",
            f"{parcel_id} is at {known.store or 'no place'}: its hub takes the steps",
        )
    if known.order.state is state or (known.order.state not in CLOSED and RANK[known.order.state] > RANK[state]):
        return []
    if state is OrderState.CANCELLED:
        return _reject(tx, own, parcel_id, reason, now_ms=now_ms)
    _check_short(known, short)
    for each in _WAY:
        if RANK[known.order.state] < RANK[each] <= RANK[state]:
            _keep(tx, own, parcel_id, each, now_ms=now_ms, short=short if each is OrderState.READY else ())
    if state not in HANDED_OVER:
        return []
    _keep(tx, own, parcel_id, state, now_ms=now_ms)
    places = _hand_over(tx, own, parcel_id, now_ms=now_ms)
    forget_label(tx, own, parcel_id)
    return places


def _reject(tx: Connection, own: Replica, parcel_id: str, reason: str, *, now_ms: int) -> list[Place]:
    said = OrderRequest(
        request_id=f"reject-{blake2b(parcel_id.encode(), digest_size=16).hexdigest()}",
        order_id=parcel_id,
        wants=OrderState.CANCELLED,
        by=own.rep,
        reason=reason,
        at=_utc(now_ms),
    )
    done = call_off(tx, own, said, now_ms=now_ms)
    return list(done[1]) if done else []


def _keep(
    tx: Connection, own: Replica, parcel_id: str, state: OrderState, *, now_ms: int, short: tuple[ShortLine, ...] = ()
) -> None:
    known = find_order(tx, parcel_id)
    assert known is not None
    step = next_step([each.step for each in known.steps], state, rep=own.rep, at=_utc(now_ms))
    keep_step(tx, fact_of(step, short=short), own.rep)


def _check_short(known: Known, short: tuple[ShortLine, ...]) -> None:
    """Raise RuleError for a line that is not in the parcel, for more than it has, and for all of it."""
    qty = {line.line: line.qty for line in known.fact.lines}
    for index, each in enumerate(short):
        if each.qty > qty.pop(each.line, 0):
            raise RuleError("short_line", f"/short/{index}", f"line {each.line} has not so much to be short of")
    missing: Mapping[int, int] = {each.line: each.qty for each in short}
    if short and all(missing.get(line.line, 0) == line.qty for line in known.fact.lines):
        raise RuleError("order_empty", "/short", "nothing of it is there: cancel it instead")


def _hand_over(tx: Connection, own: Replica, parcel_id: str, *, now_ms: int) -> list[Place]:
    known = find_order(tx, parcel_id)
    assert known is not None
    short = {each.line: each.qty for step in known.steps for each in step.short}
    places = []
    for line in known.fact.lines:
        standing = find_promise(tx, promise_of(parcel_id, line.line, own.store))
        if standing is None or standing.ending:
            continue  # it gave way: what left all the same is in the next figures of the place
        left = short.get(line.line, 0)
        if left == standing.n:
            cancel(tx, own, standing.promise_id, now_ms=now_ms)
        else:
            leave(tx, own, standing.place, standing.n - left)
            pick_own(tx, own, standing, left=left, now_ms=now_ms)
        places.append(standing.place)
    return places


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)
