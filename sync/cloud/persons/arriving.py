"""Rows of stores that say something of people, looked at behind their arrival: members, facts, sales, returns, points.

A request that must know the newest word (a message that is about to be sent) looks first, in its own transaction. Functions of a
write job. Not here: what the rows mean (its neighbours).
"""

from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.looked import NewRow, new_rows
from sync.cloud.persons.coupons import note_coupon
from sync.cloud.persons.people import take_fact
from sync.cloud.persons.purchases import take_return, take_sale
from sync.cloud.persons.registers import refresh_member
from sync.cloud.rights.rights import store_of
from sync.effects import sum_points
from sync.json_errors import NOT_JSON
from sync.model import Replica, Stream
from sync.retail.people.coupon_rows import CouponIssueFact
from sync.retail.people.identities import IDENTITY
from sync.retail.people.members import MEMBER
from sync.retail.people.points import POINTS

LOOKER = "persons"
LOOKED_MAX = 500  # rows of each stream in one job
PEOPLE = IDENTITY.stream


class _Key(Struct):
    key: str


class _At(Struct):
    committed_at: datetime | None = None
    at: datetime | None = None


_issue = msgspec.json.Decoder(CouponIssueFact).decode
_key = msgspec.json.Decoder(_Key).decode
_at = msgspec.json.Decoder(_At).decode


def look_at_people(tx: Connection, own: Replica, *, now_ms: int) -> bool:
    """Look at what has arrived since the last time, LOOKED_MAX of each stream; say whether there is more.

    What somebody said of themselves comes first: where there is more, no consent is taken for the newest.
    """
    people = new_rows(tx, own, PEOPLE, "fact", looker=LOOKER, rows_max=LOOKED_MAX)
    for row in people:
        take_fact(tx, store_of(row.rep), row.body)
    members = new_rows(tx, own, MEMBER.stream, "tally", looker=LOOKER, rows_max=LOOKED_MAX)
    for member_id in sorted({key for row in members if (key := _read_key(row.body))}):
        refresh_member(tx, member_id)
    issues = new_rows(tx, own, Stream.COUPON_ISSUES, "fact", looker=LOOKER, rows_max=LOOKED_MAX)
    for row in issues:
        _take_issue(tx, row)
    has_more = [len(rows) == LOOKED_MAX for rows in (people, members, issues)]
    for stream in (Stream.SALES, Stream.RETURNS, POINTS.stream):
        rows = new_rows(tx, own, stream, "fact", looker=LOOKER, rows_max=LOOKED_MAX)
        for row in rows:
            _take(tx, stream, row, now_ms)
        has_more.append(len(rows) == LOOKED_MAX)
    return any(has_more)


def _take(tx: Connection, stream: str, row: NewRow, now_ms: int) -> None:
    store = store_of(row.rep)
    if stream == Stream.SALES:
        take_sale(tx, store, row.body, received_ms=now_ms)
    elif stream == Stream.RETURNS:
        take_return(tx, row.body)
    moved = sum_points([row.body])
    if moved and not _is_duplicate(tx, stream, row.n):
        at = _read_at(row.body)
        at_ms = int(at.timestamp() * 1000) if at else now_ms
        tx.executemany(
            """
            INSERT INTO person_points (stream, n, member_id, store, points, at_ms) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """,
            [(stream, row.n, member_id, store, points, at_ms) for member_id, points in moved.items()],
        )


def _take_issue(tx: Connection, row: NewRow) -> None:
    """Note a serial that a shop has given to a member."""
    try:
        fact = _issue(row.body)
    except NOT_JSON:
        return
    if fact.member_id is not None:
        note_coupon(tx, fact.serial, fact.member_id, store_of(row.rep), int(fact.issued_at.timestamp() * 1000))


def _is_duplicate(read: Connection, stream: str, n: int) -> bool:
    found = "SELECT 1 FROM duplicate WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND n = ?"
    return read.execute(found, (stream, n)).fetchone() is not None


def _read_key(body: bytes) -> str:
    try:
        return _key(body).key
    except NOT_JSON:
        return ""


def _read_at(body: bytes) -> datetime | None:
    try:
        said = _at(body)
    except NOT_JSON:
        return None
    return said.committed_at or said.at
