"""Batches: a claimed range of a stream with all its rows that still stand, and what a receiver makes of one. Pure.

    batch's range          receiver at `cursor`
    after == cursor        all rows are new
    after <  cursor < last a log: rows behind the cursor are skipped, the rest is new; a state stream: a gap
    last <= cursor         nothing is new; the cursor is acknowledged again
    after >  cursor        a gap: nothing is taken, the range is pulled again from the cursor

A log is dense and the receiver recomputes its digest, row by row. In a state stream holes are allowed (an overwritten row goes to
the end) and the digest is the writer's, rolled once a batch and kept beside the cursor: a batch that does not begin exactly there
may be a copy's, and the pull that answers it names a boundary which the copy never offered. A state stream that somebody else
passes on (a *relay*) has no such boundaries: its rows are merged wherever they begin. Source: the design, 3.1 and 3.4.
"""

from collections.abc import Iterable, Sequence
from operator import ge
from typing import Annotated

from msgspec import Meta, Struct

from sync.digest import DIGEST_BYTES, EMPTY, roll
from sync.errors import ProtocolError
from sync.model import Feed

ROWS_MAX = 1000  # rows of one batch; a sender makes smaller ones, a receiver refuses larger ones
BYTES_MAX = 1024 * 1024  # of all rows, unpacked; one row beyond it travels alone
SENT_BYTES_MAX = BYTES_MAX // 4  # of all rows that a sender puts into one batch: packing them holds up its own loop
SEQ_MAX = 2**53  # what every JSON reader keeps exactly, and SQLite's integers hold
Seq = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Digest = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
Rep = Annotated[str, Meta(min_length=3, max_length=128)]
StreamName = Annotated[str, Meta(min_length=1, max_length=64)]
Row = tuple[int, bytes]
"""A row's seq in its stream, and its bytes as they went into the digest."""


class Boundary(Struct, frozen=True):
    """The end of a range: the last seq and the stream's digest there."""

    last: int = 0
    digest: bytes = EMPTY


START = Boundary()


class Head(Struct, frozen=True):
    """A stream that its writer has: how far it goes."""

    rep: str
    stream: str
    feed: Feed
    last: int


class Batch(Struct, frozen=True):
    """All rows of (after, last] of a stream that still stand; `digest` is the stream's at `last`."""

    rep: str
    stream: str
    feed: Feed
    after: int
    last: int
    digest: bytes
    rows: tuple[Row, ...]

    @property
    def end(self) -> Boundary:
        """Where a receiver is who has taken this batch."""
        return Boundary(self.last, self.digest)

    @property
    def size(self) -> int:
        """The bytes of all rows."""
        return sum(len(row) for _, row in self.rows)


class Gap(Struct, frozen=True):
    """Rows are missing before a batch: pull again from here."""

    cursor: Boundary


def batch_of(rep: str, stream: str, feed: Feed, after: Boundary, rows: Sequence[Row]) -> Batch:
    """Return the batch of these rows (one or more, in the order of their seq) behind a boundary of the writer's own."""
    digest = (
        rolled(after.digest, rows) if feed is Feed.LOG else roll(after.digest, b"\n".join([row for _, row in rows]))
    )
    return Batch(rep, stream, feed, after.last, rows[-1][0], digest, tuple(rows))


def rolled(digest: bytes, rows: Iterable[Row]) -> bytes:
    """Return a log's digest behind these rows."""
    for _, row in rows:
        digest = roll(digest, row)
    return digest


def new_rows(cursor: Boundary, batch: Batch, *, is_relayed: bool = False) -> Sequence[Row] | Gap:
    """Return the rows that a receiver at `cursor` does not have; raise ProtocolError for a batch that lies."""
    rows = unproven_rows(cursor, batch, is_relayed=is_relayed)
    if not isinstance(rows, Gap):
        check_digest(cursor, batch, rows)
    return rows


def unproven_rows(cursor: Boundary, batch: Batch, *, is_relayed: bool = False) -> Sequence[Row] | Gap:
    """Return the rows that are new by their seqs; whoever takes them proves them by `check_digest` before the commit."""
    _check_shape(batch)
    if batch.feed is Feed.STATE and is_relayed:
        return batch.rows
    if batch.after > cursor.last:
        return Gap(cursor)
    if batch.last <= cursor.last:
        return ()
    if batch.feed is Feed.STATE and batch.after != cursor.last:
        return Gap(cursor)
    return list(batch.rows) if batch.after == cursor.last else [row for row in batch.rows if row[0] > cursor.last]


def check_digest(cursor: Boundary, batch: Batch, rows: Sequence[Row]) -> None:
    """Raise ProtocolError where the new rows of a log's batch do not come to the digest that it says."""
    if batch.feed is Feed.LOG and rows:
        digest = rolled(cursor.digest, rows)
        if digest != batch.digest:
            raise ProtocolError(
                f"{batch.rep} {batch.stream}: the digest of rows {cursor.last + 1} to {batch.last} is {digest.hex()}, "
                f"the batch says {batch.digest.hex()}"
            )


def _check_shape(batch: Batch) -> None:
    name = f"{batch.rep} {batch.stream} ({batch.after}, {batch.last}]"
    seqs = [seq for seq, _ in batch.rows]
    if len(seqs) > ROWS_MAX:
        raise ProtocolError(f"{name}: {len(seqs)} rows, at most {ROWS_MAX}")
    if batch.last > SEQ_MAX:
        raise ProtocolError(f"{name}: no stream is that long")
    if not seqs or batch.after < 0 or seqs[0] <= batch.after or seqs[-1] != batch.last:
        raise ProtocolError(f"{name}: the rows are not those of the range")
    if any(map(ge, seqs, seqs[1:])):
        raise ProtocolError(f"{name}: the rows are not in their order")
    if batch.feed is Feed.LOG and (seqs[0] != batch.after + 1 or seqs[-1] - seqs[0] != len(seqs) - 1):
        raise ProtocolError(f"{name}: a log has no holes")
