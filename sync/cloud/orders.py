"""Orders at the cloud: created here, allocated to a store's hub with their promises and the token, followed to their end.

    create      the order and its first step, which this cloud owns; nobody else hears of it
    allocate    a promise for each line at one store (sync.cloud.rights.promises); when all stand, the step that names the hub,
                and the
                order with its steps and its label goes down. What is short is asked of the store, the order waits: ask again
    call off    ours: cancelled here, what is promised already is given back. A store's: a request, which its hub answers
    rows of stores    steps, orders made in a shop, requests: written down in the order in which they came

A store speaks of its own steps. The label goes when the order is closed. Functions of a write job, and of reads. Not here: the
rules (sync.retail.orders.orders), HTTP (sync.cloud.web.order_routes).
"""

from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.looked import ROWS_MAX, NewRow, new_rows
from sync.cloud.rights.promises import PromiseRequest, cancel, find_promise, promise, write_fact
from sync.cloud.rights.rights import Place, living_of, put_own, store_of
from sync.errors import RuleError
from sync.json_errors import NOT_JSON
from sync.model import Replica
from sync.retail.orders.order_rows import (
    ORDER,
    ORDER_LABEL,
    ORDER_REQUEST,
    ORDER_STEP,
    OrderFact,
    OrderLabelRow,
    OrderLine,
    OrderStepFact,
    check_lines,
    fact_of,
    is_same_order,
)
from sync.retail.orders.orders import Order, OrderRequest, OrderState, first_step, merge, next_step

_order = msgspec.json.Decoder(OrderFact).decode
_step = msgspec.json.Decoder(OrderStepFact).decode
_request = msgspec.json.Decoder(OrderRequest).decode
_label = msgspec.json.Decoder(OrderLabelRow).decode


class Known(Struct, frozen=True):
    """An order as it stands here; no order: not known, `store` is who fulfils it, empty while nobody does."""

    fact: OrderFact
    store: str
    steps: tuple[OrderStepFact, ...]
    order: Order
    label: OrderLabelRow | None


class Allocated(Struct, frozen=True):
    """How it ended. `waiting`: rights for these lines were not enough; `asked` says for how many the store was asked."""

    status: Literal["allocated", "repeated", "waiting"]
    waiting: tuple[int, ...] = ()
    asked: int = 0
    places: tuple[Place, ...] = ()


def create(tx: Connection, own: Replica, fact: OrderFact, label: OrderLabelRow, *, now_ms: int) -> bool:
    """Create an order, once; say whether it is new. Raise RuleError for a known id with other content."""
    before = find_order(tx, fact.order_id)
    if before is not None:
        if not is_same_order(before.fact, fact):
            raise RuleError("other_content", "/order_id", f"order {fact.order_id} is known with other content")
        return False
    check_lines(fact.lines)
    said = msgspec.json.encode(label) if label.name or label.address else None
    _keep_order(tx, fact, store="", label=said)
    keep_step(tx, fact_of(first_step(fact.order_id, own.rep, _utc(now_ms))), own.rep)
    return True


def allocate(
    tx: Connection, own: Replica, order_id: str, *, store: str, location: str, now_ms: int
) -> Allocated | None:
    """Promise an order's goods at a store and give it to the hub there; None for an unknown one.

    What could be promised stays promised to this order while the rest is waited for. Raise RuleError where it is not ours.
    """
    known = find_order(tx, order_id)
    if known is None:
        return None
    if any(each.step.to is not None and store_of(each.step.to) == store for each in known.steps):
        return Allocated("repeated")
    taker = next(iter(living_of(tx, store)), None)
    if taker is None:
        raise RuleError("no_hub", "/store", f"no hub of {store} was heard yet")
    steps = [each.step for each in known.steps]
    step = next_step(steps, OrderState.ALLOCATED, rep=own.rep, to=taker, at=_utc(now_ms))
    if known.store != store:
        _give_back(tx, own, known, now_ms=now_ms)  # what waited for the rest elsewhere
    tx.execute("UPDATE web_order SET store = ? WHERE order_id = ?", (store, order_id))
    waiting, asked = [], 0
    for line in known.fact.lines:
        promised = promise(tx, own, _wanted(order_id, line, store, location), now_ms=now_ms)
        if promised.status == "refused":
            waiting.append(line.line)
            asked += promised.asked
    places = tuple(Place(line.sku, store, location) for line in known.fact.lines)
    if waiting:
        return Allocated("waiting", tuple(waiting), asked, places)
    _send(tx, own, store, known, fact_of(step), now_ms=now_ms)
    return Allocated("allocated", places=places)


def call_off(
    tx: Connection, own: Replica, said: OrderRequest, *, now_ms: int
) -> tuple[Literal["cancelled", "requested"], tuple[Place, ...]] | None:
    """Cancel an order that is ours, or ask its owner to; None for an unknown one. Raise RuleError for one that is closed."""
    known = find_order(tx, said.order_id)
    if known is None:
        return None
    if is_requested(tx, said):
        return "requested", ()
    steps = [each.step for each in known.steps]
    if any(step.request_id == said.request_id for step in steps):
        return "cancelled", ()
    if known.order.owner == own.rep or known.order.is_closed:
        at = _utc(now_ms)
        step = next_step(
            steps, OrderState.CANCELLED, rep=own.rep, at=at, request_id=said.request_id, reason=said.reason
        )
        keep_step(tx, fact_of(step), own.rep)
        places = _give_back(tx, own, known, now_ms=now_ms)
        forget_label(tx, own, said.order_id)
        return "cancelled", places
    key = said.request_id
    keep_request(tx, said)
    write_fact(tx, own, known.store, ORDER_REQUEST, said, key=key, now_ms=now_ms)
    return "requested", ()


def look_at_orders(tx: Connection, own: Replica) -> tuple[bool, bool]:
    """Write down what stores said of orders, ROWS_MAX of each stream; say whether there is more, whether rows were written."""
    orders = new_rows(tx, own, ORDER.stream, "fact")
    steps = new_rows(tx, own, ORDER_STEP.stream, "fact")
    requests = new_rows(tx, own, ORDER_REQUEST.stream, "fact")
    for row in orders:
        _take_order(tx, row)
    changed = {order_id for row in steps if (order_id := _take_step(tx, row))}
    written = [order_id for order_id in sorted(changed) if _note_state(tx, own, order_id)]
    for row in requests:
        _take_request(tx, row)
    return any(len(rows) == ROWS_MAX for rows in (orders, steps, requests)), bool(written)


def find_order(read: Connection, order_id: str) -> Known | None:
    """Return an order as it stands; None for one of which nothing or only a part has come."""
    row = read.execute("SELECT body, store, label FROM web_order WHERE order_id = ?", (order_id,)).fetchone()
    steps = _steps(read, order_id)
    if row is None or not steps:
        return None
    label = _label(row[2]) if row[2] is not None else _told_label(read, order_id)
    return Known(_order(row[0]), row[1], steps, merge(each.step for each in steps), label)


def order_ids(read: Connection, *, state: str, store: str, after: str, limit: int) -> list[str]:
    """Return the ids of orders behind one, of a state and a store, empty for any."""
    rows = read.execute(
        """
        SELECT order_id FROM web_order
        WHERE order_id > ? AND (? = '' OR state = ?) AND (? = '' OR store = ?) AND state <> '' ORDER BY order_id LIMIT ?
        """,
        (after, state, state, store, store, limit),
    ).fetchall()
    return [name for (name,) in rows]


def requests_of(read: Connection, order_id: str) -> list[OrderRequest]:
    """Return what was requested of an order, oldest first."""
    rows = read.execute("SELECT body FROM web_order_request WHERE order_id = ?", (order_id,)).fetchall()
    return sorted((_request(body) for (body,) in rows), key=lambda said: (said.at, said.request_id))


def _send(tx: Connection, own: Replica, store: str, known: Known, step: OrderStepFact, *, now_ms: int) -> None:
    """Give an order to a store: what it is, how it came here, and whose it is from now on."""
    order_id = known.fact.order_id
    write_fact(tx, own, store, ORDER, known.fact, key=order_id, now_ms=now_ms)
    for each in (*known.steps, step):
        write_fact(tx, own, store, ORDER_STEP, each, key=each.step_id, now_ms=now_ms)
    if known.label is not None:
        put_own(tx, own, store, ORDER_LABEL, msgspec.structs.replace(known.label, n=1))
    keep_step(tx, step, own.rep)


def _give_back(tx: Connection, own: Replica, known: Known, *, now_ms: int) -> tuple[Place, ...]:
    """Call off what is promised or asked for at the store that an order is with; return the places."""
    places = []
    for line in known.fact.lines if known.store else ():
        promise_id = promise_of(known.fact.order_id, line.line, known.store)
        standing = find_promise(tx, promise_id)
        cancel(tx, own, promise_id, now_ms=now_ms)
        if standing is not None:
            places.append(standing.place)
    return tuple(places)


def promise_of(order_id: str, line: int, store: str) -> str:
    """Return the name of a line's promise at a store: one that was given back there says nothing of the next store's."""
    return f"order-{blake2b(f'{order_id} {line} {store}'.encode(), digest_size=12).hexdigest()}"


def _wanted(order_id: str, line: OrderLine, store: str, location: str) -> PromiseRequest:
    return PromiseRequest(
        promise_id=promise_of(order_id, line.line, store),
        order_id=order_id,
        line=line.line,
        sku=line.sku,
        store=store,
        location=location,
        qty=line.qty,
        ask=True,
    )


def _take_order(tx: Connection, row: NewRow) -> None:
    try:
        fact = _order(row.body)
    except NOT_JSON:
        return
    if store_of(fact.made_by) == store_of(row.rep):
        _keep_order(tx, fact, store=store_of(row.rep), label=None)


def _take_step(tx: Connection, row: NewRow) -> str:
    """Write a store's step down; return whose order it is, empty for a row that cannot be read or is not the store's to say."""
    try:
        fact = _step(row.body)
    except NOT_JSON:
        return ""
    if store_of(fact.step.rep) != store_of(row.rep):
        return ""
    keep_step(tx, fact, row.rep)
    return fact.step.order_id


def _take_request(tx: Connection, row: NewRow) -> None:
    try:
        said = _request(row.body)
    except NOT_JSON:
        return
    keep_request(tx, said)


def _note_state(tx: Connection, own: Replica, order_id: str) -> bool:
    """Note what an order's steps come to; forget the label of one that is closed, and say whether that was told."""
    order = merge(each.step for each in _steps(tx, order_id))
    tx.execute("UPDATE web_order SET state = ? WHERE order_id = ?", (order.state, order_id))
    return order.is_closed and forget_label(tx, own, order_id)


def forget_label(tx: Connection, own: Replica, order_id: str) -> bool:
    """Forget whose name is on an order; say whether a store was told."""
    row = tx.execute(
        "UPDATE web_order SET label = NULL WHERE order_id = ? AND label IS NOT NULL RETURNING store", (order_id,)
    ).fetchone()
    if row is None or not row[0]:
        return False
    put_own(tx, own, row[0], ORDER_LABEL, OrderLabelRow(order_id=order_id, n=2, gone=True, name="", address=""))
    return True


def _keep_order(tx: Connection, fact: OrderFact, *, store: str, label: bytes | None) -> None:
    tx.execute(
        """
        INSERT INTO web_order (order_id, store, state, body, label) VALUES (?, ?, '', ?, ?) ON CONFLICT DO NOTHING
        """,
        (fact.order_id, store, msgspec.json.encode(fact), label),
    )
    if steps := _steps(tx, fact.order_id):
        state = merge(each.step for each in steps).state
        tx.execute("UPDATE web_order SET state = ? WHERE order_id = ?", (state, fact.order_id))


def keep_step(tx: Connection, fact: OrderStepFact, rep: str) -> None:
    """Write a step down; whoever follows the order that it is a parcel of is told."""
    order_id = fact.step.order_id
    tx.execute(
        "INSERT INTO web_order_step (step_id, order_id, rep, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (fact.step_id, order_id, rep, msgspec.json.encode(fact)),
    )
    state = merge(each.step for each in _steps(tx, order_id)).state
    tx.execute("UPDATE web_order SET state = ? WHERE order_id = ?", (state, order_id))
    tx.execute(
        """
        UPDATE order_allocation SET is_due = 1
        WHERE order_id = (SELECT order_id FROM order_parcel WHERE parcel_id = ?) AND state NOT IN ('by_hand', 'done')
        """,
        (order_id,),
    )


def keep_request(tx: Connection, said: OrderRequest) -> None:
    """Write a request down, once."""
    tx.execute(
        "INSERT INTO web_order_request (request_id, order_id, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (said.request_id, said.order_id, msgspec.json.encode(said)),
    )


def is_requested(tx: Connection, said: OrderRequest) -> bool:
    """Whether this very request was made; raise RuleError where its id is another one's."""
    row = tx.execute("SELECT order_id FROM web_order_request WHERE request_id = ?", (said.request_id,)).fetchone()
    if row is not None and row[0] != said.order_id:
        raise RuleError("other_content", "/request_id", f"request {said.request_id} is of order {row[0]}")
    return row is not None


def _steps(read: Connection, order_id: str) -> tuple[OrderStepFact, ...]:
    rows = read.execute("SELECT body FROM web_order_step WHERE order_id = ?", (order_id,)).fetchall()
    return tuple(sorted((_step(body) for (body,) in rows), key=lambda each: (each.step.n, each.step_id)))


def _told_label(read: Connection, order_id: str) -> OrderLabelRow | None:
    """Return the label of an order that was made in a shop."""
    rows = read.execute(
        "SELECT body FROM tally WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key = ?",
        (ORDER_LABEL.stream, order_id),
    ).fetchall()
    labels = []
    for (body,) in rows:
        with suppress(*NOT_JSON):
            labels.append(_label(body))
    newest = max(labels, key=lambda row: row.n, default=None)
    return None if newest is None or newest.gone else newest


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)
