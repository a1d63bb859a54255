"""Books in memory: a replica for tests of the session, and the far end of a line without a database.

It keeps the contract of sync.books.Books: cursors move with their rows, a boundary is offered before it is sent, batches are
checked by sync.batch. `fail_next` makes the next call of a method raise, as a disk would.
"""

from collections import defaultdict

from sync.batch import START, Batch, Boundary, Gap, Head, Row, batch_of, new_rows
from sync.digest import roll
from sync.entities import REGISTRY
from sync.errors import OutcomeUnknownError
from sync.model import Feed
from sync.opening import Opening
from sync.protocol import FormerLife

Key = tuple[str, str]
_ORDER = {stream: place for place, stream in enumerate(REGISTRY.streams)}


class MemoryBooks:
    """One replica in memory. `write` grows an own stream; `rows_of` shows what of another replica is held, by seq."""

    def __init__(self, rep: str) -> None:
        self._rep = rep
        self._own: dict[str, dict[int, bytes]] = {}
        self._feeds: dict[str, Feed] = {}
        self._offered: dict[str, dict[int, bytes]] = defaultdict(lambda: {0: START.digest})
        self._held: dict[Key, Boundary] = {}
        self._rows: dict[Key, dict[int, bytes]] = defaultdict(dict)
        self.acks: dict[str, Boundary] = {}
        self.applied = 0
        self.fail_next: set[str] = set()
        self.sealed_reps: list[str] = []
        self.known_sealed: list[str] = []
        self.forks: list[str] = []
        self.floors: dict[str, Boundary] = {}
        self.holes: list[tuple[str, str, int, int]] = []
        self.sums: dict[
            Key, Opening
        ] = {}  # what rows of a log came to, where a test says so; of a peer's, what it told
        self.told_elsewhere: set[str] = set()
        self.peer_rep = ""

    @property
    def rep(self) -> str:
        """As given."""
        return self._rep

    def become(self, rep: str) -> None:
        """Begin a new life, whatever is under way."""
        self._rep = rep

    def write(self, stream: str, row: bytes, *, feed: Feed = Feed.LOG, replaces: int | None = None) -> int:
        """Append a row to an own stream and return its seq; in a state stream it may replace an earlier one."""
        rows = self._own.setdefault(stream, {})
        self._feeds[stream] = feed
        seq = next(reversed(rows), self.floors.get(stream, START).last) + 1
        if replaces is not None:
            assert feed is Feed.STATE, "a log keeps its rows"
            rows.pop(replaces, None)
        rows[seq] = row
        return seq

    def rows_of(self, rep: str, stream: str) -> dict[int, bytes]:
        """What is held of another replica's stream."""
        return self._rows[rep, stream]

    def meet(self, peer_rep: str) -> None:
        """Remember the peer."""
        self.peer_rep = peer_rep

    def heads(self) -> list[Head]:
        """Own streams, the urgent ones first; those that no declaration knows in the order of their first row."""
        return [
            Head(self._rep, stream, self._feeds[stream], next(reversed(rows), self.floors.get(stream, START).last))
            for stream, rows in sorted(self._own.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER)))
        ]

    def vector(self, peer_rep: str) -> dict[Key, Boundary]:
        """How far others are held."""
        return {key: at for key, at in self._held.items() if peer_rep in ("", key[0])}

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether this boundary was offered."""
        if boundary.last < self.floors.get(stream, START).last:
            return rep == self._rep
        return rep == self._rep and self._offered[stream].get(boundary.last) == boundary.digest

    def floor(self, head: Head) -> Boundary:
        """Where a test has pruned a log to."""
        return self.floors.get(head.stream, START)

    def prune(self, stream: str, last: int) -> None:
        """Forget the oldest rows of an own log."""
        digest = self.floors.get(stream, START).digest
        for seq in sorted(self._own[stream]):
            if seq <= last:
                digest = roll(digest, self._own[stream].pop(seq))
        self.floors[stream] = Boundary(last, digest)
        self._offered[stream][last] = digest

    def is_told_elsewhere(self, head: Head) -> bool:
        """What a test has said."""
        return head.stream in self.told_elsewhere

    def told_up_to(self, head: Head, at: Boundary) -> int:
        """The floor, or what a test wants a peer without any row to be told."""
        told = self.sums.get((head.rep, head.stream))
        return told.at.last if told is not None and at == START else self.floor(head).last

    async def opening(self, head: Head, _to: int) -> Opening | None:
        """What a test has said."""
        return self.sums.get((head.rep, head.stream))

    async def jump(self, rep: str, stream: str, to: Boundary, opening: Opening | None) -> Boundary:
        """Go to where the peer's rows begin."""
        at = self._held.get((rep, stream), START)
        if to.last > at.last:
            if opening is None:
                self.holes.append((rep, stream, at.last, to.last))
            else:
                self.sums[rep, stream] = opening
            self._held[rep, stream] = at = to
        return at

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        """The next rows of an own stream."""
        self._maybe_fail("load")
        rows: list[Row] = sorted(row for row in self._own[head.stream].items() if row[0] > after.last)
        batches: list[Batch] = []
        for first in range(0, len(rows), rows_max)[:batches_max]:
            batches.append(batch_of(self._rep, head.stream, head.feed, after, rows[first : first + rows_max]))
            after = batches[-1].end
            self._offered[head.stream][after.last] = after.digest
        return batches

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Take a peer's rows, cursor and all."""
        self._maybe_fail("apply")
        key = (batch.rep, batch.stream)
        cursor = self._held.get(key, START)
        rows = new_rows(cursor, batch)
        if isinstance(rows, Gap):
            return rows
        if not rows:
            return cursor
        self._rows[key].update(rows)
        self._held[key] = batch.end
        self.applied += len(rows)
        return batch.end

    def former(self) -> tuple[FormerLife, ...]:
        """None: a replica in memory has one life."""
        return ()

    def sealed(self, _peer_rep: str) -> tuple[str, ...]:
        """Lives that a test has sealed here."""
        return tuple(self.sealed_reps)

    async def end_lives(self, _peer_rep: str, lives: tuple[FormerLife, ...]) -> None:
        """Seal at once."""
        self.sealed_reps += [life.rep for life in lives]

    async def note_sealed(self, reps: tuple[str, ...]) -> None:
        """Remember what the peer has sealed."""
        self.known_sealed += reps

    async def forked(self, why: str) -> None:
        """Remember why; a test begins the new life."""
        self.forks.append(why)

    async def acked(self, _peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note what the peer holds of ours."""
        if rep == self._rep:
            self.acks[stream] = boundary

    def digest_of(self, stream: str) -> bytes:
        """The digest of an own log, rolled anew."""
        digest = START.digest
        for _, row in sorted(self._own[stream].items()):
            digest = roll(digest, row)
        return digest

    def _maybe_fail(self, method: str) -> None:
        if method in self.fail_next:
            self.fail_next.discard(method)
            raise OutcomeUnknownError("outcome_unknown", f"{method} was told to fail")
