"""Rows of stores that say something of people, looked at behind their arrival: members, facts, sales, returns, points.

A request that must know the newest word (a message that is about to be sent) looks first, in its own transaction. Functions of a
write job. Not here: what the rows mean (its neighbours).
"""

from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.looked import NewRow, new_rows
from sync.cloud.arrivals.rows import has_nul
from sync.cloud.persons.coupons import note_coupon
from sync.cloud.persons.people import take_fact
from sync.cloud.persons.purchases import STORE, backs_of, enter_all, enter_backs, purchase_of
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
    for row in _readable(people):
        take_fact(tx, store_of(row.rep), row.body)
    members = new_rows(tx, own, MEMBER.stream, "tally", looker=LOOKER, rows_max=LOOKED_MAX)
    for member_id in sorted({key for row in members if (key := _read_key(row.body))}):
        refresh_member(tx, member_id)
    issues = new_rows(tx, own, Stream.COUPON_ISSUES, "fact", looker=LOOKER, rows_max=LOOKED_MAX)
    for row in _readable(issues):
        _take_issue(tx, row)
    has_more = [len(rows) == LOOKED_MAX for rows in (people, members, issues)]
    for stream in (Stream.SALES, Stream.RETURNS, POINTS.stream):
        rows = new_rows(tx, own, stream, "fact", looker=LOOKER, rows_max=LOOKED_MAX)
        _take(tx, stream, _readable(rows), now_ms)
        has_more.append(len(rows) == LOOKED_MAX)
    return any(has_more)


def _readable(rows: Sequence[NewRow]) -> list[NewRow]:
    """Leave out those that no database takes: they are named unread."""
    return [row for row in rows if not has_nul(row.body)]


def _take(tx: Connection, stream: str, rows: Sequence[NewRow], now_ms: int) -> None:
    if stream == Stream.SALES:
        sales = (purchase_of(store_of(row.rep), row.body, received_ms=now_ms) for row in rows)
        enter_all(tx, STORE, [each for each in sales if each is not None])
    elif stream == Stream.RETURNS:
        enter_backs(tx, STORE, [back for row in rows for back in backs_of(row.body)])
    moved = [(row, points) for row in rows if (points := sum_points([row.body]))]
    if not moved:
        return
    late = _duplicates(tx, stream, moved[0][0].n, moved[-1][0].n)
    tx.executemany(
        """
        INSERT INTO person_points (stream, n, member_id, store, points, at_ms) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        [
            (stream, row.n, member_id, store_of(row.rep), points, _at_ms(row.body, now_ms))
            for row, of_members in moved
            if row.n not in late
            for member_id, points in of_members.items()
        ],
    )


def _take_issue(tx: Connection, row: NewRow) -> None:
    """Note a serial that a shop has given to a member."""
    try:
        fact = _issue(row.body)
    except NOT_JSON:
        return
    if fact.member_id is not None:
        note_coupon(tx, fact.serial, fact.member_id, store_of(row.rep), int(fact.issued_at.timestamp() * 1000))


def _duplicates(read: Connection, stream: str, first: int, last: int) -> set[int]:
    """Return which of these places in the feed have a fact whose key was known."""
    rows = read.execute(
        "SELECT n FROM duplicate WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND n BETWEEN ? AND ?",
        (stream, first, last),
    )
    return {n for (n,) in rows}


def _read_key(body: bytes) -> str:
    try:
        return _key(body).key
    except NOT_JSON:
        return ""


def _at_ms(body: bytes, otherwise_ms: int) -> int:
    try:
        said = _at(body)
    except NOT_JSON:
        return otherwise_ms
    at = said.committed_at or said.at
    return int(at.timestamp() * 1000) if at else otherwise_ms
