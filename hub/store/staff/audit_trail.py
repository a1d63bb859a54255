"""The audit trail at the hub: `note` writes a line in the write job of what it tells of; a manager reads it, newest first.

A line and its deed are durable together or not at all. Nothing changes or removes a line but retention. Not here: what a line
may say (sync.retail.staff.trail).
"""

from datetime import datetime
from sqlite3 import Connection

from msgspec import Struct

from hub.errors import RefusedError
from hub.store.model import utc
from sync.retail.staff.trail import TRAIL, trail_entry
from sync.store.replicas import own_replica
from sync.store.writing import record_fact

MACHINE = "machine"  # who does what is asked on the control socket


class TrailFilter(Struct, frozen=True):
    """Which lines; None is any. Times in milliseconds since 1970: from `since_ms`, before `until_ms`."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


class TrailLine(Struct, frozen=True):
    """A line as a manager reads it; `rep` is the hub that wrote it."""

    actor: str
    action: str
    subject: str
    reason: str
    at: datetime
    rep: str


class TrailPage(Struct, frozen=True):
    """Lines, the newest first; `next` goes into `after`, null on the last page."""

    items: list[TrailLine]
    next: str | None = None


def note(tx: Connection, *, actor: str, action: str, subject: str, reason: str, now_ms: int) -> None:
    """Write down who did what to what, in the job that does it. The very same line in one millisecond is one line."""
    replica = own_replica(tx)
    assert replica is not None, "a hub that runs has an identity"
    entry = trail_entry(actor=actor, action=action, subject=subject, reason=reason, at=utc(now_ms))
    known = tx.execute("SELECT 1 FROM trail WHERE entry_id = ?", (entry.entry_id,)).fetchone()
    if known is None:
        record_fact(tx, replica, TRAIL, entry)


def trail_page(read: Connection, wanted: TrailFilter, *, after: str, limit: int) -> TrailPage:
    """Return lines from behind a cursor; raise RefusedError for a cursor that is none."""
    where, values = _conditions(wanted)
    if after:
        where.append("(trail.at_ms, trail.id) < (?, ?)")
        values += _cursor(after)
    rows = read.execute(
        f"""
        SELECT trail.actor, trail.action, trail.subject, coalesce(trail.body ->> '$.reason', ''), trail.at_ms,
               replica.store || ':' || replica.incarnation, trail.id
        FROM trail JOIN replica ON replica.id = trail.replica
        WHERE {" AND ".join(where)} ORDER BY trail.at_ms DESC, trail.id DESC LIMIT ?
        """,
        (*values, limit + 1),
    ).fetchall()
    items = [
        TrailLine(actor, action, subject, reason, utc(at_ms), rep)
        for actor, action, subject, reason, at_ms, rep, _ in rows[:limit]
    ]
    if len(rows) <= limit:
        return TrailPage(items)
    *_, at_ms, _, local_id = rows[limit - 1]
    return TrailPage(items, f"{at_ms}-{local_id}")


def _conditions(wanted: TrailFilter) -> tuple[list[str], list[str | int]]:
    asked = {
        "trail.actor = ?": wanted.actor,
        "trail.action = ?": wanted.action,
        "trail.subject = ?": wanted.subject,
        "trail.at_ms >= ?": wanted.since_ms,
        "trail.at_ms < ?": wanted.until_ms,
    }
    known = {condition: value for condition, value in asked.items() if value is not None}
    return ["TRUE", *known], list(known.values())


def _cursor(after: str) -> tuple[int, int]:
    at_ms, _, local_id = after.partition("-")
    if not (at_ms.isascii() and at_ms.isdecimal() and local_id.isascii() and local_id.isdecimal() and len(after) < 36):
        raise RefusedError("cursor", f"{after[:40]!r} is no cursor of this list", pointer="/after")
    return int(at_ms), int(local_id)
