"""Points that members earn by purchases of channels: entries of the cloud's own in the ledger, told to the members' regions.

A purchase's points are those of what is kept of it. What was written before is never changed: the difference is one more entry,
and so the sum is the same whatever came first. Functions of a write job. Not here: the rule (sync.retail.people.points), the
shops' own sales, returns and burning.
"""

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

import msgspec

from sync.cloud.arrivals.facts import add_facts
from sync.cloud.loyalty.member_points import tell_own_points
from sync.cloud.persons.links import key_of, utc
from sync.cloud.scopes.scopes import Numbers
from sync.model import Feed, Replica
from sync.retail.people.points import POINTS, PointsFact
from sync.retail.selling.sales import PointsEffect


def settle_points(
    tx: Connection, own: Replica, channel: str, purchase_id: str, due: Mapping[str, int], *, now_ms: int
) -> None:
    """Bring what members have earned by a purchase to this, nobody else anything."""
    key = (channel, purchase_id)
    had: dict[str, int] = dict(
        tx.execute(
            "SELECT member_id, points FROM purchase_points WHERE channel = ? AND purchase_id = ?", key
        ).fetchall()
    )
    moved = {member: due.get(member, 0) - had.get(member, 0) for member in sorted({*due, *had})}
    effects = tuple(PointsEffect(member, points) for member, points in moved.items() if points)
    if not effects:
        return
    n = _write(tx, own, effects, why=f"{channel} {purchase_id}", now_ms=now_ms)
    tx.executemany(
        """
        INSERT INTO person_points (stream, n, member_id, store, points, at_ms) VALUES (?, ?, ?, ?, ?, ?)
        """,
        [(POINTS.stream, n, each.member_id, own.store, each.points, now_ms) for each in effects],
    )
    tx.executemany(
        """
        INSERT INTO purchase_points (channel, purchase_id, member_id, points) VALUES (?, ?, ?, ?)
        ON CONFLICT (channel, purchase_id, member_id) DO UPDATE SET points = excluded.points
        """,
        [(*key, each.member_id, due.get(each.member_id, 0)) for each in effects],
    )
    tell_own_points(tx, own, [each.member_id for each in effects])


def _write(tx: Connection, own: Replica, effects: Iterable[PointsEffect], *, why: str, now_ms: int) -> int:
    """Write an entry; return its place in the feed."""
    numbers, points = Numbers(tx, own, POINTS.stream), tuple(effects)
    at = utc(now_ms)
    fact = PointsFact(
        entry_id=key_of(own.rep, POINTS.stream, str(numbers.seq + 1)),
        reason="earn" if sum(each.points for each in points) >= 0 else "return",
        store=own.store,
        rep=own.rep,
        business_date=at.date().isoformat(),
        why=why[:200],
        points=points,
        at=at,
    )
    body = msgspec.json.encode(fact)
    rows = [(numbers.next(body), body)]
    add_facts(tx, rows, store=own.store, replica=own.local_id, stream=POINTS.stream, kind=Feed.LOG, now_ms=now_ms)
    numbers.close()
    return int(tx.execute("SELECT n FROM feed WHERE stream = ?", (POINTS.stream,)).fetchone()[0])
