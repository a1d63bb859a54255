"""The write job of batches as they arrive: their rows, sums, cursors, what follows for others. Not here: who sent them."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from sqlite3 import Connection
from typing import NamedTuple

from msgspec import Struct

from sync import failpoints
from sync.batch import START, Batch, Boundary, Gap, Row, check_digest, unproven_rows
from sync.cloud.arrivals.clock import Restamped, take_stamps, tell_restamps
from sync.cloud.arrivals.cursors import (
    FeedNumbers,
    Writer,
    check_rooms,
    move_cursor,
    number_rows,
    recovered_as,
    writers_at,
)
from sync.cloud.arrivals.facts import Added, add_facts, check_past
from sync.cloud.arrivals.lives import Sealed, seal_if_whole
from sync.cloud.arrivals.rows import is_tally_stream
from sync.cloud.arrivals.tallies import merge_former_footfall, merge_tallies
from sync.cloud.catalogue import HandedOver, hand_over
from sync.cloud.loyalty.member_points import share_points
from sync.cloud.rights.transfers import hand_on
from sync.cloud.scopes.scope_branches import mark_store, share_out
from sync.cloud.scopes.scope_members import share_members
from sync.errors import ProtocolError
from sync.model import Feed, Replica, Stream
from sync.retail.visitors.former_footfall import FORMER_FOOTFALL


class Arrival(Struct, frozen=True):
    """A batch that a hub of `store` tells, its own or another's."""

    store: str
    batch: Batch
    teller: str
    now_ms: int

    @property
    def held_as(self) -> str:
        """Under which name it is noted how far the stream is held."""
        is_own = self.batch.rep.rpartition(":")[0] == self.store
        return self.batch.stream if is_own else recovered_as(self.batch.stream, by=self.teller)


class Applied(Struct, frozen=True):
    """What became of a batch."""

    end: Boundary | Gap
    added: Added = Added()
    handed_over: HandedOver | None = None
    sealed: Sealed | None = None
    is_shared: bool = False
    restamped: tuple[Restamped, ...] = ()


class _New(NamedTuple):
    """A batch, who writes it, and its rows that are new."""

    arrival: Arrival
    writer: Writer
    rows: Sequence[Row] | Gap

    @property
    def facts(self) -> Sequence[Row]:
        """The rows where they are kept as they come, one by one."""
        stream = self.arrival.batch.stream
        is_merged = stream in (Stream.CATALOGUE, FORMER_FOOTFALL.stream) or is_tally_stream(stream)
        return () if is_merged or isinstance(self.rows, Gap) else self.rows


class _Numbers:
    """Numbers of feeds, taken for all facts that are new: on a server each question is a wait."""

    def __init__(self, tx: Connection, new: Iterable[_New]) -> None:
        counts: Counter[tuple[str, Feed]] = Counter()
        for each in new:
            if each.facts:
                batch = each.arrival.batch
                counts[batch.stream, batch.feed] += len(each.facts)
        self._left = {feed: number_rows(tx, *feed, count) for feed, count in counts.items()}

    def take(self, stream: str, feed: Feed, count: int) -> FeedNumbers:
        numbers = self._left[stream, feed]
        self._left[stream, feed] = FeedNumbers(numbers.feed_id, numbers.first + count)
        return numbers


def apply_all(tx: Connection, own: Replica, arrivals: Sequence[Arrival], *, waiting: Collection[int]) -> list[Applied]:
    """The write job of batches, each of another writer: new rows, sums, cursors; a life that is whole with them is sealed.

    What one of them raises leaves nothing of any; taken by itself, the others stand. Raise ForkError where rows that are here
    already are others: nothing that follows from them is taken.
    """
    writers = writers_at(tx, [(each.batch.rep, each.held_as) for each in arrivals], now_ms=arrivals[0].now_ms)
    new = [_new(each, writer) for each, writer in zip(arrivals, writers, strict=True)]
    check_rooms(
        tx,
        [
            (each.writer.replica, each.arrival.batch.stream)
            for each in new
            if each.facts and each.writer.cursor == START
        ],
    )
    numbers = _Numbers(tx, new)
    return [_apply(tx, own, each, numbers, waiting=waiting) for each in new]


def _new(arrival: Arrival, writer: Writer) -> _New:
    batch = arrival.batch
    if writer.is_sealed:
        raise ProtocolError(f"{batch.rep} was sealed: nothing more is taken of it")
    return _New(arrival, writer, unproven_rows(writer.cursor, batch, is_relayed=arrival.teller != batch.rep))


def _apply(tx: Connection, own: Replica, new: _New, numbers: _Numbers, *, waiting: Collection[int]) -> Applied:
    arrival, writer, rows = new
    if isinstance(rows, Gap):
        return Applied(rows)
    store, batch, now_ms = arrival.store, arrival.batch, arrival.now_ms
    replica, cursor = writer.replica, writer.cursor
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
        kind, stream = batch.feed, batch.stream
        taken = numbers.take(stream, kind, len(rows))
        added = add_facts(
            tx, rows, store=store, replica=replica, stream=stream, kind=kind, now_ms=now_ms, numbers=taken
        )
        is_shared = stream == Stream.TRANSFERS and hand_on(tx, own, store, rows)
        is_shared |= share_members(tx, own, batch, rows)
        is_shared |= added.has_points and share_points(tx, own, batch, rows)
    # A server writes the rows meanwhile; what is found false is undone with all of it.
    check_digest(cursor, batch, rows)
    end = batch.end if batch.last > cursor.last else cursor
    move_cursor(tx, replica, arrival.held_as, end, rows=len(rows), now_ms=now_ms)
    sealed = seal_if_whole(tx, own, replica, now_ms=now_ms) if replica in waiting else None
    if sealed is not None:
        mark_store(tx, store, now_ms=now_ms)
    failpoints.hit("cloud.applied")
    return Applied(batch.end, added, handed_over, sealed, is_shared, restamped)
