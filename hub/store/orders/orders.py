"""Orders at the shop: made here, taken from step to step by their owner; requests of others; what a step does to goods.

    a step to     what it needs                           what it does, in the same job
    picking       its promises have come                  -
    ready         all is scanned, or a reason (partial)   what is short is noted; click and collect gets a hand-over code
    collected     the code                                promises end as picked, less what was short; the label is emptied
    shipped       not click and collect                   the same
    cancelled     -                                       promises end as given back; the label is emptied
    expired       the hub itself (hub.orders)             the same

Goods leave once: those that are promised with the end of their promise; those on no promise (an order that was made here, a
promise that had to give way) with the step; those of an order that names its sale left with the sale. A step is known by the id
under which it was taken: again, it is answered the same. Whoever is not the owner leaves a request. A wrong code is counted, and
after GUESSES_MAX the order waits for a manager.

Not here: the rules (sync.retail.orders.orders), scans (hub.store.orders.order_scans), views (hub.store.orders.order_views).
Functions of a write job.
"""

import hmac
from collections.abc import Iterable
from itertools import islice
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, RefusedError
from hub.store.model import utc
from hub.store.orders.order_scans import forget_scans
from hub.store.orders.order_views import Known, known_order, picked_of
from hub.store.stock.kits import goods_of
from hub.store.stock.promises import ending_of, is_keeper, pick, promises_of, release
from hub.store.stock.stock import apply_effects
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.orders.order_rows import (
    ORDER_LABEL,
    ORDER_REQUEST,
    ORDER_STEP,
    OrderKind,
    OrderLabelRow,
    ShortLine,
    fact_of,
)
from sync.retail.orders.orders import CLOSED, HANDED_OVER, OrderRequest, OrderState, OrderStep, answer, next_step
from sync.retail.orders.picking import missing
from sync.retail.selling.sales import StockEffect
from sync.store.writing import put_version, record_fact

ANSWERS_MAX = 100  # requests of one job
GUESSES_MAX = 5  # wrong hand-over codes of an order; eight digits are not found in five
_said = msgspec.json.Decoder(OrderRequest).decode
_LEAVING = {OrderKind.CLICK_AND_COLLECT: OrderState.COLLECTED}


class StepWish(Struct, frozen=True, kw_only=True):
    """Somebody at a till wants an order in a state; `by` is who. `fresh_code`: its hand-over code, if it needs one."""

    order_id: str
    told_id: str
    state: OrderState
    by: str
    reason: str = ""
    code: str = ""
    fresh_code: str


class Stepped(Struct, frozen=True):
    """How it ended; `stock` are new figures on hand by SKU. `wrong_code`: nothing but that was written."""

    status: Literal["taken", "repeated", "requested", "wrong_code"]
    stock: dict[str, int] = {}


class _Moved(Struct, frozen=True):
    """What left on no promise, and the figures that promises left behind."""

    uncovered: tuple[StockEffect, ...] = ()
    stock: dict[str, int] = {}


def take_step(tx: Connection, own: Replica, wish: StepWish, *, location: str, now_ms: int) -> Stepped:
    """Take the owner's next step, or leave a request with the owner; once for each id.

    Raise NotFoundError, ConflictError where the order is not so far or the id is known with other content, RefusedError for
    what is missing. A wrong code is counted: that is written, and nothing else.
    """
    known = known_order(tx, own, wish.order_id)
    if repeated := _repeated(tx, known, wish):
        return repeated
    if not known.is_ours and known.order.owner is not None:
        _request(tx, own, wish, now_ms=now_ms)
        return Stepped("requested")
    step = _next(known, own, wish, now_ms=now_ms)
    if wish.state is OrderState.COLLECTED and not _is_right(tx, known, wish.code):
        return Stepped("wrong_code")
    short = _short(tx, known, wish) if wish.state is OrderState.READY else ()
    if wish.state is OrderState.PICKING:
        _check_promised(tx, own, known)
    needs_code = wish.state is OrderState.READY and known.fact.kind is OrderKind.CLICK_AND_COLLECT
    code = wish.fresh_code if needs_code else ""
    stock = write_step(
        tx, own, known, step, told_id=wish.told_id, by=wish.by, short=short, code=code, location=location, now_ms=now_ms
    )
    return Stepped("taken", stock)


def write_step(
    tx: Connection,
    own: Replica,
    known: Known,
    step: OrderStep,
    *,
    location: str,
    now_ms: int,
    told_id: str | None = None,
    by: str = "",
    short: tuple[ShortLine, ...] = (),
    code: str = "",
) -> dict[str, int]:
    """Write a step with what it does to goods; return new figures on hand by SKU."""
    moved = _Moved()
    if step.state in HANDED_OVER:
        moved = _hand_over(tx, own, known, location=location, now_ms=now_ms)
    elif step.state in CLOSED:
        _give_back(tx, own, known, why=step.reason or step.state, now_ms=now_ms)
    record_fact(
        tx, own, ORDER_STEP, fact_of(step, told_id=told_id, by=by, short=short, code=code, stock=moved.uncovered)
    )
    stock = moved.stock | apply_effects(tx, moved.uncovered)
    if step.state in CLOSED:
        _close(tx, own, known.fact.order_id)
    return stock


def answer_requests(tx: Connection, own: Replica, *, location: str, now_ms: int) -> dict[str, int]:
    """Call off what others want to be called off, of orders that this hub owns; return new figures on hand by SKU.

    Any other state needs somebody who looks: those requests stand in the order's view.
    """
    stock: dict[str, int] = {}
    for said in open_requests(tx, own):
        known = known_order(tx, own, said.order_id)
        steps = [each.step for each in known.steps]
        try:
            step = answer(said, steps, rep=own.rep, at=utc(now_ms), follows=known.ours)
        except RuleError:
            continue  # closed by the request before this one, or full of steps: it stands in the order's view
        if step is not None:
            stock |= write_step(tx, own, known, step, by=said.by, location=location, now_ms=now_ms)
    return stock


def open_requests(read: Connection, own: Replica) -> list[OrderRequest]:
    """Return requests to call off orders that are open, whole here and this hub's; ANSWERS_MAX, oldest first."""
    rows = read.execute(
        """
        SELECT said.body FROM order_request AS said JOIN open_order ON open_order.order_id = said.order_id
        WHERE said.wants = 'cancelled' AND EXISTS (SELECT 1 FROM order_step WHERE order_step.order_id = said.order_id)
        ORDER BY said.id
        """
    ).fetchall()
    said = (_said(body) for (body,) in rows)
    return list(islice((each for each in said if known_order(read, own, each.order_id).is_ours), ANSWERS_MAX))


def forget_guesses(tx: Connection, order_id: str) -> None:
    """Let the hand-over code of an order be tried again."""
    tx.execute("DELETE FROM order_guess WHERE order_id = ?", (order_id,))


def _repeated(tx: Connection, known: Known, wish: StepWish) -> Stepped | None:
    """Return how a step was answered under this id, None for a new one; raise ConflictError where it was another step."""
    row = tx.execute(
        """
        SELECT order_id, body ->> '$.step.state', coalesce(body ->> '$.step.reason', ''), 'repeated' FROM order_step
        WHERE told_id = ?1
        UNION ALL SELECT order_id, wants, coalesce(body ->> '$.reason', ''), 'requested' FROM order_request
        WHERE request_id = ?1
        """,
        (wish.told_id,),
    ).fetchone()
    if row is None:
        return None
    if row[:3] != (known.fact.order_id, wish.state, wish.reason):
        detail = f"step {wish.told_id} is known with other content"
        raise ConflictError("other_content", detail, pointer="/step_id")
    return Stepped(row[3])


def _request(tx: Connection, own: Replica, wish: StepWish, *, now_ms: int) -> None:
    said = OrderRequest(
        request_id=wish.told_id,
        order_id=wish.order_id,
        wants=wish.state,
        by=own.rep,
        reason=wish.reason,
        at=utc(now_ms),
    )
    record_fact(tx, own, ORDER_REQUEST, said)


def _next(known: Known, own: Replica, wish: StepWish, *, now_ms: int) -> OrderStep:
    if wish.state in HANDED_OVER and wish.state is not _LEAVING.get(known.fact.kind, OrderState.SHIPPED):
        raise RefusedError("order_kind", f"an order of kind {known.fact.kind} is not {wish.state}", pointer="/state")
    steps = [each.step for each in known.steps]
    try:
        return next_step(steps, wish.state, rep=own.rep, at=utc(now_ms), reason=wish.reason, follows=known.ours)
    except RuleError as err:
        raise ConflictError(err.code, err.detail, pointer="/state", holder=known.order.owner or "") from err


def _short(tx: Connection, known: Known, wish: StepWish) -> tuple[ShortLine, ...]:
    """Return what is not in the parcel; raise RefusedError where nobody says why, or where nothing is in it."""
    picked = picked_of(tx, known.fact.order_id)
    short = missing(known.fact.lines, picked)
    if short and not any(picked.values()):
        raise RefusedError("order_empty", f"nothing was scanned for order {wish.order_id}", pointer="/state")
    if short and not wish.reason:
        said = ", ".join(f"line {each.line}: {each.qty}" for each in short)
        raise RefusedError("order_missing", f"not in the parcel: {said}", pointer="/reason")
    return short


def _is_right(tx: Connection, known: Known, code: str) -> bool:
    """Whether a code is the order's, alone or as its QR says it; a wrong one is counted. Raise ConflictError when locked."""
    order_id = known.fact.order_id
    row = tx.execute("SELECT wrong FROM order_guess WHERE order_id = ?", (order_id,)).fetchone()
    if row is not None and row[0] >= GUESSES_MAX:
        raise ConflictError("order_code_locked", f"{row[0]} wrong codes for order {order_id}", pointer="/code")
    said = code.removeprefix(f"{order_id}/")
    if known.code and hmac.compare_digest(said.encode(), known.code.encode()):
        return True
    tx.execute(
        "INSERT INTO order_guess (order_id, wrong) VALUES (?, 1) ON CONFLICT (order_id) DO UPDATE SET wrong = wrong + 1",
        (order_id,),
    )
    return False


def _check_promised(tx: Connection, own: Replica, known: Known) -> None:
    """Goods of an order from elsewhere are promised; the promises travel in another stream and may come after it."""
    if _is_made_here(own, known):
        return
    promised = {fact.line for fact in promises_of(tx, known.fact.order_id)}
    if not {line.line for line in known.fact.lines} <= promised:
        raise ConflictError("order_incomplete", f"the promises of order {known.fact.order_id} have not come yet")


def _hand_over(tx: Connection, own: Replica, known: Known, *, location: str, now_ms: int) -> _Moved:
    """End the promises as picked, less what was short; return what leaves beside them."""
    short, stock = dict(known.short), dict[str, int]()
    leaving = {line.line: line.qty - short.get(line.line, 0) for line in known.fact.lines}
    for fact in promises_of(tx, known.fact.order_id):
        if fact.line not in leaving:
            continue
        if ending_of(tx, fact.promise_id) == "given_back":
            continue  # it had to give way: the goods leave on the shop's own right
        taken = min(fact.n, leaving[fact.line])
        leaving[fact.line] -= taken
        if not is_keeper(tx, own, fact.keeper):
            continue  # another hub has ended it, or will
        if not taken:
            release(tx, own, fact.promise_id, why="short", now_ms=now_ms)
            continue
        ended = pick(tx, own, fact.promise_id, now_ms=now_ms, left=fact.n - taken)
        if ended.on_hand is not None:
            stock[fact.sku] = ended.on_hand
    if known.fact.sale_id is not None:
        return _Moved((), stock)
    return _Moved(tuple(_taken(tx, known, leaving, location)), stock)


def _taken(tx: Connection, known: Known, leaving: dict[int, int], location: str) -> Iterable[StockEffect]:
    goods = goods_of(tx, [line.sku for line in known.fact.lines])
    for line in known.fact.lines:
        for sku, qty in goods.taken(line.sku, leaving[line.line]).items() if leaving[line.line] else ():
            yield StockEffect(sku, location, -qty)


def _give_back(tx: Connection, own: Replica, known: Known, *, why: str, now_ms: int) -> None:
    for fact in promises_of(tx, known.fact.order_id):
        if ending_of(tx, fact.promise_id) is None and is_keeper(tx, own, fact.keeper):
            release(tx, own, fact.promise_id, why=why, now_ms=now_ms)


def _close(tx: Connection, own: Replica, order_id: str) -> None:
    """Forget what is needed no more: the customer's name, what was held, what was scanned."""
    label = tx.execute("SELECT 1 FROM order_label WHERE order_id = ? AND gone = 0", (order_id,)).fetchone()
    if label is not None:
        put_version(tx, own, ORDER_LABEL, OrderLabelRow(order_id=order_id, gone=True, name="", address=""))
    tx.execute("UPDATE reservation_line SET is_held = 0 WHERE reservation_id = ?", (held_as(order_id),))
    forget_scans(tx, order_id)


def held_as(order_id: str) -> str:
    """Return under which name goods of an order that was made here lie aside."""
    return f"order/{order_id}"


def _is_made_here(own: Replica, known: Known) -> bool:
    return known.fact.made_by.rpartition(":")[0] == own.store
