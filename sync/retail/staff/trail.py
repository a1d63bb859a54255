"""The audit trail: who did what to what, when, and the reason that was given. Append-only facts of a stream of their own.

    actor     `cashier:c7`, `till:t1` where nobody is signed in, `machine` for a command on the hub itself
    action    a word such as `drawer_opened`, `approved`, `cashier_changed`
    subject   what it was done to, by its id; never a name

Customers never stand here: what looks like a telephone number, a card or an e-mail address in a reason is masked before it is
written. Not here: what is worth a line (whoever does it says so), reading (hub.store.staff.audit_trail). Source: the design,
3.1, 3.2.
"""

import re
from datetime import datetime
from hashlib import blake2b

import msgspec
from msgspec import Struct

from sync.kinds import Column, Entity, Keep, Kind, Priority, Shape

TEXT_MAX = 200
MASK = "[…]"
_PERSONAL = re.compile(  # seven digits are the shortest number that reaches somebody; a receipt's `…R5-000012` is none
    r"\S*@\S*|[0-9０-９]{7,}|(?<![A-Za-z])\+?[0-9０-９](?:[\s().-]?[0-9０-９]){6,}"
)


class TrailEntry(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A line. `entry_id` is the hash of the rest: a line that is written again by another life is the same line."""

    v: int = 1
    entry_id: str
    actor: str
    action: str
    subject: str = ""
    reason: str = ""
    at: datetime


def trail_entry(*, actor: str, action: str, subject: str, reason: str, at: datetime) -> TrailEntry:
    """Return a line, its reason masked and cut to TEXT_MAX."""
    said = masked(reason)[:TEXT_MAX]
    content = msgspec.json.encode([actor, action, subject, said, at])
    entry_id = blake2b(content, digest_size=12).hexdigest()
    return TrailEntry(entry_id=entry_id, actor=actor, action=action, subject=subject, reason=said, at=at)


def masked(text: str) -> str:
    """Return a text without what may be a customer's: runs of seven digits or more, words with @."""
    return _PERSONAL.sub(MASK, text)


TRAIL = Entity(
    name="trail_entry",
    stream="trail",
    kind=Kind.FACT,
    table="trail",
    row=TrailEntry,
    doc="Who did what to what, and the reason that was given. No customer stands in it.",
    key=(Column("entry_id", path="entry_id"),),
    columns=(
        Column("actor", path="actor", is_indexed=True),
        Column("action", path="action"),
        Column("subject", path="subject", is_indexed=True),
        Column("at_ms", "INTEGER", path="at", shape=Shape.UTC_MS, is_indexed=True),
    ),
    dated="at",
    keep=Keep(days=400),  # as long as the sales it speaks of; the cloud keeps all
    priority=Priority.NORMAL,
    with_id=True,
)
