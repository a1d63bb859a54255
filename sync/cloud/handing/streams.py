"""The streams that can be read here, how far each has come, and up to where each store's log is held, with its digest.

The digest of a log is its writer's own, rolled over the bytes of all rows from the first: who has read a feed rolls the rows of
one `rep` in the order of their `seq` and must come to the same. Reads only.
"""

from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.web.views import known_streams
from sync.entities import REGISTRY
from sync.model import Feed, Stream

_REP = "replica.store || ':' || replica.incarnation"


class End(Struct, frozen=True):
    """A place in a writer's log: the digest of all rows up to `seq`."""

    seq: int
    digest: str


class WriterView(Struct, frozen=True):
    """How far a writer's log is held. `floor`: rows up to there are not all here; rolling begins behind it, with its digest."""

    rep: str
    store: str
    last: int
    digest: str
    floor: End | None = None


class StreamView(Struct, frozen=True):
    """A stream; `head` is the number of its newest row, 0 while there is none. `writers` of logs only."""

    stream: str
    feed: Feed
    head: int
    kinds: list[str]
    writers: list[WriterView]


def stream_views(read: Connection) -> list[StreamView]:
    """Return all streams, in the order of their names."""
    heads = {stream: (Feed(kind), n) for stream, kind, n in read.execute("SELECT stream, kind, n FROM feed")}
    heads[Stream.CATALOGUE] = (Feed.STATE, head_of(read, Stream.CATALOGUE))
    writers = _writers(read)
    views = []
    for stream in known_streams(read):
        feed, head = heads.get(stream, (REGISTRY.feeds.get(stream, Feed.LOG), 0))
        told = writers.get(stream, []) if feed is Feed.LOG else []
        views.append(StreamView(stream, feed, head, [each.name for each in REGISTRY.of(stream)], told))
    return views


def head_of(read: Connection, stream: str) -> int:
    """Return the number of a stream's newest row, 0 while there is none."""
    if stream == Stream.CATALOGUE:
        return int(read.execute("SELECT COALESCE(max(seq), 0) FROM register").fetchone()[0])
    row = read.execute("SELECT n FROM feed WHERE stream = ?", (stream,)).fetchone()
    return row[0] if row else 0


def _writers(read: Connection) -> dict[str, list[WriterView]]:
    """A restored cloud notes beside its own former lives what each hub has told of them: those are no stores' logs."""
    rows = read.execute(
        f"""
        SELECT received.stream, {_REP}, replica.store, received.last, received.digest, floor.last, floor.digest
        FROM received
        JOIN replica ON replica.id = received.replica
        LEFT JOIN floor ON floor.replica = received.replica AND floor.stream = received.stream
        WHERE replica.store <> (SELECT store FROM replica WHERE own = 1)
        ORDER BY received.stream, replica.id
        """
    ).fetchall()
    found: dict[str, list[WriterView]] = {}
    for stream, rep, store, last, digest, floor, floor_digest in rows:
        begin = End(floor, floor_digest.hex()) if floor is not None else None
        found.setdefault(stream, []).append(WriterView(rep, store, last, digest.hex(), begin))
    return found
