"""What is offered of an own stream: batches read one behind the other, and their ends, all stored before the first leaves.

    batches_after -> ... -> offer_all, committed -> the batches go out, in their order

A crash before the commit has offered nothing; one behind it has stored ends that nobody has seen, which harms nobody: the next
load finds them and offers the rows of that moment under the digests that stand. Not here: how many may go out (sync.sending),
who holds what (sync.store.cursors). Source: the design, 3.1.
"""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from msgspec.structs import replace

from sync.batch import SENT_BYTES_MAX, Batch, Boundary, Head, Row, batch_of
from sync.model import Replica
from sync.store.cursors import offer
from sync.store.reading import rows_after


def batches_after(read: Connection, replica: Replica, head: Head, after: Boundary, *, rows_max: int) -> Iterator[Batch]:
    """Yield the batches of an own stream up to its head, each read when it is asked for."""
    at = after
    while at.last < head.last:
        found = rows_after(read, replica.local_id, head.stream, at.last, rows_max, bytes_max=SENT_BYTES_MAX)
        rows = _up_to(head, found)
        if not rows:
            return
        batch = batch_of(replica.rep, head.stream, head.feed, at, rows)
        yield batch
        at = batch.end


def offer_all(tx: Connection, replica: Replica, batches: Sequence[Batch]) -> list[Batch]:
    """Write down the ends of batches of state; return the batches with the digests that their ends were first offered with."""
    return [replace(batch, digest=offer(tx, replica, batch.stream, batch.end)) for batch in batches]


def _up_to(head: Head, rows: list[Row]) -> list[Row]:
    """What was written after the head was seen waits its turn: its causes in other streams may not have gone yet."""
    return [row for row in rows if row[0] <= head.last]
