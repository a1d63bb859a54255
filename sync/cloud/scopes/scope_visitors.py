"""Visitors of a store's lives, told to its hubs as a state stream of the cloud's own: `footfall@<store>`.

    seq      the row's number in the cloud's feed of footfall: of one writer, whatever the lives themselves have given
    rows     puts by the life that counted; those of the life that listens are left out
    digest   opaque, written down with the boundary before it is offered

Two copies of a life give one seq to two windows, so that no cursor of theirs says what somebody holds. A window is merged
wherever it comes from, as often as it comes. Source: the design, 3.1 and 3.4.
"""

from sqlite3 import Connection

import msgspec
from msgspec import Raw

from sync.batch import BYTES_MAX, Batch, Boundary, Head, Row, batch_of
from sync.model import Feed, Replica, Stream
from sync.scope_rows import AT, PutBy, base_of, write_scope_row
from sync.store.cursors import offer

OFFERED_KEPT = 2_000  # boundaries of a store; its hubs hold none that is older, but for one put back from an old copy
_BATCH_BYTES = BYTES_MAX // 4
_FEED = "(SELECT id FROM feed WHERE stream = 'footfall')"


def visitors_stream(store: str) -> str:
    """Return the name of the stream that a store's hubs get."""
    return f"{Stream.FOOTFALL}{AT}{store}"


def is_visitors(stream: str) -> bool:
    """Whether a stream of the cloud's own is one of these."""
    return stream != Stream.FOOTFALL and base_of(stream) == Stream.FOOTFALL


def visitors_head(read: Connection, own: Replica, store: str, *, but: str) -> list[Head]:
    """Return what is offered to the life `but`: nothing where no other life of its store has counted."""
    last: int | None = read.execute(
        f"""
        SELECT max((SELECT max(n) FROM tally WHERE tally.replica = replica.id AND stream = {_FEED}))
        FROM replica WHERE store = ? AND store || ':' || incarnation <> ?
        """,
        (store, but),
    ).fetchone()[0]
    return [Head(own.rep, visitors_stream(store), Feed.STATE, last)] if last else []


def load_visitors(read: Connection, head: Head, after: Boundary, rows_max: int, *, but: str) -> Batch | None:
    """Return the next windows behind a boundary, of all lives of the store but one."""
    lives = read.execute(
        "SELECT id, store || ':' || incarnation FROM replica WHERE store = ?", (head.stream.partition(AT)[2],)
    ).fetchall()
    rows: list[tuple[int, str, bytes]] = []
    for life, rep in lives:
        if rep != but:  # each in its order: to sort all that there is for every batch would take minutes
            of_life = read.execute(
                f"""
                SELECT n, body FROM tally
                WHERE replica = ? AND stream = {_FEED} AND n > ? AND n <= ? ORDER BY n LIMIT ?
                """,
                (life, after.last, head.last, rows_max),
            )
            rows += [(n, rep, body) for n, body in of_life]
    found: list[Row] = []
    size = 0
    for n, rep, body in sorted(rows)[:rows_max]:
        size += len(body)
        if found and size > _BATCH_BYTES:
            break
        found.append((n, write_scope_row(PutBy(rep, Raw(body)))))
    return batch_of(head.rep, head.stream, Feed.STATE, after, found) if found else None


def offer_visitors(tx: Connection, own: Replica, batch: Batch) -> Batch:
    """Write a batch's end down and forget the oldest; return the batch with the digest that its end was first offered with."""
    digest = offer(tx, own, batch.stream, batch.end)
    tx.execute(
        """
        DELETE FROM offered WHERE replica = ?1 AND stream = ?2 AND last < (
          SELECT last FROM offered WHERE replica = ?1 AND stream = ?2 ORDER BY last DESC LIMIT 1 OFFSET ?3
        )
        """,
        (own.local_id, batch.stream, OFFERED_KEPT),
    )
    return msgspec.structs.replace(batch, digest=digest)


def is_forgotten(read: Connection, own: Replica, stream: str, last: int) -> bool:
    """Whether a boundary is older than all that are written down: nobody can say any more that it was not offered."""
    count, oldest = read.execute(
        "SELECT count(*), min(last) FROM offered WHERE replica = ? AND stream = ?", (own.local_id, stream)
    ).fetchone()
    return bool(count > OFFERED_KEPT and last < oldest)
