"""Second contents under a known sale_id: what a manager does with one that waits. Named by the hash of its content.

    verb       does                                                             again
    book       books the content as a sale of its own under a new id            the same answer; another id is refused
    discard    books nothing; the reason stays                                  nothing more

A content that is sent once more after it has ended stays ended. Functions of a write job or of a read.
"""

from collections.abc import Callable
from sqlite3 import Connection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.selling.sales import Recorded
from hub.store.staff.audit_trail import note
from sync.retail.selling.sales import Sale, Warned

PAGE_MAX = 200
Book = Callable[[Connection, Sale, tuple[Warned, ...]], Recorded]
"""Books a sale in the same write job."""


class SuspendedSale(Struct, frozen=True, omit_defaults=True):
    """A second content; `ended_by` once a manager has booked it, under the id `booked_as`, or discarded it for `reason`."""

    suspended_id: str
    sale: Sale
    received_ms: int
    ended_by: str = ""
    ended_ms: int = 0
    booked_as: str = ""
    reason: str = ""


_SELECT = """
SELECT lower(hex(suspended_sale.content_hash)), body, received_ms, coalesce(ended_by, ''), coalesce(ended_ms, 0),
  coalesce(booked_as, ''), coalesce(reason, '')
FROM suspended_sale LEFT JOIN suspended_end USING (sale_id, content_hash)
"""


def waiting_sales(read: Connection, *, after: str, limit: int) -> list[SuspendedSale]:
    """Return contents that nobody has decided on, in the order of their names, behind one."""
    rows = read.execute(
        f"""
        {_SELECT} WHERE ended_by IS NULL AND lower(hex(suspended_sale.content_hash)) > ?
        ORDER BY lower(hex(suspended_sale.content_hash)) LIMIT ?
        """,
        (after, limit),
    ).fetchall()
    return [_view(row) for row in rows]


def find_suspended(read: Connection, suspended_id: str) -> SuspendedSale:
    """Return a second content; raise NotFoundError."""
    row = read.execute(f"{_SELECT} WHERE lower(hex(suspended_sale.content_hash)) = ?", (suspended_id,)).fetchone()
    if row is None:
        raise NotFoundError("suspended", f"no suspended sale {suspended_id!r}")
    return _view(row)


def book_suspended(
    tx: Connection, suspended_id: str, *, sale_id: str, by: str, book: Book, now_ms: int
) -> tuple[Sale, Recorded]:
    """Book a content under a new id, as a sale that already happened; return it and how recording it ended."""
    found = find_suspended(tx, suspended_id)
    if found.ended_by and found.booked_as != sale_id:
        raise _ended(found)
    if sale_id == found.sale.sale_id:
        raise RefusedError("suspended_key", "the content is booked under a new id", pointer="/sale_id")
    sale = replace(found.sale, sale_id=sale_id, offline=True)
    recorded = book(tx, sale, (Warned("booked_second", detail=f"second content of sale {found.sale.sale_id}"),))
    if recorded.answer is None:
        raise ConflictError("other_content", f"sale {sale_id} is known with other content", pointer="/sale_id")
    if not found.ended_by:
        _end(tx, found, by=by, booked_as=sale_id, reason="", now_ms=now_ms)
    return sale, recorded


def discard_suspended(tx: Connection, suspended_id: str, *, by: str, reason: str, now_ms: int) -> SuspendedSale:
    """Discard a content; raise ConflictError for one that was booked."""
    found = find_suspended(tx, suspended_id)
    if found.booked_as:
        raise _ended(found)
    if not found.ended_by:
        _end(tx, found, by=by, booked_as="", reason=reason, now_ms=now_ms)
    return find_suspended(tx, suspended_id)


def _ended(found: SuspendedSale) -> ConflictError:
    what = f"booked as {found.booked_as}" if found.booked_as else "discarded"
    return ConflictError("suspended_ended", f"it was {what} by {found.ended_by}", holder=found.booked_as)


def _end(tx: Connection, found: SuspendedSale, *, by: str, booked_as: str, reason: str, now_ms: int) -> None:
    tx.execute(
        """
        INSERT INTO suspended_end (sale_id, content_hash, ended_ms, ended_by, booked_as, reason) VALUES (?, ?, ?, ?, ?, ?)
        """,
        (found.sale.sale_id, bytes.fromhex(found.suspended_id), now_ms, by, booked_as, reason),
    )
    action = "suspended_booked" if booked_as else "suspended_discarded"
    said = f"booked as {booked_as}" if booked_as else reason
    note(tx, actor=f"till:{by}", action=action, subject=found.sale.sale_id, reason=said, now_ms=now_ms)


def _view(row: tuple[str, str, int, str, int, str, str]) -> SuspendedSale:
    suspended_id, body, received_ms, ended_by, ended_ms, booked_as, reason = row
    sale = msgspec.json.decode(body, type=Sale)
    return SuspendedSale(suspended_id, sale, received_ms, ended_by, ended_ms, booked_as, reason)
