"""What a person must look at of what channels said: one line a subject, open until it is solved or dismissed.

    subject                raised when                                              solved by
    order:ID               goods nobody knows, an edit or a cancellation too late   an assigned SKU, a later version, a person
    refund:ID              goods come back of an order that was handed over         a person, once they are booked
    delivery:ID            a signed delivery that nobody here can read              a newer program (replay), a person
    data_request:CUSTOMER  a customer wants to know what is held of them            a person, once it was sent
    shop:gone              the shop wants nothing of it kept                        a person

A line that is raised again for the same reason stays as it is; a dismissed one is not opened again by the same words.
Functions of a write job, and of reads. Not here: what is raised when (sync.cloud.channels.taking).
"""

from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

PAGE_MAX = 200


class Raised(Struct, frozen=True, kw_only=True):
    """Something to look at. `items`: names of goods that a SKU is missing for; `body`: where it stands nowhere else."""

    subject: str
    code: str
    detail: str
    items: tuple[str, ...] = ()
    topic: str = ""
    body: bytes = b""


class ExceptionView(Struct, frozen=True):
    """A line of the list."""

    channel: str
    subject: str
    code: str
    detail: str
    items: tuple[str, ...]
    topic: str
    raised_at: datetime
    state: str
    reason: str


_items = msgspec.json.Decoder(tuple[str, ...]).decode


def raise_one(tx: Connection, channel: str, raised: Raised, *, now_ms: int) -> None:
    """Put a line on the list; what stands there already in these words stays as it is."""
    tx.execute(
        """
        INSERT INTO channel_exception (channel, subject, code, detail, items, topic, body, raised_ms, state, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', '')
        ON CONFLICT (channel, subject) DO UPDATE SET
          code = excluded.code, detail = excluded.detail, items = excluded.items, topic = excluded.topic,
          body = excluded.body, raised_ms = excluded.raised_ms, state = 'open', reason = ''
        WHERE channel_exception.state = 'solved' OR channel_exception.code <> excluded.code
          OR channel_exception.detail <> excluded.detail
        """,
        (
            channel,
            raised.subject,
            raised.code,
            raised.detail[:500],
            msgspec.json.encode(raised.items),
            raised.topic,
            raised.body,
            now_ms,
        ),
    )


def solve(tx: Connection, channel: str, subject: str, *, reason: str = "") -> None:
    """Close a line that solved itself."""
    tx.execute(
        """
        UPDATE channel_exception SET state = 'solved', reason = ?, body = ?
        WHERE channel = ? AND subject = ? AND state = 'open'
        """,
        (reason, b"", channel, subject),
    )


def dismiss(tx: Connection, channel: str, subject: str, *, reason: str) -> bool:
    """Close a line because a person says so; whether there was an open one."""
    row = tx.execute(
        """
        UPDATE channel_exception SET state = 'dismissed', reason = ?, body = ?
        WHERE channel = ? AND subject = ? AND state = 'open' RETURNING subject
        """,
        (reason, b"", channel, subject),
    ).fetchone()
    return row is not None


def waiting_for(read: Connection, channel: str, item: str, *, after: str, limit: int) -> list[str]:
    """Return the subjects behind one that wait for a SKU of this item."""
    rows = read.execute(
        """
        SELECT subject, items FROM channel_exception
        WHERE channel = ? AND state = 'open' AND subject > ? ORDER BY subject
        """,
        (channel, after),
    ).fetchall()
    return [subject for subject, items in rows if item in _items(items)][:limit]


def kept_delivery(read: Connection, channel: str, subject: str) -> tuple[str, bytes] | None:
    """Return topic and body of a delivery that could not be read."""
    row = read.execute(
        "SELECT topic, body FROM channel_exception WHERE channel = ? AND subject = ? AND state = 'open'",
        (channel, subject),
    ).fetchone()
    return (row[0], row[1]) if row else None


def open_count(read: Connection, channel: str) -> int:
    """Return how many lines are open."""
    row = read.execute(
        "SELECT count(*) FROM channel_exception WHERE channel = ? AND state = 'open'", (channel,)
    ).fetchone()
    count: int = row[0]
    return count


def list_exceptions(read: Connection, *, channel: str, state: str, after: str, limit: int) -> list[ExceptionView]:
    """Return lines of a channel in a state, behind a subject."""
    rows = read.execute(
        """
        SELECT subject, code, detail, items, topic, raised_ms, state, reason FROM channel_exception
        WHERE channel = ? AND state = ? AND subject > ? ORDER BY subject LIMIT ?
        """,
        (channel, state, after, limit),
    ).fetchall()
    return [
        ExceptionView(channel, row[0], row[1], row[2], _items(row[3]), row[4], moment(row[5]), row[6], row[7])
        for row in rows
    ]


def moment(at_ms: int) -> datetime:
    """Return a stored time."""
    return msgspec.convert(at_ms / 1000, datetime, strict=False)
