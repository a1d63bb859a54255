"""What the cloud keeps: every fact for ever, the last row of each state key; and what it does when a store's hub has kept less.

A hub forgets what the cloud has held for the recovery window. A cloud restored from an older copy than that cannot be told all
it has lost: its cursor jumps to where the hub's rows begin, and the hole stays written down, as the facts are lost. What they did
to stock is told by the hub and kept (sync.cloud.arrivals.openings). Functions of a write job.
"""

from sqlite3 import Connection

from msgspec import Struct

from sync.batch import Boundary
from sync.cloud.arrivals.cursors import cursor_of, move_cursor
from sync.cloud.arrivals.floors import take_told
from sync.cloud.arrivals.lives import Sealed, is_sealed, seal_if_whole
from sync.cloud.scopes.scope_branches import mark_store
from sync.errors import ProtocolError
from sync.model import Replica
from sync.opening import Opening
from sync.store.cursors import check_room
from sync.store.replicas import replica_id
from sync.store.retention import note_hole


class Jumped(Struct, frozen=True):
    """Where a cursor was and where it is, the same where nothing is lost; the life that is whole with it."""

    before: Boundary
    cursor: Boundary
    sealed: Sealed | None = None


def jump_to(  # noqa: PLR0917 - a log and where it goes on
    tx: Connection, own: Replica, rep: str, stream: str, to: Boundary, opening: Opening | None, *, now_ms: int
) -> Jumped:
    """Move the cursor of a log over rows that will never come. It never goes back."""
    replica = replica_id(tx, rep, now_ms=now_ms)
    if is_sealed(tx, replica):
        raise ProtocolError(f"{rep} was sealed: nothing more is taken of it")
    check_room(tx, replica, stream)
    before = cursor_of(tx, replica, stream)
    if to.last <= before.last:
        return Jumped(before, before)
    take_told(tx, replica, stream, to, opening)
    note_hole(tx, replica, stream, after=before.last, last=to.last, now_ms=now_ms)
    move_cursor(tx, replica, stream, to, rows=0, now_ms=now_ms)
    sealed = seal_if_whole(tx, own, replica, now_ms=now_ms)
    if sealed is not None:
        mark_store(tx, rep.rpartition(":")[0], now_ms=now_ms)
    return Jumped(before, to, sealed)
