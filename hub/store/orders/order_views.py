"""Orders as they stand here: what their steps come to, what is picked, what is asked, whose name is on the label. Reads.

An order is shown once its lines and a step have come; both travel in streams of their own. The hand-over code is in no view.
Not here: writing (hub.store.orders.orders, .order_scans), the rules (sync.retail.orders.orders).
"""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.errors import NotFoundError
from hub.store.catalogue.products import name_of
from hub.store.stock.promises import is_keeper
from sync.model import Replica
from sync.retail.names import Name
from sync.retail.orders.order_rows import OrderFact, OrderKind, OrderStepFact
from sync.retail.orders.orders import CLOSED, Order, OrderRequest, OrderState, merge

PAGE_MAX = 200
_order = msgspec.json.Decoder(OrderFact).decode
_step = msgspec.json.Decoder(OrderStepFact).decode
_request = msgspec.json.Decoder(OrderRequest).decode


class Known(Struct, frozen=True):
    """An order, its steps, and what they come to. `ours`: which of its owners this life is, or follows."""

    fact: OrderFact
    steps: tuple[OrderStepFact, ...]
    order: Order
    ours: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether this hub takes the next step."""
        return bool(self.ours)

    @property
    def short(self) -> dict[int, int]:
        """What is not in the parcel, by line."""
        return {each.line: each.qty for step in self.steps for each in step.short}

    @property
    def code(self) -> str:
        """What the customer shows; empty where there is none yet."""
        return next((step.code for step in reversed(self.steps) if step.code), "")


class OrderLineView(Struct, frozen=True):
    """A line: how much is picked, and how much was not there when the parcel was closed."""

    line: int
    sku: str
    name: Name | None
    qty: int
    picked: int
    short: int


class OrderStepView(Struct, frozen=True):
    """A step that was taken, and by whom."""

    n: int
    state: OrderState
    at: datetime
    rep: str
    by: str
    reason: str


class OrderRequestView(Struct, frozen=True):
    """What somebody else wants; `answer` is open, done or refused."""

    request_id: str
    wants: OrderState
    by: str
    reason: str
    at: datetime
    answer: str


class OrderView(Struct, frozen=True):
    """An order. `owner` may take the next step, empty where nobody may; `ours`: it is this hub.

    `name`, `address`: of its label, empty once it is closed. `part_of`: of a parcel, the number that the customer knows.
    """

    order_id: str
    kind: OrderKind
    state: OrderState
    n: int
    owner: str
    ours: bool
    lines: list[OrderLineView]
    name: str
    address: str
    deadline: datetime | None
    sale_id: str | None
    part_of: str | None
    note: str
    flags: list[str]
    made_at: datetime
    steps: list[OrderStepView]
    requests: list[OrderRequestView]


def is_order(read: Connection, label: str) -> bool:
    """Whether a label is the id of an order that is here."""
    return read.execute("SELECT 1 FROM shop_order WHERE order_id = ?", (label,)).fetchone() is not None


def known_order(read: Connection, own: Replica, order_id: str) -> Known:
    """Return an order; raise NotFoundError for one that is not known here, or not whole yet."""
    row = read.execute("SELECT body FROM shop_order WHERE order_id = ?", (order_id,)).fetchone()
    steps = steps_of(read, order_id)
    if row is None or not steps:
        raise NotFoundError("order", f"no order {order_id[:64]!r}")
    order = merge(each.step for each in steps)
    owners = {each.step.to or each.step.rep for each in steps} if order.owner is None else {order.owner}
    ours = () if order.is_closed else tuple(sorted(each for each in owners if is_keeper(read, own, each)))
    return Known(_order(row[0]), steps, order, ours)


def steps_of(read: Connection, order_id: str) -> tuple[OrderStepFact, ...]:
    """Return the steps of an order by their number."""
    rows = read.execute("SELECT body FROM order_step WHERE order_id = ?", (order_id,)).fetchall()
    return tuple(sorted((_step(body) for (body,) in rows), key=lambda each: (each.step.n, each.step_id)))


def picked_of(read: Connection, order_id: str) -> dict[int, int]:
    """Return how much of each line is in the parcel."""
    rows = read.execute("SELECT line, sum(qty) FROM order_scan_line WHERE order_id = ? GROUP BY line", (order_id,))
    return dict(rows.fetchall())


def requests_of(read: Connection, known: Known) -> list[OrderRequestView]:
    """Return what others want of an order, oldest first."""
    rows = read.execute("SELECT body FROM order_request WHERE order_id = ?", (known.fact.order_id,)).fetchall()
    done = {each.step.request_id for each in known.steps}
    closed = "refused" if known.order.is_closed else "open"
    views = [
        OrderRequestView(
            said.request_id, said.wants, said.by, said.reason, said.at, "done" if said.request_id in done else closed
        )
        for said in (_request(body) for (body,) in rows)
    ]
    return sorted(views, key=lambda each: (each.at, each.request_id))


def order_view(read: Connection, own: Replica, order_id: str) -> OrderView:
    """Return an order as tills see it; raise NotFoundError."""
    known = known_order(read, own, order_id)
    fact, order, picked, short = known.fact, known.order, picked_of(read, order_id), known.short
    label = read.execute(
        "SELECT name, address FROM order_label WHERE order_id = ? AND gone = 0", (order_id,)
    ).fetchone()
    return OrderView(
        order_id=order_id,
        kind=fact.kind,
        state=order.state,
        n=order.n,
        owner=order.owner or "",
        ours=known.is_ours,
        lines=[
            OrderLineView(
                each.line,
                each.sku,
                name_of(read, each.sku),
                each.qty,
                picked.get(each.line, 0),
                short.get(each.line, 0),
            )
            for each in fact.lines
        ],
        name=label[0] if label else "",
        address=label[1] if label else "",
        deadline=fact.deadline,
        sale_id=fact.sale_id,
        part_of=fact.part_of,
        note=fact.note,
        flags=sorted(order.flags),
        made_at=fact.made_at,
        steps=[
            OrderStepView(each.step.n, each.step.state, each.step.at, each.step.rep, each.by, each.step.reason)
            for each in known.steps
        ],
        requests=requests_of(read, known),
    )


def order_page(
    read: Connection, own: Replica, *, states: Sequence[OrderState], after: str, limit: int
) -> list[OrderView]:
    """Return orders in one of these states, by id from behind one; no states: all."""
    found: list[OrderView] = []
    while len(found) < limit:
        names = _ids(read, after, limit, states)
        views = [order_view(read, own, name) for name in names]
        found += [view for view in views if not states or view.state in states]
        if len(names) < limit:
            break
        after = names[-1]
    return found[:limit]


def _ids(read: Connection, after: str, limit: int, states: Sequence[OrderState]) -> list[str]:
    """Return the ids of the next orders that may be in one of these states, none: of all that are whole."""
    if not states:
        rows = read.execute(
            """
            SELECT order_id FROM shop_order
            WHERE order_id > ? AND EXISTS (SELECT 1 FROM order_step WHERE order_step.order_id = shop_order.order_id)
            ORDER BY order_id LIMIT ?
            """,
            (after, limit),
        ).fetchall()
        return [name for (name,) in rows]
    found: set[str] = set()
    for state in CLOSED.intersection(states):
        rows = read.execute(
            """
            SELECT DISTINCT step.order_id FROM order_step AS step JOIN shop_order ON shop_order.order_id = step.order_id
            WHERE step.state = ? AND step.order_id > ? ORDER BY step.order_id LIMIT ?
            """,
            (state, after, limit),
        ).fetchall()
        found |= {name for (name,) in rows}
    if not CLOSED.issuperset(states):
        rows = read.execute(
            """
            SELECT order_id FROM open_order
            WHERE order_id > ? AND EXISTS (SELECT 1 FROM order_step WHERE order_step.order_id = open_order.order_id)
            ORDER BY order_id LIMIT ?
            """,
            (after, limit),
        ).fetchall()
        found |= {name for (name,) in rows}
    return sorted(found)[:limit]


def last_rows(read: Connection) -> tuple[int, int, int]:
    """Return the newest local ids of orders, steps and requests."""
    row: tuple[int, int, int] = read.execute(
        """
        SELECT coalesce((SELECT max(id) FROM shop_order), 0), coalesce((SELECT max(id) FROM order_step), 0),
               coalesce((SELECT max(id) FROM order_request), 0)
        """
    ).fetchone()
    return row


def orders_of_rows(read: Connection, after: tuple[int, int, int]) -> list[str]:
    """Return which orders rows are about that came behind these local ids."""
    rows = read.execute(
        """
        SELECT order_id FROM shop_order WHERE id > ? UNION SELECT order_id FROM order_step WHERE id > ?
        UNION SELECT order_id FROM order_request WHERE id > ? ORDER BY order_id
        """,
        after,
    ).fetchall()
    return [order_id for (order_id,) in rows]


def overdue(read: Connection, *, before: datetime) -> list[str]:
    """Return open orders whose deadline was before a moment."""
    rows = read.execute(
        """
        SELECT order_id FROM open_order JOIN shop_order USING (order_id) WHERE unixepoch(body ->> '$.deadline') < ?
        ORDER BY order_id
        """,
        (before.timestamp(),),
    ).fetchall()
    return [order_id for (order_id,) in rows]
