"""An order that the cloud finds places for, and its parcels: each is an order of its own at one place, made by the cloud.

    order    stays the cloud's: its customer's number, its name, what it has come to; no store hears of it
    parcel   `w1.1`, `w1.2` …: lines of it at one place; created, allocated, picked, handed over as any order
    left     what of an order no parcel stands for: called off, rejected, short. That is what is given out next

What stands is found from the steps alone, so it may be asked again at any moment. Functions of a write job, and of reads. Not
here: which place is chosen (sync.cloud.allocation.giving), what follows from a step (sync.cloud.allocation.following).
"""

from collections.abc import Iterable
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from sync.cloud.allocation.distances import Destination
from sync.cloud.orders import Known, create, find_order
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.orders.order_rows import OrderFact, OrderLabelRow, OrderLine, ShortLine
from sync.retail.orders.orders import CALLED_OFF, HANDED_OVER, OrderState

ID_CHARS_MAX = 56  # of an order whose parcels have its name; a longer one lends its hash

AllocationState = Literal["by_hand", "open", "unfulfilled", "calling_off", "done"]
_destination = msgspec.json.Decoder(Destination).decode


class Allocation(Struct, frozen=True):
    """How the cloud stands with an order. `missing`: why nobody can send the rest, empty while somebody may."""

    order_id: str
    state: AllocationState
    only_store: str
    destination: Destination
    is_given_up: bool
    tried_up_to: int
    missing: str
    begun_ms: int


class Parcel(Struct, frozen=True):
    """A parcel as it stands. `called_off`: why it was asked back."""

    parcel_id: str
    order_id: str
    n: int
    place: str
    given_ms: int
    called_off: str
    known: Known

    @property
    def state(self) -> OrderState:
        """Where it is."""
        return self.known.order.state

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for rights that its place was asked for."""
        return self.state is OrderState.CREATED

    @property
    def short(self) -> tuple[ShortLine, ...]:
        """What was not there when it was picked."""
        return tuple(short for step in self.known.steps for short in step.short)

    @property
    def has_failed(self) -> bool:
        """Whether its place could not send all of it."""
        return self.state is OrderState.CANCELLED or bool(self.short)


class Case(Struct, frozen=True):
    """An order with all that has become of it; `left` is what no parcel stands for."""

    row: Allocation
    order: Known
    parcels: list[Parcel]
    left: tuple[OrderLine, ...]


def queue(
    tx: Connection,
    order_id: str,
    *,
    now_ms: int,
    destination: Destination | None = None,
    only_store: str = "",
    state: AllocationState = "open",
) -> bool:
    """Have places found for an order, or never by itself (`by_hand`); say whether that was not said before."""
    said = msgspec.json.encode((destination or Destination()).coarse).decode()
    row = tx.execute(
        """
        INSERT INTO order_allocation
          (order_id, state, is_due, only_store, destination, given_up, tried_up_to, missing, begun_ms)
        VALUES (?, ?, ?, ?, ?, 0, 0, '', ?) ON CONFLICT (order_id) DO NOTHING RETURNING order_id
        """,
        (order_id, state, int(state == "open"), only_store, said, now_ms),
    ).fetchone()
    return row is not None


def queue_new(tx: Connection, *, now_ms: int, limit: int) -> int:
    """Have places found for orders that came in and that nobody has said anything else of; return how many."""
    rows = tx.execute(
        """
        SELECT order_id FROM web_order WHERE state = 'created' AND store = ''
          AND NOT EXISTS (SELECT 1 FROM order_allocation WHERE order_allocation.order_id = web_order.order_id)
          AND NOT EXISTS (SELECT 1 FROM order_parcel WHERE order_parcel.parcel_id = web_order.order_id)
        ORDER BY order_id LIMIT ?
        """,
        (limit,),
    ).fetchall()
    return sum(queue(tx, order_id, now_ms=now_ms) for (order_id,) in rows)


def due_orders(read: Connection, *, limit: int) -> list[str]:
    """Return orders of which something has changed since they were looked at."""
    rows = read.execute("SELECT order_id FROM order_allocation WHERE is_due = 1 ORDER BY order_id LIMIT ?", (limit,))
    return [order_id for (order_id,) in rows]


def hold(tx: Connection, order_id: str) -> None:
    """Keep others from looking at an order until this transaction has ended: what is read from here on, nobody else changes."""
    tx.execute("UPDATE order_allocation SET is_due = 0 WHERE order_id = ?", (order_id,))


def find_allocation(read: Connection, order_id: str) -> Allocation | None:
    """Return how the cloud stands with an order; None for one that it finds no places for."""
    row = read.execute(
        """
        SELECT order_id, state, only_store, destination, given_up, tried_up_to, missing, begun_ms
        FROM order_allocation WHERE order_id = ?
        """,
        (order_id,),
    ).fetchone()
    if row is None:
        return None
    order_id, state, only_store, destination, given_up, tried_up_to, missing, begun_ms = row
    to = _destination(destination) if destination else Destination()
    return Allocation(order_id, state, only_store, to, bool(given_up), tried_up_to, missing, begun_ms)


def case_of(read: Connection, row: Allocation, order: Known) -> Case:
    """Return how an order stands now."""
    parcels = parcels_of(read, row.order_id)
    return Case(row, order, parcels, left_of(order.fact, parcels))


def wake_waiting(tx: Connection) -> None:
    """Have orders looked at that wait for goods or for rights: some have come."""
    tx.execute(
        """
        UPDATE order_allocation SET is_due = 1 WHERE state = 'open' AND (missing <> '' OR order_id IN (
          SELECT order_parcel.order_id FROM web_order JOIN order_parcel ON order_parcel.parcel_id = web_order.order_id
          WHERE web_order.state = 'created'))
        """
    )


def note(tx: Connection, order_id: str, state: AllocationState, *, missing: str = "") -> None:
    """Note how the cloud stands with an order; where the customer lives is forgotten with the order."""
    tx.execute(
        """
        UPDATE order_allocation SET state = ?, is_due = 0, missing = ?,
          destination = CASE WHEN ? = 'done' THEN '' ELSE destination END
        WHERE order_id = ?
        """,
        (state, missing, state, order_id),
    )


def waiting_orders(read: Connection, *, after: str = "", limit: int) -> list[str]:
    """Return orders that nobody can send whole, by id behind one."""
    rows = read.execute(
        """
        SELECT order_id FROM order_allocation
        WHERE state IN ('open', 'unfulfilled') AND missing <> '' AND order_id > ? ORDER BY order_id LIMIT ?
        """,
        (after, limit),
    ).fetchall()
    return [order_id for (order_id,) in rows]


def count_unfulfilled(read: Connection) -> int:
    """Return how many orders nobody can send whole."""
    row = read.execute(
        "SELECT count(*) FROM order_allocation WHERE state IN ('open', 'unfulfilled') AND missing <> ''"
    ).fetchone()
    return int(row[0])


def parcels_of(read: Connection, order_id: str) -> list[Parcel]:
    """Return the parcels of an order, oldest first."""
    rows = read.execute(
        """
        SELECT parcel_id, order_id, n, place, given_ms, called_off FROM order_parcel WHERE order_id = ? ORDER BY n
        """,
        (order_id,),
    ).fetchall()
    return [
        Parcel(parcel_id, order_id, n, place, given_ms, called_off, known)
        for parcel_id, _, n, place, given_ms, called_off in rows
        if (known := find_order(read, parcel_id)) is not None
    ]


def order_of_parcel(read: Connection, parcel_id: str) -> str | None:
    """Return whose parcel an order is, None for one that is none."""
    row = read.execute("SELECT order_id FROM order_parcel WHERE parcel_id = ?", (parcel_id,)).fetchone()
    return row[0] if row else None


def left_of(fact: OrderFact, parcels: Iterable[Parcel]) -> tuple[OrderLine, ...]:
    """Return what of an order no parcel stands for. One that the customer did not fetch in time has been stood for."""
    left = {line.line: line.qty for line in fact.lines}
    for parcel in parcels:
        if parcel.state is OrderState.CANCELLED:
            continue
        short = {each.line: each.qty for each in parcel.short}
        for line in parcel.known.fact.lines:
            left[line.line] -= line.qty - short.get(line.line, 0)
    return tuple(
        OrderLine(line=line.line, sku=line.sku, qty=left[line.line]) for line in fact.lines if left[line.line] > 0
    )


def is_handed_over(parcel: Parcel) -> bool:
    """Whether its goods are the customer's."""
    return parcel.state in HANDED_OVER


def is_over(parcel: Parcel) -> bool:
    """Whether it was called off, or not fetched."""
    return parcel.state in CALLED_OFF


def begin_parcel(
    tx: Connection, own: Replica, order: Known, place: str, lines: tuple[OrderLine, ...], *, now_ms: int
) -> str:
    """Create the next parcel of an order; return its name. Nobody has promised anything yet."""
    order_id = order.fact.order_id
    (n,) = tx.execute("SELECT coalesce(max(n), 0) + 1 FROM order_parcel WHERE order_id = ?", (order_id,)).fetchone()
    stem = order_id if len(order_id) <= ID_CHARS_MAX else blake2b(order_id.encode(), digest_size=16).hexdigest()
    parcel_id = f"{stem}.{n}"
    tx.execute(
        """
        INSERT INTO order_parcel (parcel_id, order_id, n, place, given_ms, called_off) VALUES (?, ?, ?, ?, ?, '')
        """,
        (parcel_id, order_id, n, place, now_ms),
    )
    fact = msgspec.structs.replace(order.fact, order_id=parcel_id, lines=lines, part_of=order_id)
    label = order.label or OrderLabelRow(order_id=parcel_id, name="", address="")
    create(tx, own, fact, msgspec.structs.replace(label, order_id=parcel_id), now_ms=now_ms)
    return parcel_id


def take_by_hand(tx: Connection, order_id: str, *, now_ms: int) -> None:
    """Have no places found for an order: head office names one. Raise RuleError where parcels of it are under way."""
    check_is_whole(tx, order_id)
    if any(not is_over(each) for each in parcels_of(tx, order_id)):
        raise RuleError("in_parcels", "/store", f"order {order_id} has parcels under way: call those off first")
    if not queue(tx, order_id, now_ms=now_ms, state="by_hand"):
        tx.execute("UPDATE order_allocation SET state = 'by_hand', is_due = 0 WHERE order_id = ?", (order_id,))


def check_is_whole(read: Connection, order_id: str) -> None:
    """Raise RuleError for a parcel: it stays where it is, or is called off."""
    whole = order_of_parcel(read, order_id)
    if whole is not None:
        raise RuleError("is_parcel", f"/orders/{order_id}", f"{order_id} is a parcel of order {whole}")


def note_called_off(tx: Connection, parcel_id: str, why: str) -> None:
    """Note why a parcel is asked back, the first reason."""
    tx.execute("UPDATE order_parcel SET called_off = ? WHERE parcel_id = ? AND called_off = ''", (why, parcel_id))
