"""Members' points by store, summed over facts that count, and told to the other stores of a region. Functions of a write job.

A fact is read by the fixed name `points` whatever its kind (sync.effects); a duplicate adds nothing. Not here: the ledger
itself, which is the facts.
"""

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import msgspec

from sync.batch import Batch, Row
from sync.cloud.arrivals.rows import key_of
from sync.cloud.loyalty.nearness import is_near
from sync.cloud.scopes.scope_definitions import member_scope
from sync.cloud.scopes.scopes import Numbers, Served, Written, served, write_rows
from sync.effects import sum_points
from sync.model import Replica
from sync.retail.people.member_points import MEMBER_POINTS, MemberPointsRow

POINTS = MEMBER_POINTS.stream
FILL_MAX = 1000  # rows that are held in memory while a new scope is filled


def add_points(tx: Connection, store: str, bodies: Iterable[bytes]) -> None:
    """Add the effects of a store's facts that count from now on."""
    tx.executemany(
        """
        INSERT INTO member_points (store, member_id, points) VALUES (?, ?, ?)
        ON CONFLICT (store, member_id) DO UPDATE SET points = points + excluded.points
        """,
        [(store, member, points) for member, points in sum_points(bodies).items()],
    )


def region_of(read: Connection, own: Replica, store: str) -> list[str]:
    """Return the stores that share their members with a store, it among them, and the cloud: channels earn there."""
    scopes = [member_scope(each.definition).stores for each in served(read, POINTS)]
    return sorted({store, own.store}.union(*(stores for stores in scopes if store in stores)))


def share_points(tx: Connection, own: Replica, batch: Batch, rows: Sequence[Row]) -> bool:
    """Tell the region what the members of a store's batch have there now; say whether anybody is told."""
    store, members = batch.rep.rpartition(":")[0], sum_points(body for _, body in rows)
    scopes = [each for each in served(tx, POINTS) if store in member_scope(each.definition).stores] if members else []
    if not scopes:
        return False
    found = tx.execute(
        """
        SELECT store, member_id, points FROM member_points
        WHERE store = ? AND member_id IN (SELECT value FROM json_each(?)) ORDER BY member_id
        """,
        (store, json.dumps(list(members))),
    ).fetchall()
    numbers = Numbers(tx, own, POINTS)
    for scope in scopes:
        write_rows(tx, numbers, scope.id, [_written(numbers, *row) for row in found])
    numbers.close()
    return True


def tell_own_points(tx: Connection, own: Replica, members: Iterable[str]) -> None:
    """Tell the regions in which these members are known what they have at the cloud now."""
    numbers = Numbers(tx, own, POINTS)
    for member in sorted(set(members)):
        row = tx.execute(
            "SELECT store, member_id, points FROM member_points WHERE store = ? AND member_id = ?", (own.store, member)
        ).fetchone()
        for scope in served(tx, POINTS):
            if row and is_near(tx, [member], member_scope(scope.definition).stores):
                write_rows(tx, numbers, scope.id, [_written(numbers, *row)])
    numbers.close()


def fill_points(tx: Connection, own: Replica, scope: Served) -> None:
    """Put into a new scope what all members have at its stores, and at the cloud those who are known there."""
    numbers, after = Numbers(tx, own, POINTS), ("", "")
    region = member_scope(scope.definition).stores
    stores = json.dumps([*region, own.store])
    while True:
        found = tx.execute(
            """
            SELECT store, member_id, points FROM member_points
            WHERE store IN (SELECT value FROM json_each(?)) AND (store, member_id) > (?, ?) ORDER BY store, member_id LIMIT ?
            """,
            (stores, *after, FILL_MAX),
        ).fetchall()
        told = [row for row in found if row[0] != own.store or is_near(tx, [row[1]], region)]
        write_rows(tx, numbers, scope.id, [_written(numbers, *row) for row in told])
        if len(found) < FILL_MAX:
            break
        after = found[-1][:2]
    numbers.close()


def _written(numbers: Numbers, store: str, member_id: str, points: int) -> Written:
    row = MemberPointsRow(member_id=member_id, store=store, n=numbers.seq + 1, points=points)
    body = msgspec.json.encode(row)
    seq = numbers.next(body)
    return Written(MEMBER_POINTS.name, key_of(member_id, store), seq, numbers.digest, "put", body)
