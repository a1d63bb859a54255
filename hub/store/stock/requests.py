"""What head office asks this shop to send to another branch: what is open, what a transfer is held against, why it is not sent.

    open       asked, and neither sent nor refused by any hub of this store, nor withdrawn, as far as is known here
    sent       the transfer is in the books whose document has the request's id: at once, before the cloud knows
    refused    this store has said why it does not send it; goods that go anyway are booked

Functions of a write job, and reads. Rules: sync.retail.stock.transfer_requests. Not here: booking (hub.store.stock.documents).
"""

import json
from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError
from hub.store.model import utc
from sync.model import Replica
from sync.retail.stock.movements import Flag, Movement
from sync.retail.stock.transfer_requests import REFUSAL, RefusalFact, RefusalReason, differences_from
from sync.retail.stock.transfers import TransferLine, transfer_id
from sync.store.writing import record_fact

PAGE_MAX = 200
_NAME = "request.store || ':' || request.request_id"
_IS_OPEN = f"""request.store = :store AND state = 'open' AND gone = 0
  AND NOT EXISTS (SELECT 1 FROM transfer WHERE transfer_id = {_NAME})
  AND NOT EXISTS (SELECT 1 FROM transfer_refusal WHERE refusal_id = {_NAME})"""
_lines = msgspec.json.Decoder(tuple[TransferLine, ...]).decode


class RequestedLine(Struct, frozen=True):
    """So much of a SKU is asked for; `on_hand` is what this shop has of it."""

    sku: str
    qty: int
    on_hand: int


class RequestView(Struct, frozen=True):
    """Goods that are to go to branch `to`, `until` then where somebody said so. The document that sends them has this id."""

    request_id: str
    to: str
    lines: list[RequestedLine]
    asked_at: datetime
    age_s: int
    until: datetime | None
    is_late: bool
    note: str


class Refused(Struct, frozen=True):
    """What was said of a request that is not sent; `is_new` where it was not known already."""

    fact: RefusalFact
    is_new: bool


def open_requests(
    read: Connection, *, store: str, location: str, after: str = "", limit: int, now_ms: int
) -> list[RequestView]:
    """Return the requests that wait for this shop, by id from behind one."""
    rows = read.execute(
        f"""
        SELECT request_id, receiver, lines, asked_ms, until_ms, note FROM transfer_request AS request
        WHERE {_IS_OPEN} AND request_id > :after ORDER BY request_id LIMIT :limit
        """,
        {"store": store, "after": after, "limit": limit},
    ).fetchall()
    return [
        RequestView(
            request_id=request_id,
            to=receiver,
            lines=_with_stock(read, _lines(lines), location),
            asked_at=utc(asked_ms),
            age_s=max(0, (now_ms - asked_ms) // 1000),
            until=utc(until_ms) if until_ms else None,
            is_late=0 < until_ms < now_ms,
            note=note,
        )
        for request_id, receiver, lines, asked_ms, until_ms, note in rows
    ]


def open_versions(read: Connection, *, store: str) -> frozenset[tuple[str, int]]:
    """Return which requests are open, in which version."""
    rows = read.execute(f"SELECT request_id, n FROM transfer_request AS request WHERE {_IS_OPEN}", {"store": store})
    return frozenset(rows)


def request_flags(tx: Connection, own: Replica, said: Movement) -> tuple[Flag, ...]:
    """Hold a transfer against the request that it answers, if it answers one."""
    row = tx.execute(
        "SELECT receiver, state, lines FROM transfer_request WHERE request_id = ? AND store = ? AND gone = 0",
        (said.movement_id, own.store),
    ).fetchone()
    if row is None:
        return ()
    receiver, state, lines = row
    flags: tuple[Flag, ...] = ()
    if _refusal(tx, transfer_id(own.store, said.movement_id)) is not None:
        flags += (Flag("request_refused", detail="this shop had said that it does not send it"),)
    if receiver != said.store:
        flags += (Flag("sent_elsewhere", detail=f"asked for by {receiver}, sent to {said.store}"),)
    if state == "withdrawn":
        return (*flags, Flag("request_withdrawn", detail="head office did not want it any more"))
    return (*flags, *(differences_from(_lines(lines), said.lines) if state == "open" else ()))


def refuse(
    tx: Connection, own: Replica, request_id: str, *, reason: RefusalReason, note: str, by: str | None, now_ms: int
) -> Refused:
    """Say once why goods are not sent.

    Raise NotFoundError; ConflictError where they have left, are wanted no more, or were refused in other words.
    """
    name = transfer_id(own.store, request_id)
    fact = RefusalFact(
        refusal_id=name,
        request_id=request_id,
        sender=own.store,
        reason=reason,
        note=note,
        by=by,
        refused_at=utc(now_ms),
    )
    known = _refusal(tx, name)
    if known is not None:
        if (known.reason, known.note, known.by) != (reason, note, by):
            raise ConflictError("other_content", f"request {request_id} was refused with other words")
        return Refused(known, is_new=False)
    row = tx.execute(
        "SELECT state FROM transfer_request WHERE request_id = ? AND store = ? AND gone = 0", (request_id, own.store)
    ).fetchone()
    if row is None:
        raise NotFoundError("transfer_request", f"no request {request_id!r}")
    if tx.execute("SELECT 1 FROM transfer WHERE transfer_id = ?", (name,)).fetchone() or row[0] == "done":
        raise ConflictError("request_sent", f"the goods of request {request_id} have left")
    if row[0] == "withdrawn":
        raise ConflictError("request_withdrawn", f"request {request_id} was withdrawn")
    record_fact(tx, own, REFUSAL, fact)
    return Refused(fact, is_new=True)


def _refusal(read: Connection, name: str) -> RefusalFact | None:
    row = read.execute("SELECT body FROM transfer_refusal WHERE refusal_id = ?", (name,)).fetchone()
    return msgspec.json.decode(row[0], type=RefusalFact) if row else None


def _with_stock(read: Connection, lines: tuple[TransferLine, ...], location: str) -> list[RequestedLine]:
    there = dict(
        read.execute(
            "SELECT sku, on_hand FROM stock WHERE location = ? AND sku IN (SELECT value FROM json_each(?))",
            (location, json.dumps([line.sku for line in lines])),
        ).fetchall()
    )
    return [RequestedLine(line.sku, line.qty, there.get(line.sku, 0)) for line in lines]
