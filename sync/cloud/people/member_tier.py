"""The tier of a member, which head office gives: a cell of the cloud's own row of the register, with the cloud's stamp.

It goes to the shops of the regions in which the member is known. Functions of a write job. Source: the design, 3.3 (Member).
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection

import msgspec

from sync.cloud.arrivals.clock import next_stamp, standing_register
from sync.cloud.arrivals.rows import key_of
from sync.cloud.arrivals.tallies import merge_tallies
from sync.cloud.scopes.scope_definitions import member_scope
from sync.cloud.scopes.scopes import Numbers, Written, put_body, served, write_rows
from sync.merge import Cell
from sync.model import Replica
from sync.retail.people.members import MEMBER, TIER, MemberRow

_row = msgspec.json.Decoder(MemberRow)


def set_tier(tx: Connection, own: Replica, member_id: str, tier: str, *, now_ms: int) -> bool | None:
    """Give a member a tier; return whether that was news, None for a member that nobody has enrolled or that was erased.

    Raise RuleError (clock_range) while the cloud's clock was never set.
    """
    stands = standing_register(tx, MEMBER.name, member_id)
    if not stands.cells or stands.is_erased:
        return None
    if TIER in stands.cells and stands.cells[TIER].value == tier:
        return False
    before = tx.execute(
        """
        SELECT tally.seq, tally.body FROM tally JOIN feed ON feed.id = tally.stream
        WHERE feed.stream = ? AND tally.key = ? AND tally.replica = ?
        """,
        (MEMBER.stream, member_id, own.local_id),
    ).fetchone()
    cells = _row.decode(before[1]).cells if before else {}
    cell = Cell(tier, next_stamp(tx, own, now_ms=now_ms))
    body = msgspec.json.encode(MemberRow(key=member_id, cells=cells | {TIER: cell}))
    seq = before[0] + 1 if before else 1
    merge_tallies(tx, [(seq, body)], store=own.store, replica=own.local_id, stream=MEMBER.stream, now_ms=now_ms)
    _tell(tx, own, member_id, body, _stores_of(tx, member_id))
    return True


def _stores_of(tx: Connection, member_id: str) -> set[str]:
    rows = tx.execute(
        """
        SELECT DISTINCT replica.store FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ? AND tally.key = ?
        """,
        (MEMBER.stream, member_id),
    )
    return {store for (store,) in rows}


def _tell(tx: Connection, own: Replica, member_id: str, body: bytes, stores: Iterable[str]) -> None:
    known, carried = set(stores), put_body(body, by=own.rep)
    numbers = Numbers(tx, own, MEMBER.stream)
    for scope in served(tx, MEMBER.stream):
        if known & set(member_scope(scope.definition).stores):
            key, seq = key_of(member_id, own.rep), numbers.next(carried)
            write_rows(tx, numbers, scope.id, [Written(MEMBER.name, key, seq, numbers.digest, "put", carried)])
    numbers.close()


def own_rows(tx: Connection, own: Replica, stores: Iterable[str]) -> list[bytes]:
    """Return the cloud's own rows of members that these stores know."""
    rows = tx.execute(
        """
        SELECT tally.body FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ?1 AND replica.store = ?2 AND EXISTS (
          SELECT 1 FROM tally AS theirs JOIN replica AS writer ON writer.id = theirs.replica
          WHERE theirs.stream = tally.stream AND theirs.key = tally.key
            AND writer.store IN (SELECT value FROM json_each(?3)))
        ORDER BY tally.n
        """,
        (MEMBER.stream, own.store, json.dumps(sorted(stores))),
    ).fetchall()
    return [body for (body,) in rows]
