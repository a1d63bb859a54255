"""What the cloud passes on to a store: the streams of the store's other lives, as it holds them. Reads only.

A hub that was restored or copied gets back what it lost, and two hubs of one store hold the same facts. Logs are told as they
came, digest and all, also those of a later version, which nobody here can read. The grants of lives that have ended are a state
stream and are merged wherever a batch begins: whoever shares rights must know what the cloud has of them, and the copy may not
know all that was granted after it. Visitors are told in a stream of the cloud's own: see sync.cloud.scopes.scope_visitors.
"""

from sqlite3 import Connection

from sync.batch import SENT_BYTES_MAX, START, Batch, Boundary, Head, Row, batch_of
from sync.entities import FEED_OF_STREAM, REGISTRY
from sync.errors import ForkError
from sync.kinds import PassedOn
from sync.model import Feed, Stream

PASSED_ON = REGISTRY.passed_on(PassedOn.LIVES, PassedOn.ENDED)


def other_lives(read: Connection, store: str) -> list[Head]:
    """Return the heads of all that every life of a store has sent; the life that asks is left out by the session."""
    rows = read.execute(
        """
        SELECT replica.store || ':' || replica.incarnation, received.stream, received.last, feed.kind
        FROM replica JOIN received ON received.replica = replica.id LEFT JOIN feed ON feed.stream = received.stream
        WHERE replica.store = ?
          AND (received.stream <> ? OR EXISTS (SELECT 1 FROM ended_life WHERE ended_life.replica = replica.id))
        ORDER BY replica.id
        """,
        (store, Stream.GRANTS),
    ).fetchall()
    order = {stream: place for place, stream in enumerate(FEED_OF_STREAM)}
    heads = [
        Head(rep, stream, FEED_OF_STREAM.get(stream, Feed.LOG), last)
        for rep, stream, last, kind in rows
        if stream in PASSED_ON or (stream not in FEED_OF_STREAM and kind == Feed.LOG)
    ]
    return sorted(heads, key=lambda head: order.get(head.stream, len(order)))  # causes before their effects


def relay_batch(read: Connection, head: Head, after: Boundary, rows_max: int) -> Batch | None:
    """Return the next rows of another's stream; raise ForkError when they are not those behind the boundary."""
    found = read.execute(
        """
        SELECT replica.id, received.last, received.digest
        FROM replica JOIN received ON received.replica = replica.id AND received.stream = ?
        WHERE replica.incarnation = ?
        """,
        (head.stream, head.rep.rpartition(":")[2]),
    ).fetchone()
    if found is None:
        return None
    replica, last, digest = found
    table = "fact" if head.feed is Feed.LOG else "tally"
    rows = read.execute(
        f"""
        SELECT seq, body FROM {table}
        WHERE replica = ? AND stream = (SELECT id FROM feed WHERE stream = ?) AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?
        """,
        (replica, head.stream, after.last, head.last, rows_max),
    ).fetchall()
    rows = _within_bytes(rows)
    if not rows:
        return None
    batch = batch_of(head.rep, head.stream, head.feed, after, rows)
    if head.feed is Feed.LOG and batch.last == last and batch.digest != digest:
        raise ForkError(f"{head.rep} {head.stream}: the peer holds another past of it than we do")
    return batch


def held_boundary(read: Connection, rep: str, stream: str) -> Boundary:
    """Return how far a stream of any life is held here."""
    row = read.execute(
        """
        SELECT received.last, received.digest FROM replica JOIN received ON received.replica = replica.id
        WHERE replica.incarnation = ? AND received.stream = ?
        """,
        (rep.rpartition(":")[2], stream),
    ).fetchone()
    return Boundary(*row) if row else START


def _within_bytes(rows: list[Row]) -> list[Row]:
    size = 0
    for index, (_, body) in enumerate(rows):
        size += len(body)
        if index and size > SENT_BYTES_MAX:
            return rows[:index]
    return rows
