"""Books in memory: a replica for tests of the session, and the far end of a line without a database.

It keeps the contract of sync.books.Books: cursors move with their rows, a boundary is offered before it is sent, batches are
checked by sync.batch. `fail_next` makes the next call of a method raise, as a disk would.
"""

from collections import defaultdict

from sync.batch import START, Batch, Boundary, Gap, Head, Row, batch_of, new_rows
from sync.digest import roll
from sync.errors import OutcomeUnknownError
from sync.model import Feed

Key = tuple[str, str]


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

    @property
    def rep(self) -> str:
        """As given."""
        return self._rep

    def write(self, stream: str, row: bytes, *, feed: Feed = Feed.LOG, replaces: int | None = None) -> int:
        """Append a row to an own stream and return its seq; in a state stream it may replace an earlier one."""
        rows = self._own.setdefault(stream, {})
        self._feeds[stream] = feed
        seq = max(rows, default=0) + 1
        if replaces is not None:
            assert feed is Feed.STATE, "a log keeps its rows"
            rows.pop(replaces, None)
        rows[seq] = row
        return seq

    def rows_of(self, rep: str, stream: str) -> dict[int, bytes]:
        """What is held of another replica's stream."""
        return self._rows[rep, stream]

    def heads(self) -> list[Head]:
        """Own streams in the order of their first row."""
        return [Head(self._rep, stream, self._feeds[stream], max(rows)) for stream, rows in self._own.items()]

    def vector(self, peer_rep: str) -> dict[Key, Boundary]:
        """How far others are held."""
        return {key: at for key, at in self._held.items() if peer_rep in ("", key[0])}

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether this boundary was offered."""
        return rep == self._rep and self._offered[stream].get(boundary.last) == boundary.digest

    async def load(self, head: Head, after: Boundary, rows_max: int) -> Batch | None:
        """The next rows of an own stream."""
        self._maybe_fail("load")
        rows: list[Row] = sorted(row for row in self._own[head.stream].items() if row[0] > after.last)[:rows_max]
        if not rows:
            return None
        batch = batch_of(self._rep, head.stream, head.feed, after, rows)
        self._offered[head.stream][batch.last] = batch.digest
        return batch

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

    async def acked(self, _peer_rep: str, _rep: str, stream: str, boundary: Boundary) -> None:
        """Note what the peer holds."""
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
