"""What head office writes of people by hand: words of consent, links, links taken back, cases that are decided.

Each write has an id; the same again is the same, with other content a RuleError. Functions of a write job. Not here: who is
joined by itself (sync.cloud.persons.joining), HTTP (sync.cloud.web.people_routes).
"""

from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Literal

import msgspec

from sync.cloud.persons.people import person_ids, person_of, seen_opt_outs
from sync.cloud.persons.writing import said_before, write_people
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.people.consents import CONSENT, Choice, ConsentFact, Purpose
from sync.retail.people.people import LINK, UNDO, LinkFact, UndoFact


def say(  # noqa: PLR0917 - whose word, about what
    tx: Connection,
    own: Replica,
    member_id: str,
    consent_id: str,
    purpose: Purpose,
    choice: Choice,
    *,
    how: str,
    now_ms: int,
) -> bool:
    """Write a word down under its id; RuleError (other_content) where the id says something else already."""
    before = said_before(tx, CONSENT, consent_id)
    seen = seen_opt_outs(tx, person_ids(tx, member_id), purpose) if choice == "in" else ()
    fact = ConsentFact(
        consent_id=consent_id, member_id=member_id, purpose=purpose, choice=choice, how=how, seen=seen, at=utc(now_ms)
    )
    if before is not None:
        return _check_same(before, fact, ("member_id", "purpose", "choice", "how"))
    return write_people(tx, own, CONSENT, fact, of=(member_id, ""), now_ms=now_ms)


def join(  # noqa: PLR0917 - two members, by which request, why
    tx: Connection, own: Replica, member_id: str, other: str, link_id: str, evidence: str, *, now_ms: int
) -> bool:
    """Join two members; return whether that was news. RuleError (member_itself, other_content)."""
    if member_id == other:
        raise RuleError("member_itself", "/other", f"{member_id} is one person already")
    fact = LinkFact(link_id=link_id, a=member_id, b=other, evidence=evidence, at=utc(now_ms))
    before = said_before(tx, LINK, link_id)
    if before is not None:
        return _check_same(before, fact, ("a", "b"))
    _close(tx, member_id, other, "joined", now_ms)
    return write_people(tx, own, LINK, fact, of=(member_id, other), now_ms=now_ms)


def unjoin(  # noqa: PLR0917 - which link, by which request, why
    tx: Connection, own: Replica, ends: tuple[str, str], link_id: str, undo_id: str, reason: str, *, now_ms: int
) -> bool:
    """Take a link back, for good: the two are not joined again by themselves. RuleError (other_content)."""
    fact = UndoFact(undo_id=undo_id, what="link", undone=link_id, reason=reason, at=utc(now_ms))
    before = said_before(tx, UNDO, undo_id)
    if before is not None:
        return _check_same(before, fact, ("what", "undone"))
    _close(tx, *ends, "apart", now_ms)
    return write_people(tx, own, UNDO, fact, of=ends, now_ms=now_ms)


def decide(
    tx: Connection, own: Replica, member_id: str, other: str, *, are_one: bool, now_ms: int
) -> Literal["joined", "apart"] | None:
    """Close a case; None where there is none. What was decided stays: the same again is the same."""
    row = tx.execute("SELECT state FROM join_case WHERE member_id = ? AND other = ?", (member_id, other)).fetchone()
    if row is None:
        return None
    wanted: Literal["joined", "apart"] = "joined" if are_one else "apart"
    if row[0] not in ("open", wanted):
        raise RuleError("join_decided", "/decision", f"it was decided before: {row[0]}; join or unjoin the members")
    if row[0] == "open" and are_one:
        join(tx, own, member_id, other, key_of(member_id, "case", other), "by hand", now_ms=now_ms)
    _close(tx, member_id, other, wanted, now_ms)
    return wanted


def open_cases(read: Connection, *, limit: int) -> list[tuple[str, str, str, int]]:
    """Return (member, other, why, since when) of cases that wait, oldest first; who is one person by now waits for nobody."""
    rows = read.execute(
        """
        SELECT member_id, other, why, opened_ms FROM join_case WHERE state = 'open'
        ORDER BY opened_ms, member_id, other LIMIT ?
        """,
        (limit,),
    ).fetchall()
    return [row for row in rows if person_of(read, row[0]) != person_of(read, row[1])]


def is_settled(read: Connection, member_id: str, other: str) -> bool:
    """Whether somebody has said of these two persons what they are."""
    mine, theirs = person_ids(read, member_id), person_ids(read, other)
    return any(
        read.execute("SELECT 1 FROM join_case WHERE member_id = ? AND other = ? AND state <> 'open'", pair).fetchone()
        for a in mine
        for b in theirs
        for pair in ((a, b), (b, a))
    )


def _close(tx: Connection, member_id: str, other: str, state: str, now_ms: int) -> None:
    tx.execute(
        """
        INSERT INTO join_case (member_id, other, why, state, opened_ms, closed_ms) VALUES (?, ?, 'by hand', ?, ?, ?)
        ON CONFLICT (member_id, other) DO UPDATE SET state = excluded.state, closed_ms = excluded.closed_ms
        """,
        (member_id, other, state, now_ms, now_ms),
    )


def _check_same(before: bytes, fact: ConsentFact | LinkFact | UndoFact, names: tuple[str, ...]) -> Literal[False]:
    said = msgspec.json.decode(before, type=type(fact))
    if any(getattr(said, name) != getattr(fact, name) for name in names):
        raise RuleError("other_content", "", "that id was used for something else")
    return False


def key_of(*parts: str) -> str:
    """Return a fact's key, made of what it is of."""
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def utc(now_ms: int) -> datetime:
    """Return a moment of the cloud's clock."""
    return datetime.fromtimestamp(now_ms / 1000, UTC)
