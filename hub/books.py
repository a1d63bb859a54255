"""The hub's books for a session or a pull: its streams out, the cloud's catalogue and the store's other lives in.

    own streams          logs, whose boundaries are computed from their rows again; state streams, whose boundaries are kept
    passed on            what is held of the store's other lives, and of former lives of the cloud
    a fork               a new life begins in one transaction; selling goes on, requests of that moment are repeated

Not here: how the line is and what is safe (hub.replication), SQL (hub.store, sync.store).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import islice
from sqlite3 import Connection
from typing import TypeVar

from hub.clock import HubClock
from hub.holders import PEER, Holders
from hub.monitoring import trail
from hub.store.catalogue.catalogue import TakenRows
from hub.store.replica.clock import SavedClock, save_clock
from hub.store.replica.confirmed import compare, marks, prove_mark
from hub.store.replica.lives import Reborn, begin_life, former_lives, sealed_lives
from hub.store.replica.settling import settle
from hub.store.replica.sibling_visitors import is_another, tell_others
from hub.store.upkeep.beside_registers import take_seals
from hub.store.upkeep.cloud_batches import take_of_cloud
from hub.store.upkeep.openings import told_of
from hub.store.upkeep.siblings import Joined, is_taken, passed_on, relay_batch, take_batch
from hub.sums import Sums
from sync.batch import START, Batch, Boundary, Gap, Head
from sync.db import Database
from sync.entities import REGISTRY
from sync.errors import ForkError, ProtocolError, SyncError
from sync.model import Feed, Replica, Stream
from sync.opening import Opening
from sync.protocol import FormerLife
from sync.retail.people.members import MEMBER
from sync.scope_rows import base_of
from sync.store.cursors import (
    nearest_offered,
    note_acked,
    offered_digest,
    received,
    received_to,
)
from sync.store.digests import digest_at
from sync.store.offering import batches_after, offer_all
from sync.store.replicas import known_id, replica_id
from sync.store.retention import floor_of, jump_to
from sync.store.streams import stream_digest, stream_heads

T = TypeVar("T")
ORDER = {stream: place for place, stream in enumerate(REGISTRY.streams)}
LOGS = {stream for stream, feed in REGISTRY.feeds.items() if feed is Feed.LOG}

log = logging.getLogger(__name__)


class HubBooks:
    """The hub's streams out, the cloud's catalogue and the store's other lives in; see sync.books.Books."""

    def __init__(
        self,
        db: Database,
        replica: Replica,
        *,
        currency: str,
        now_ms: Callable[[], int],
        new_incarnation: Callable[[], str],
    ) -> None:
        self._db = db
        self._currency = currency
        self._now_ms = now_ms
        self._new_incarnation = new_incarnation
        self.clock: HubClock | None = None
        self._sent: dict[tuple[str, int], bytes] = {}  # ends of ranges of logs that wait for their ack
        self._passed_on: list[Head] = []
        self._marked: dict[tuple[str, str], Boundary] = {}
        self.on_acked: Callable[[], None] = lambda: None
        self.on_catalogue: Callable[[int], None] = lambda _: None
        self.on_rows: Callable[[], None] = lambda: None
        self.admit_rows: Callable[[], None] = lambda: None  # raises BusyError where others' rows find no room
        self.on_members: Callable[[], Awaitable[object]] | None = None
        self.on_reborn: Callable[[Reborn], None] = lambda _: None
        self.on_joined: Callable[[Joined], None] = lambda _: None
        self.replica = replica
        self.holders = Holders(db, replica, on_held=self._on_held)
        self.sums = Sums(db, own=lambda: self.replica, on_joined=self._hear)
        self._look_what_to_pass_on()

    def _look_what_to_pass_on(self) -> None:
        self._passed_on = passed_on(self._db.read, self.replica)
        self._marked = marks(self._db.read)

    @property
    def rep(self) -> str:
        """This hub's replica."""
        return self.replica.rep

    def meet(self, peer_rep: str) -> None:
        """What comes of this store's other lives is passed on, whoever the cloud is; what it holds is written down anew."""
        del peer_rep
        self.holders.meet()

    def heads(self) -> list[Head]:
        """The hub's own streams and what it passes on, sales first: a return may be of a sale that another life has written."""
        last, rep = stream_heads(self._db.read, self.replica), self.rep
        own = [Head(rep, stream, feed, last[stream]) for stream, feed in REGISTRY.feeds.items() if stream in last]
        return sorted(own + self._passed_on, key=lambda head: ORDER.get(head.stream, len(ORDER)))

    def behind(self, stream: Stream) -> int:
        """How many rows of a log the cloud does not hold yet."""
        return stream_heads(self._db.read, self.replica)[stream] - self.holders.cloud.get(stream, 0)

    def vector(self, peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """How far the cloud's streams and those of the store's other lives are held here."""
        del peer_rep  # all: the cloud passes on what others wrote
        return received(self._db.read) | marks(self._db.read)

    def received(self) -> dict[tuple[str, str], Boundary]:
        """How far all others' streams are held here, whoever else holds them."""
        return received(self._db.read)

    def sealed_here(self) -> set[str]:
        """Lives of this store that are known to be sealed."""
        return sealed_lives(self._db.read)

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether a boundary of ours was offered with this digest; what is passed on is proved at its end, or by its rows."""
        if rep == self.rep:
            is_pruned = stream in LOGS and boundary.last < self._floor(rep, stream).last
            return is_pruned or self.digest_at(stream, boundary.last) == boundary.digest
        if not any(boundary.last <= head.last for head in self._passed_on if (head.rep, head.stream) == (rep, stream)):
            return False
        mark, writer = self._marked.get((rep, stream)), known_id(self._db.read, rep)
        if mark is None or writer is None or boundary.last <= mark.last:
            return True
        return digest_at(self._db.read, writer, stream, mark, boundary.last) == boundary.digest

    def digest_at(self, stream: str, last: int) -> bytes | None:
        """The digest of an own stream at a boundary, None where there is none.

        A log's is computed from its rows again, so that nothing need be written before it is sent: a sale costs the card enough.
        """
        if stream not in LOGS:
            return offered_digest(self._db.read, self.replica, stream, last)
        floor = self._floor(self.rep, stream)
        if last <= floor.last:
            return floor.digest if last == floor.last else None
        known = self._sent.get((stream, last)) or stream_digest(self._db.read, self.replica, stream, last)
        if known:
            return known
        near = nearest_offered(self._db.read, self.replica, stream, last)
        at = near if near.last > floor.last else floor
        return digest_at(self._db.read, self.replica.local_id, stream, at, last)

    def floor(self, head: Head) -> Boundary:
        """Up to where a log's rows are no more here: who holds less of it has to jump there."""
        return self._floor(head.rep, head.stream) if head.feed is Feed.LOG else START

    def _floor(self, rep: str, stream: str) -> Boundary:
        found = self.replica.local_id if rep == self.rep else known_id(self._db.read, rep)
        return START if found is None else floor_of(self._db.read, found, stream)

    def is_told_elsewhere(self, _head: Head) -> bool:
        """The cloud hears of this store's rows from its hubs alone."""
        return False

    def told_up_to(self, head: Head, _at: Boundary) -> int:
        """All rows that are here are sent."""
        return self.floor(head).last

    async def opening(self, head: Head, _to: int) -> Opening | None:
        """What the rows came to that are no more here."""
        await self.sums.book()
        return told_of(self._db.read, head.rep, head.stream)

    async def jump(self, rep: str, stream: str, to: Boundary, opening: Opening | None) -> Boundary:
        """Take what rows of another's log came to for the rows; without it they are lost, because nobody has them any more."""
        if rep == self.rep:
            raise ProtocolError(f"{rep}: nobody but this hub knows what is left of its rows")
        now_ms = self._now_ms()
        if (rep, stream) in self._marked:
            await self._db.write(lambda tx: prove_mark(tx, rep, stream, to))
            self._look_what_to_pass_on()
        if opening is not None:
            if rep.rpartition(":")[0] != self.replica.store or stream not in LOGS:
                raise ProtocolError(f"{rep[:80]}: nobody tells this hub what {stream[:64]!r} of it came to")
            return await self.sums.take(rep, stream, opening, now_ms=now_ms)

        def job(tx: Connection) -> tuple[Boundary, Boundary]:
            owner = replica_id(tx, rep, now_ms=now_ms)
            before = received_to(tx, owner, stream)
            return before, jump_to(tx, owner, stream, before, to, now_ms=now_ms)

        before, cursor = await self._db.write(job)
        if cursor != before:
            log.error(
                "rows of another machine are lost: nobody has them any more; `storehub audit` names what that means",
                extra={"rep": rep, "stream": stream, "after": before.last, "upto": cursor.last},
            )
        return cursor

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        """Read what is behind a boundary; the ends of all batches of a state stream are made durable before one is offered."""
        if after.last < (floor := self.floor(head)).last:
            if head.rep != self.rep:
                return []  # a peer that cannot jump
            raise SyncError("pruned", f"{head.rep} {head.stream}: rows up to {floor.last} are no more here")
        if head.rep != self.rep:
            relayed = relay_batch(self._db.read, head, after, rows_max)
            return [relayed] if relayed else []
        own = self.replica
        batches: list[Batch] = []
        for batch in islice(batches_after(self._db.read, own, head, after, rows_max=rows_max), batches_max):
            if batches:
                await asyncio.sleep(0)  # to read one takes as long as a sale, and a till may be waiting
            batches.append(batch)
        if head.feed is Feed.STATE and batches:
            return await self._db.write(lambda tx: offer_all(tx, own, batches))
        for batch in batches:
            self._prove(batch)
            self._sent[batch.stream, batch.last] = batch.digest
        if head.stream == Stream.SALES and batches:
            trail.say("sales are sent", rep=head.rep, after=after.last, upto=batches[-1].last)
        return batches

    def _prove(self, batch: Batch) -> None:
        """At the head of a log its rows must give the digest that grew with them."""
        at_head = stream_digest(self._db.read, self.replica, batch.stream, batch.last)
        if at_head not in (None, batch.digest):
            raise ForkError(f"{batch.stream}: the rows up to {batch.last} are not those that were written")

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Commit rows of the cloud, or of another life of this store, with the cursor."""
        if batch.rep == self.rep:
            raise ProtocolError(f"{batch.rep}: nobody but this hub writes its rows")
        self.admit_rows()
        now_ms, seen = self._now_ms(), self.clock.take(batch) if self.clock else None
        if batch.rep.rpartition(":")[0] == self.replica.store:
            if not is_taken(batch.stream, batch.feed):
                raise ProtocolError(f"{batch.rep}: nobody passes on {batch.stream[:64]!r} of this store's other lives")
            await self.sums.rest()
            return self._joined(
                await self._db.write(lambda tx: _saved(tx, seen, take_batch(tx, self.replica, batch, now_ms=now_ms)))
            )
        take = partial(take_of_cloud, own=self.replica, batch=batch, currency=self._currency, now_ms=now_ms)
        cursor, rows = await self._db.write(lambda tx: _saved(tx, seen, take(tx)))
        while cursor is None:  # what a replaced scope had leaves in small jobs, sales between them
            cursor, more = await self._db.write(take)
            rows = TakenRows(rows.changed + more.changed, more.unusable)
        if base_of(batch.stream) == MEMBER.stream and self.on_members is not None:
            await self.on_members()
        self.on_rows()
        self._look_what_to_pass_on()  # a cloud that has lost these is told of them
        if rows.changed:
            self.on_catalogue(rows.changed)
        if rows.unusable:
            log.warning(
                "rows of the cloud's catalogue cannot be used here and are kept aside; correct them at head office",
                extra={"rows": rows.unusable, "after": batch.after, "upto": batch.last},
            )
        return cursor

    async def take_beside(self, batch: Batch) -> Boundary | Gap:
        """Commit rows that the store's other hub has sent itself; whether the cloud holds them is seen later."""
        self.admit_rows()
        now_ms = self._now_ms()
        await self.sums.rest()
        return self._joined(
            await self._db.write(lambda tx: take_batch(tx, self.replica, batch, now_ms=now_ms, is_beside=True))
        )

    def _joined(self, joined: Joined) -> Boundary | Gap:
        self._hear(joined)
        return joined.end

    def _hear(self, joined: Joined) -> None:
        self._look_what_to_pass_on()
        self.on_joined(joined)
        self.on_rows()

    async def acked(self, _peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note it with the next commit; lost in a crash, the cloud's next hello says it again."""
        replica = self.replica
        if rep != self.rep:
            if (rep, stream) in self._marked:
                await self._db.write(lambda tx: settle(tx, replica, compare(tx, replica, rep, stream, boundary)))
                self._look_what_to_pass_on()
        else:
            self.holders.note(PEER, stream, boundary)

    async def held_by_cloud(self, held: Mapping[tuple[str, str], Boundary]) -> None:
        """Note what a cloud that asks says it holds: less than once where it was restored."""
        for head in self.heads():
            await self.acked("", head.rep, head.stream, held.get((head.rep, head.stream), START))

    def held_of(self, rep: str, stream: Stream) -> int:
        """How far the cloud and this hub hold a stream of another life, a former one of this hub or of another hub."""
        known = known_id(self._db.read, rep)
        at = self._marked.get((rep, stream)) or (
            received_to(self._db.read, known, stream) if known is not None else START
        )
        return at.last

    def received_of(self, rep: str, stream: Stream) -> int:
        """How far this hub holds a stream of another life, wherever it came from."""
        known = known_id(self._db.read, rep)
        return received_to(self._db.read, known, stream).last if known is not None else 0

    async def acked_by(self, peer: str, stream: str, boundary: Boundary) -> None:
        """Note an ack by HTTP; it never goes back. What a reader beside the cloud holds makes nothing safe."""
        if boundary.last <= self.holders.of(peer).get(stream, 0):
            return
        if peer == PEER:
            await self.acked("", self.rep, stream, boundary)
        else:
            await self._db.write(lambda tx: note_acked(tx, self.replica, stream, boundary, peer=peer))

    def _on_held(self, peer: str, stream: str, last: int) -> None:
        if peer == PEER:
            self._sent = {key: digest for key, digest in self._sent.items() if key[0] != stream or key[1] > last}
        self.on_acked()

    def former(self) -> tuple[FormerLife, ...]:
        """Lives of this hub that the cloud has not sealed yet."""
        return tuple(FormerLife(each.rep, each.heads) for each in former_lives(self._db.read))

    def sealed(self, _peer_rep: str) -> tuple[str, ...]:
        """A hub seals nobody."""
        return ()

    async def tell_lost(self, cloud: str) -> None:
        """Tell a new life of the cloud what other lives of this store have counted: the one before may have lost it."""
        if is_another(self._db.read, self.replica, cloud):
            now_ms = self._now_ms()
            await self._db.write(lambda tx: tell_others(tx, self.replica, cloud, now_ms=now_ms))

    async def end_lives(self, peer_rep: str, lives: tuple[FormerLife, ...]) -> None:
        """A hub seals nobody: the cloud does."""

    async def note_sealed(self, reps: tuple[str, ...]) -> None:
        """Remember which lives of this store the cloud has sealed."""
        ours = [rep for rep in reps if rep.rpartition(":")[0] == self.replica.store and rep != self.rep]
        now_ms = self._now_ms()
        if not set(ours) <= sealed_lives(self._db.read):
            await self._db.write(lambda tx: settle(tx, self.replica, take_seals(tx, self.replica, ours, now_ms=now_ms)))
        self._look_what_to_pass_on()

    async def forked(self, why: str) -> None:
        """Begin a new life. What was sold stays sold; what nobody else holds is written again; see hub.store.replica.lives.

        Also for a life that has offered nothing: the copy may have been taken before it did. Raise ForkError when it happens too
        often to be true.
        """
        now_ms, incarnation, own = self._now_ms(), self._new_incarnation(), self.replica
        await self._db.write(
            lambda tx: begin_life(tx, own, peer=PEER, incarnation=incarnation, why=why, now_ms=now_ms),
            then=self._reborn,
        )

    def _reborn(self, reborn: Reborn | None) -> None:
        if reborn is None:
            return
        self.replica = reborn.replica
        self.holders.become(reborn.replica)
        self._sent.clear()
        self._look_what_to_pass_on()
        log.error(
            "this hub was restored, copied or sealed, and has begun a new life; nothing that was sold is lost",
            extra={"former": reborn.former.rep, "rep": reborn.replica.rep, "rewritten": reborn.rewritten},
        )
        self.on_reborn(reborn)


def _saved(tx: Connection, seen: SavedClock | None, done: T) -> T:
    """Save the clock that has seen a batch's stamps with what the batch has done."""
    if seen is not None:
        save_clock(tx, seen)
    return done
