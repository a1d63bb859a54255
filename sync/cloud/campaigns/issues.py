"""Coupons for a segment: one serial of a batch for each person, granted to the hub of the home store. Functions of a write job.

    no            to whoever has one of this issue already, by any id of theirs, or has said no to marketing
    budget        ends it: what all serials that were given may take off comes to no more
    cut short     it goes on behind the person it had come to; serials are numbers of the batch, each given once

A person without a home store, or whose store's hub was never heard, has a serial that any store asks the cloud for. Not here:
when a part is due (sync.cloud.campaigns.work).
"""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sync.cloud.loyalty.coupon_gifts import grant_serial, is_held
from sync.cloud.loyalty.coupons import batch_of, coupon_of
from sync.cloud.persons.coupons import note_coupon
from sync.cloud.persons.people import members_of, words_of
from sync.cloud.persons.purchases import home_store
from sync.cloud.persons.registers import shown_of
from sync.cloud.rights.rights import living_of
from sync.cloud.segments.segments import kept_of, persons_in
from sync.errors import RuleError
from sync.model import Replica
from sync.retail.people.coupon_rows import WHOLE_BATCH, CouponBatchRow
from sync.retail.selling.sales import AMOUNT_MAX, Id

PART = 100  # persons of one write job: each is a grant that a store is told of

State = Literal["running", "done", "budget", "batch_empty"]


class Issue(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who gets a serial of what; `budget_minor`: in the coupon's currency, what all of them may take off."""

    issue_id: Id
    segment: Id
    batch_id: Id
    budget_minor: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)] | None = None


class IssueView(Struct, frozen=True):
    """How far an issue has come. `refused`: have said no, or are not known any more."""

    issue: Issue
    state: State
    given: int
    refused: int


_issue = msgspec.json.Decoder(Issue).decode


def begin_issue(tx: Connection, wanted: Issue, *, now_ms: int) -> bool:
    """Declare an issue, once; return whether it is new. RuleError (segment, coupon_batch, coupon_granted, other_content)."""
    before = issue_of(tx, wanted.issue_id)
    if before is not None:
        if before.issue != wanted:
            raise RuleError("other_content", "/issue_id", f"issue {wanted.issue_id} is known with other content")
        return False
    if kept_of(tx, wanted.segment) is None:
        raise RuleError("segment", "/segment", f"no segment {wanted.segment!r}")
    batch = batch_of(tx, wanted.batch_id)
    if batch is None or batch.gone or coupon_of(tx, batch.coupon_id) is None:
        raise RuleError("coupon_batch", "/batch_id", f"no batch {wanted.batch_id!r}")
    if batch.instant or is_held(tx, batch.batch_id, WHOLE_BATCH):
        raise RuleError("coupon_granted", "/batch_id", f"{batch.batch_id} is given out in shops; make a batch for this")
    tx.execute(
        """
        INSERT INTO segment_issue (issue_id, body, state, after_person, given, refused, made_ms)
        VALUES (?, ?, 'running', '', 0, 0, ?)
        """,
        (wanted.issue_id, msgspec.json.encode(wanted), now_ms),
    )
    return True


def running_issues(read: Connection) -> list[str]:
    """Return the issues that are not at their end, oldest first."""
    rows = read.execute("SELECT issue_id FROM segment_issue WHERE state = 'running' ORDER BY made_ms, issue_id")
    return [issue_id for (issue_id,) in rows]


def issue_part(tx: Connection, own: Replica, issue_id: str, *, now_ms: int) -> State:
    """Give serials to the next PART persons; return how the issue stands."""
    row = tx.execute("SELECT body, after_person FROM segment_issue WHERE issue_id = ?", (issue_id,)).fetchone()
    wanted, persons = _issue(row[0]), persons_in(tx, _issue(row[0]).segment, after=row[1], limit=PART)
    batch = batch_of(tx, wanted.batch_id)
    state: State = "running" if len(persons) == PART else "done"
    given = refused = 0
    for person, _ in persons:
        ids = members_of(tx, person)
        if _has_one(tx, issue_id, ids):
            continue
        if shown_of(tx, ids) is None or words_of(tx, ids)["marketing"] == "out":
            refused += 1
            continue
        ended = _give(tx, own, wanted, batch, person, ids, now_ms=now_ms)
        if ended is not None:
            state = ended
            break
        given += 1
    tx.execute(
        """
        UPDATE segment_issue SET state = ?, after_person = ?, given = given + ?, refused = refused + ? WHERE issue_id = ?
        """,
        (state, persons[-1][0] if persons else row[1], given, refused, issue_id),
    )
    return state


def issue_of(read: Connection, issue_id: str) -> IssueView | None:
    """Return how an issue stands."""
    row = read.execute(
        "SELECT body, state, given, refused FROM segment_issue WHERE issue_id = ?", (issue_id,)
    ).fetchone()
    return IssueView(_issue(row[0]), *row[1:]) if row else None


def serial_for(read: Connection, issue_id: str, ids: Sequence[str]) -> str:
    """Return the serial that a person got of an issue, empty for none."""
    for each in ids:
        row = read.execute(
            "SELECT serial FROM segment_coupon WHERE issue_id = ? AND person_id = ?", (issue_id, each)
        ).fetchone()
        if row is not None:
            return str(row[0])
    return ""


def _has_one(read: Connection, issue_id: str, ids: Sequence[str]) -> bool:
    return serial_for(read, issue_id, ids) != ""


def _give(  # noqa: PLR0917 - which serial, to whom
    tx: Connection,
    own: Replica,
    wanted: Issue,
    batch: CouponBatchRow | None,
    person: str,
    ids: Sequence[str],
    *,
    now_ms: int,
) -> State | None:
    """Give a person the next serial; return why not, where there is none."""
    coupon = coupon_of(tx, batch.coupon_id) if batch else None
    if batch is None or coupon is None or batch.gone or coupon.gone:
        return "batch_empty"
    count = tx.execute("SELECT COUNT(*) FROM segment_coupon WHERE issue_id = ?", (wanted.issue_id,)).fetchone()[0]
    if wanted.budget_minor is not None and (count + 1) * coupon.amount_max * coupon.uses > wanted.budget_minor:
        return "budget"
    number = _next_free(tx, batch)
    if number is None:
        return "batch_empty"
    serial, store = batch.serial(number), home_store(tx, ids)
    taker = next(iter(living_of(tx, store)), None) if store else None
    tx.execute(
        """
        INSERT INTO segment_coupon (batch_id, number, issue_id, person_id, serial, store) VALUES (?, ?, ?, ?, ?, ?)
        """,
        (batch.batch_id, number, wanted.issue_id, person, serial, store if taker else ""),
    )
    note_coupon(tx, serial, person, wanted.issue_id, now_ms)
    if taker is not None:
        grant_serial(tx, own, batch, serial, taker)
    return None


def _next_free(read: Connection, batch: CouponBatchRow) -> int | None:
    """Return the next number of a batch that nobody has, None behind its last."""
    last = read.execute(
        "SELECT COALESCE(MAX(number), ?) FROM segment_coupon WHERE batch_id = ?", (batch.first - 1, batch.batch_id)
    ).fetchone()[0]
    numbers = range(int(last) + 1, batch.first + batch.count)
    return next((each for each in numbers if not _is_out(read, batch, each)), None)


def _is_out(read: Connection, batch: CouponBatchRow, number: int) -> bool:
    serial = batch.serial(number)
    is_redeemed = read.execute("SELECT 1 FROM redeemed WHERE serial = ?", (serial,)).fetchone()
    return is_redeemed is not None or is_held(read, batch.batch_id, serial)
