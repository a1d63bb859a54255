"""A batch of the cloud's comes to the tables, with its cursor in the same job: whose rows go where.

Not here: batches of the store's other lives (hub.store.upkeep.siblings), who asks and who is told (hub.books). Functions of a
write job.
"""

from sqlite3 import Connection

from hub.store.catalogue.catalogue import TakenRows, take_registers
from hub.store.replica.sibling_visitors import take_visitors
from hub.store.upkeep.scopes import take_scoped
from sync.batch import Batch, Boundary, Gap, new_rows
from sync.errors import ForkError
from sync.model import Replica, Stream
from sync.scope_rows import base_of, is_scoped
from sync.store.cursors import check_room, receive_to, received_to
from sync.store.replicas import own_replica, replica_id
from sync.store.rows import apply_rows


def take_of_cloud(
    tx: Connection, own: Replica, batch: Batch, *, currency: str, now_ms: int
) -> tuple[Boundary | Gap | None, TakenRows]:
    """Take a batch of the cloud's; without a cursor when it has to be taken again. Raise ForkError when `own` has ended."""
    if own_replica(tx) != own:
        raise ForkError(f"{batch.rep} {batch.stream}: this was said to {own.rep}, which has ended meanwhile")
    owner = replica_id(tx, batch.rep, now_ms=now_ms)
    cursor = received_to(tx, owner, batch.stream)
    rows = new_rows(cursor, batch)
    if isinstance(rows, Gap):
        return rows, TakenRows(0, 0)
    if not rows:
        return cursor, TakenRows(0, 0)
    if batch.stream == Stream.CATALOGUE:
        taken = take_registers(tx, owner, list(rows), currency=currency)
    elif base_of(batch.stream) == Stream.FOOTFALL:
        taken = TakenRows(0, take_visitors(tx, own, owner, batch.stream, rows, now_ms=now_ms))
    elif is_scoped(batch.stream):
        check_room(tx, owner, batch.stream)
        scoped = take_scoped(tx, owner, batch.stream, rows, currency=currency, now_ms=now_ms)
        if not scoped.is_done:
            return None, scoped.rows
        taken = scoped.rows
    else:
        check_room(tx, owner, batch.stream)
        applied = apply_rows(tx, batch.stream, rows, replica=owner, rep=batch.rep, feed=batch.feed)
        taken = TakenRows(0, applied.unread)
    receive_to(tx, owner, batch.stream, batch.end)
    return batch.end, taken
