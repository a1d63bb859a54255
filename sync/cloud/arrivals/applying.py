"""The write job of a batch as it arrives: its rows, their sums, the cursor, what follows for others. Not here: who sent it."""

from collections.abc import Collection
from sqlite3 import Connection

from msgspec import Struct

from sync import failpoints
from sync.batch import START, Batch, Boundary, Gap, check_digest, unproven_rows
from sync.cloud.arrivals.clock import Restamped, take_stamps, tell_restamps
from sync.cloud.arrivals.cursors import move_cursor, recovered_as, writer_at
from sync.cloud.arrivals.facts import Added, add_facts, check_past
from sync.cloud.arrivals.lives import Sealed, seal_if_whole
from sync.cloud.arrivals.rows import is_tally_stream
from sync.cloud.arrivals.tallies import merge_former_footfall, merge_tallies
from sync.cloud.catalogue import HandedOver, hand_over
from sync.cloud.people.member_points import share_points
from sync.cloud.rights.transfers import hand_on
from sync.cloud.scopes.scope_branches import mark_store, share_out
from sync.cloud.scopes.scope_members import share_members
from sync.errors import ProtocolError
from sync.model import Feed, Replica, Stream
from sync.retail.visitors.former_footfall import FORMER_FOOTFALL
from sync.store.cursors import check_room


class Applied(Struct, frozen=True):
    """What became of a batch."""

    end: Boundary | Gap
    added: Added = Added()
    handed_over: HandedOver | None = None
    sealed: Sealed | None = None
    is_shared: bool = False
    restamped: tuple[Restamped, ...] = ()


def apply_batch(
    tx: Connection, own: Replica, store: str, batch: Batch, *, teller: str, waiting: Collection[int], now_ms: int
) -> Applied:
    """The write job of a batch: its new rows, the sums, the cursor; a life that is whole with them is sealed.

    Raise ForkError where rows that are here already are others: nothing that follows from them is taken.
    """
    held_as = batch.stream if batch.rep.rpartition(":")[0] == store else recovered_as(batch.stream, by=teller)
    writer = writer_at(tx, batch.rep, held_as, now_ms=now_ms)
    if writer.is_sealed:
        raise ProtocolError(f"{batch.rep} was sealed: nothing more is taken of it")
    replica, cursor = writer.replica, writer.cursor
    rows = unproven_rows(cursor, batch, is_relayed=teller != batch.rep)
    if isinstance(rows, Gap):
        return Applied(rows)
    if not rows:
        if batch.feed is Feed.LOG:
            check_past(tx, batch, replica=replica)
        return Applied(cursor)
    handed_over, is_shared = None, False
    restamped = take_stamps(tx, own, batch.stream, rows, replica=replica, now_ms=now_ms)
    tell_restamps(tx, own, store, restamped)
    if batch.stream == Stream.CATALOGUE:
        is_ours = batch.rep.rpartition(":")[0] == own.store
        handed_over = hand_over(tx, own, replica, rows, is_recovered=is_ours, now_ms=now_ms)
        added = Added(len(rows), unread=handed_over.unread)
    elif batch.stream == FORMER_FOOTFALL.stream:
        added = merge_former_footfall(tx, rows, store=store, replica=replica, now_ms=now_ms)
    elif is_tally_stream(batch.stream):
        added = merge_tallies(tx, rows, store=store, replica=replica, stream=batch.stream, now_ms=now_ms)
        is_shared = share_out(tx, own, batch, rows, now_ms=now_ms) | share_members(tx, own, batch, rows, restamped)
    else:
        if cursor == START:  # a stream that is new here
            check_room(tx, replica, batch.stream)
        kind, stream = batch.feed, batch.stream
        added = add_facts(tx, rows, store=store, replica=replica, stream=stream, kind=kind, now_ms=now_ms)
        is_shared = stream == Stream.TRANSFERS and hand_on(tx, own, store, rows)
        is_shared |= share_members(tx, own, batch, rows)
        is_shared |= added.has_points and share_points(tx, own, batch, rows)
    # A server writes the rows meanwhile; what is found false is undone with all of it.
    check_digest(cursor, batch, rows)
    end = batch.end if batch.last > cursor.last else cursor
    move_cursor(tx, replica, held_as, end, rows=len(rows), now_ms=now_ms)
    sealed = seal_if_whole(tx, own, replica, now_ms=now_ms) if replica in waiting else None
    if sealed is not None:
        mark_store(tx, store, now_ms=now_ms)
    failpoints.hit("cloud.applied")
    return Applied(batch.end, added, handed_over, sealed, is_shared, restamped)
