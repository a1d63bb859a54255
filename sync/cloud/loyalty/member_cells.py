"""Cells of members' registers that the cloud writes, with its own stamps, and which regions get them.

They go to the shops of the regions in which the member is known: a shop has written of it, or head office enrolled it near one.
Functions of a write job. Not here: what is written (sync.cloud.loyalty.member_tier, sync.cloud.persons.joining). Source: the
design, 3.3 (Member).
"""

from collections.abc import Collection, Mapping
from sqlite3 import Connection
from typing import Any

import msgspec

from sync.cloud.arrivals.clock import next_stamp
from sync.cloud.arrivals.rows import key_of
from sync.cloud.arrivals.tallies import merge_tallies
from sync.cloud.loyalty.nearness import is_near
from sync.cloud.persons.registers import refresh_member
from sync.cloud.scopes.scope_definitions import member_scope
from sync.cloud.scopes.scopes import Numbers, Written, put_body, served, write_rows
from sync.merge import Cell
from sync.model import Replica
from sync.retail.people.members import MEMBER, MemberRow

_row = msgspec.json.Decoder(MemberRow)


def write_cells(tx: Connection, own: Replica, member_id: str, values: Mapping[str, Any], *, now_ms: int) -> None:
    """Write cells of a member and tell its regions; raise RuleError (clock_range) while our clock was never set. Any: JSON."""
    before = tx.execute(
        """
        SELECT tally.seq, tally.body FROM tally JOIN feed ON feed.id = tally.stream
        WHERE feed.stream = ? AND tally.key = ? AND tally.replica = ?
        """,
        (MEMBER.stream, member_id, own.local_id),
    ).fetchone()
    cells = _row.decode(before[1]).cells if before else {}
    stamp = next_stamp(tx, own, now_ms=now_ms)
    said = cells | {name: Cell(value, stamp) for name, value in values.items()}
    body = msgspec.json.encode(MemberRow(key=member_id, cells=said))
    seq = before[0] + 1 if before else 1
    merge_tallies(tx, [(seq, body)], store=own.store, replica=own.local_id, stream=MEMBER.stream, now_ms=now_ms)
    refresh_member(tx, member_id)
    _tell(tx, own, member_id, body)


def own_rows(tx: Connection, own: Replica, stores: Collection[str]) -> list[bytes]:
    """Return the cloud's own rows of members that these stores are told of."""
    rows = tx.execute(
        """
        SELECT tally.key, tally.body FROM tally JOIN feed ON feed.id = tally.stream
        JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ? AND replica.store = ? ORDER BY tally.n
        """,
        (MEMBER.stream, own.store),
    ).fetchall()
    return [body for key, body in rows if is_near(tx, [key], stores)]


def _tell(tx: Connection, own: Replica, member_id: str, body: bytes) -> None:
    carried = put_body(body, by=own.rep)
    numbers = Numbers(tx, own, MEMBER.stream)
    for scope in served(tx, MEMBER.stream):
        if is_near(tx, [member_id], member_scope(scope.definition).stores):
            key, seq = key_of(member_id, own.rep), numbers.next(carried)
            write_rows(tx, numbers, scope.id, [Written(MEMBER.name, key, seq, numbers.digest, "put", carried)])
    numbers.close()
