"""Points set aside at the cloud for sales that are being made, and answers to the shops' questions. In the order of the feed.

    a question      -> what the region's shops know of the person, less what is set aside, covers it: set aside, else not
    points 0        -> given back
    its sale came   -> the ledger has it: set aside no more
    its life ended  -> the same, once it is sealed

Functions of a write job. Not here: the rule (sync.retail.people.point_holds), the ledger's sums
(sync.cloud.loyalty.member_points).
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.arrivals.looked import ROWS_MAX, NewRow, new_rows
from sync.cloud.loyalty.member_points import region_of
from sync.cloud.rights.rights import sealed_of, store_of
from sync.cloud.scopes.scopes import put_row
from sync.json_errors import NOT_JSON
from sync.model import Replica, Stream
from sync.retail.people.point_holds import POINT_ASK, POINT_HOLD, PointAskRow, PointHoldRow, left_to_hold

ENDED_MAX = 200  # holds, the oldest, that are looked at for their sales in one job beside those of whom somebody asks

_ask = msgspec.json.Decoder(PointAskRow).decode


class Answered(Struct, frozen=True):
    """What came of a job: whether there is more, how many answers were written."""

    has_more: bool = False
    written: int = 0


def look_at_points(tx: Connection, own: Replica, *, now_ms: int) -> Answered:
    """Answer the questions that have arrived since the last time, ROWS_MAX at most."""
    rows = new_rows(tx, own, POINT_ASK.stream, "tally")
    if not rows:
        return Answered()
    _end(tx, tx.execute("SELECT rep, sale_id FROM point_hold ORDER BY held_ms LIMIT ?", (ENDED_MAX,)).fetchall())
    written = sum(_answer(tx, own, row, now_ms=now_ms) for row in rows)
    return Answered(len(rows) == ROWS_MAX, written)


def held_of(read: Connection, members: Iterable[str]) -> list[tuple[str, str, int]]:
    """Return (rep, sale, points) of what is set aside of any of these members."""
    return read.execute(
        """
        SELECT rep, sale_id, points FROM point_hold
        WHERE (rep, sale_id) IN (
          SELECT rep, sale_id FROM point_hold_member WHERE member_id IN (SELECT value FROM json_each(?)))
        ORDER BY rep, sale_id
        """,
        (json.dumps(sorted(members)),),
    ).fetchall()


def _answer(tx: Connection, own: Replica, row: NewRow, *, now_ms: int) -> int:
    """Answer a replica's question; return how many rows were written."""
    try:
        asked = _ask(row.body)
    except NOT_JSON:
        return 0
    store = store_of(row.rep)
    if asked.rep != row.rep or asked.store != store or asked.gone or asked.rep in sealed_of(tx, store):
        return 0
    tx.execute("DELETE FROM point_hold WHERE rep = ? AND sale_id = ?", (asked.rep, asked.sale_id))
    _end(tx, [each[:2] for each in held_of(tx, asked.members)])
    held = sum(points for _, _, points in held_of(tx, asked.members))
    left = left_to_hold(_balance(tx, own, store, asked.members), held=held, unheard=asked.unheard)
    has_come = _has_come(tx, asked.sale_id)  # by the store's other hub: burned once, whoever books it
    is_held = asked.points > 0 and (has_come or asked.points <= left)
    if is_held and not has_come:
        _hold(tx, asked, now_ms=now_ms)
    answer = PointHoldRow(
        store=store,
        rep=asked.rep,
        slot=asked.slot,
        n=asked.n,
        sale_id=asked.sale_id,
        is_held=is_held,
        balance=left,
    )
    put_row(tx, own, store, POINT_HOLD, answer)
    return 1


def _hold(tx: Connection, asked: PointAskRow, *, now_ms: int) -> None:
    tx.execute(
        "INSERT INTO point_hold (rep, sale_id, points, held_ms) VALUES (?, ?, ?, ?)",
        (asked.rep, asked.sale_id, asked.points, now_ms),
    )
    tx.executemany(
        "INSERT INTO point_hold_member (member_id, rep, sale_id) VALUES (?, ?, ?)",
        [(member, asked.rep, asked.sale_id) for member in sorted(set(asked.members))],
    )


def _end(tx: Connection, holds: Iterable[tuple[str, str]]) -> None:
    """Forget holds of which the sale has come, or whose replica is sealed."""
    sealed: dict[str, frozenset[str]] = {}
    for rep, sale_id in holds:
        store = store_of(rep)
        if store not in sealed:
            sealed[store] = frozenset(sealed_of(tx, store))
        if rep in sealed[store] or _has_come(tx, sale_id):
            tx.execute("DELETE FROM point_hold WHERE rep = ? AND sale_id = ?", (rep, sale_id))


def _has_come(read: Connection, sale_id: str) -> bool:
    found = "SELECT 1 FROM fact_key WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key = ?"
    return read.execute(found, (Stream.SALES, sale_id)).fetchone() is not None


def _balance(read: Connection, own: Replica, store: str, members: Iterable[str]) -> int:
    """Return what the facts of the store's region come to for these members."""
    row = read.execute(
        """
        SELECT coalesce(sum(points), 0) FROM member_points
        WHERE store IN (SELECT value FROM json_each(?)) AND member_id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(region_of(read, own, store)), json.dumps(sorted(set(members)))),
    ).fetchone()
    return int(row[0])
