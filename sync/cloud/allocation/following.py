"""What follows from what has become of an order's parcels. A look at an order does all that is due, and nothing twice.

    a parcel                                        the order
    waits for rights that have come                 the parcel is given to its place
    was called off, rejected, or is short           what no parcel stands for is given out elsewhere
    has lost a promise to goods sold in the shop    the parcel is asked back, unless it is being picked: goods in a box are there
    is not picked in time, not granted in time      the parcel is asked back
    (the order's deadline is over while it waits)   the order ends as expired, or with the parcels that it has
    is farther than the order                       the order follows: as far as the parcel that is least far
    is closed, like all others                      the order is closed: handed over if anything of it was

    calling off     every parcel is asked back, each place answers for its own; cancelled when nothing was handed over
    giving up       the rest is not looked for any more: the order ends with its parcels, and its last step says what was short

Functions of a write job. Not here: choosing (sync.cloud.allocation.giving), HTTP, when (sync.cloud.allocation.work).
"""

from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

from sync.cloud.allocation.giving import Means, give, hand_to
from sync.cloud.allocation.parcels import (
    Allocation,
    Case,
    case_of,
    due_orders,
    find_allocation,
    hold,
    is_handed_over,
    is_over,
    note,
    note_called_off,
    parcels_of,
    waiting_orders,
)
from sync.cloud.allocation.settings import MS_OF_HOUR, MS_OF_MINUTE
from sync.cloud.orders import Known, call_off, find_order, forget_label, is_requested, keep_request, keep_step
from sync.cloud.rights.rights import Place
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.orders.order_rows import OrderKind, ShortLine, fact_of
from sync.retail.orders.orders import NEXT, RANK, OrderRequest, OrderState, next_step

ORDERS_MAX = 50  # looked at in one job: nothing waits for longer than these take

_WAY = (OrderState.ALLOCATED, OrderState.PICKING, OrderState.READY)


def look_at_due(tx: Connection, means: Means, *, now_ms: int) -> tuple[list[str], list[Place]]:
    """Look at orders of which something has changed; return their names and the places that something was done at."""
    names, places = due_orders(tx, limit=ORDERS_MAX), list[Place]()
    for order_id in names:
        places += look_at(tx, means, order_id, now_ms=now_ms)
    return names, places


def look_at(tx: Connection, means: Means, order_id: str, *, now_ms: int) -> list[Place]:
    """Do all that is due with an order; what the rules refuse is a line for head office."""
    hold(tx, order_id)
    row, order = find_allocation(tx, order_id), find_order(tx, order_id)
    if row is None or order is None:
        return []
    if order.order.is_closed:
        note(tx, order_id, "done")
        return []
    try:
        return _look_at(tx, means, row, order, now_ms=now_ms)
    except RuleError as err:
        note(tx, order_id, "unfulfilled", missing=err.code)
        return []


def call_off_order(
    tx: Connection, means: Means, said: OrderRequest, *, now_ms: int
) -> tuple[Literal["cancelled", "requested"], tuple[Place, ...]] | None:
    """Call off an order that has parcels: each is asked back; None for an order that has none, which is called off whole."""
    parcels = parcels_of(tx, said.order_id)
    order = find_order(tx, said.order_id)
    if not parcels or order is None:
        return None
    if order.order.is_closed and not is_requested(tx, said):
        raise RuleError(
            "order_closed", f"/orders/{said.order_id}", f"order {said.order_id} is {order.order.state} already"
        )
    if not is_requested(tx, said):
        keep_request(tx, said)
        note(tx, said.order_id, "calling_off")
    places = look_at(tx, means, said.order_id, now_ms=now_ms)
    after = find_order(tx, said.order_id)
    is_off = after is not None and after.order.state is OrderState.CANCELLED
    return ("cancelled" if is_off else "requested"), tuple(places)


def give_up(tx: Connection, means: Means, order_id: str, *, now_ms: int) -> list[Place]:
    """Look no more for what is left of an order: it ends with the parcels that it has."""
    tx.execute("UPDATE order_allocation SET given_up = 1 WHERE order_id = ?", (order_id,))
    return look_at(tx, means, order_id, now_ms=now_ms)


def try_again(tx: Connection, means: Means, order_id: str, *, now_ms: int) -> list[Place]:
    """Look for places anew, also among those that have failed."""
    newest = max((each.n for each in parcels_of(tx, order_id)), default=0)
    tx.execute(
        "UPDATE order_allocation SET state = 'open', given_up = 0, tried_up_to = ?, missing = '' WHERE order_id = ?",
        (newest, order_id),
    )
    return look_at(tx, means, order_id, now_ms=now_ms)


def ask_back_late(tx: Connection, means: Means, *, now_ms: int) -> list[Place]:
    """Ask back the parcels whose time is over, and those whose goods were sold in the shop; return the places."""
    section, places = means.settings.section, list[Place]()
    late = [(name, "overdraw") for name in _overdrawn(tx)]
    if section.pick_within_h:
        late += [(name, "not_picked") for name in _since(tx, "allocated", now_ms - section.pick_within_h * MS_OF_HOUR)]
    late += [(name, "not_granted") for name in _since(tx, "created", now_ms - section.ask_within_min * MS_OF_MINUTE)]
    for name, why in late[:ORDERS_MAX]:
        places += _ask_back(tx, means.own, name, why, now_ms=now_ms)
    return places


def end_late(tx: Connection, means: Means, *, after: str, now_ms: int) -> str:
    """End orders behind one that wait for goods beyond their customer's deadline; return the last looked at, empty at the end."""
    names = waiting_orders(tx, after=after, limit=ORDERS_MAX)
    for order_id in names:
        order = find_order(tx, order_id)
        if order is not None and _is_late(order, now_ms):
            give_up(tx, means, order_id, now_ms=now_ms)
    return names[-1] if len(names) == ORDERS_MAX else ""


def _is_late(order: Known, now_ms: int) -> bool:
    return order.fact.deadline is not None and order.fact.deadline.timestamp() * 1000 < now_ms


def _look_at(tx: Connection, means: Means, row: Allocation, order: Known, *, now_ms: int) -> list[Place]:
    places, order_id = list[Place](), row.order_id
    if row.state == "calling_off":
        for parcel in parcels_of(tx, order_id):
            if not parcel.known.order.is_closed:
                places += _ask_back(tx, means.own, parcel.parcel_id, "asked_for", now_ms=now_ms)
    else:
        for parcel in parcels_of(tx, order_id):
            if parcel.is_waiting and not parcel.called_off:
                location = next((each for each in means.settings.locations if each.name == parcel.place), None)
                places += hand_to(tx, means.own, parcel.parcel_id, location, now_ms=now_ms) if location else []
    case = case_of(tx, row, order)
    note(tx, order_id, row.state, missing=row.missing if case.left else "")
    if case.left and row.state == "open" and not row.is_given_up:
        places += give(tx, means, case, now_ms=now_ms)
        case = case_of(tx, row, order)
    if _follow(tx, means.own, case, now_ms=now_ms):
        note(tx, order_id, "done")
    return places


def _follow(tx: Connection, own: Replica, case: Case, *, now_ms: int) -> bool:
    """Take the order as far as its parcels are; say whether it is closed."""
    is_final = not case.left or case.row.is_given_up or case.row.state == "calling_off"
    if is_final and all(each.known.order.is_closed for each in case.parcels):
        _close(tx, own, case, now_ms=now_ms)
        return True
    least = min((RANK[each.state] for each in case.parcels if not is_over(each)), default=0)
    for state in _WAY[: 2 if case.left else 3]:
        if RANK[state] <= least:
            _step(tx, own, case.row.order_id, state, now_ms=now_ms)
    return False


def _close(tx: Connection, own: Replica, case: Case, *, now_ms: int) -> None:
    order_id, parcels = case.row.order_id, case.parcels
    if any(is_handed_over(each) for each in parcels):
        for state in _WAY:
            _step(tx, own, order_id, state, now_ms=now_ms)
        is_collected = case.order.fact.kind is OrderKind.CLICK_AND_COLLECT
        short = tuple(ShortLine(line=line.line, qty=line.qty) for line in case.left)
        end = OrderState.COLLECTED if is_collected else OrderState.SHIPPED
        _step(tx, own, order_id, end, now_ms=now_ms, short=short)
    else:
        is_unfetched = bool(parcels) and all(each.state is OrderState.EXPIRED for each in parcels)
        is_late = is_unfetched or (case.row.state != "calling_off" and _is_late(case.order, now_ms))
        may_expire = OrderState.EXPIRED in NEXT[case.order.order.state]
        end = OrderState.EXPIRED if is_late and may_expire else OrderState.CANCELLED
        _step(tx, own, order_id, end, now_ms=now_ms)
    forget_label(tx, own, order_id)


def _step(
    tx: Connection, own: Replica, order_id: str, state: OrderState, *, now_ms: int, short: tuple[ShortLine, ...] = ()
) -> None:
    """Take the order to a state, unless it is there already or farther."""
    order = find_order(tx, order_id)
    assert order is not None
    if state not in NEXT.get(order.order.state, frozenset()):
        return
    to = own.rep if state is OrderState.ALLOCATED else None
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    step = next_step([each.step for each in order.steps], state, rep=own.rep, to=to, at=at)
    keep_step(tx, fact_of(step, short=short), own.rep)


def _ask_back(tx: Connection, own: Replica, parcel_id: str, why: str, *, now_ms: int) -> tuple[Place, ...]:
    """Ask a parcel back, once; what is ours is called off at once."""
    note_called_off(tx, parcel_id, why)
    said = OrderRequest(
        request_id=f"back-{blake2b(parcel_id.encode(), digest_size=16).hexdigest()}",
        order_id=parcel_id,
        wants=OrderState.CANCELLED,
        by=own.rep,
        reason=why,
        at=datetime.fromtimestamp(now_ms / 1000, UTC),
    )
    done = call_off(tx, own, said, now_ms=now_ms)
    return done[1] if done else ()


def _overdrawn(read: Connection) -> list[str]:
    """Return parcels that nobody picks yet and that have lost a promise."""
    rows = read.execute(
        """
        SELECT order_parcel.parcel_id FROM web_order
        JOIN order_parcel ON order_parcel.parcel_id = web_order.order_id
        WHERE web_order.state = 'allocated' AND order_parcel.called_off = '' AND EXISTS (
          SELECT 1 FROM promise WHERE promise.order_id = order_parcel.parcel_id AND promise.ending = 'given_back')
        ORDER BY order_parcel.parcel_id
        """
    )
    return [name for (name,) in rows]


def _since(read: Connection, state: str, at_ms: int) -> list[str]:
    """Return parcels that have been in a state since before a moment, and were not asked back."""
    rows = read.execute(
        """
        SELECT order_parcel.parcel_id FROM web_order
        JOIN order_parcel ON order_parcel.parcel_id = web_order.order_id
        WHERE web_order.state = ? AND order_parcel.called_off = '' AND order_parcel.given_ms <= ?
        ORDER BY order_parcel.parcel_id
        """,
        (state, at_ms),
    )
    return [name for (name,) in rows]
