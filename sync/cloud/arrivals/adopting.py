"""Rows that an earlier version could not read, once this one can: facts get their keys and count, state rows are merged.

They keep their numbers in the feed, or move to its end as any state row that changes; what stays unread is tried once by each
version. A life that was sealed before its keys could be read is summed up again, where another has one of them. Functions of a
write job, done before anybody may dial.
"""

from collections.abc import Sequence
from sqlite3 import Connection

from sync.batch import Row
from sync.cloud.arrivals.facts import count_facts
from sync.cloud.arrivals.lives import sum_up_again
from sync.cloud.arrivals.rows import is_tally_stream, read_facts, read_tally
from sync.cloud.arrivals.tallies import merge_tallies
from sync.model import Replica
from sync.store.rows import fingerprint

ADOPT_MAX = 1000  # rows of one job
Unread = tuple[int, Row]
"""A row's number in the feed, and the row."""


def has_untried(read: Connection) -> bool:
    """Whether there are rows that these declarations have not tried."""
    return read.execute("SELECT 1 FROM unread WHERE tried <> ? LIMIT 1", (fingerprint(),)).fetchone() is not None


def adopt(tx: Connection, own: Replica, *, now_ms: int) -> int:
    """Read up to ADOPT_MAX rows anew, in the order of their coming; return how many can be read now."""
    found = tx.execute(
        """
        SELECT feed.id, feed.stream, replica.id, replica.store, fact.n, fact.seq, fact.body
        FROM unread JOIN feed ON feed.id = unread.stream
        JOIN fact ON fact.stream = unread.stream AND fact.n = unread.n JOIN replica ON replica.id = fact.replica
        WHERE unread.tried <> ? ORDER BY unread.stream, unread.n LIMIT ?
        """,
        (fingerprint(), ADOPT_MAX),
    ).fetchall()
    tx.executemany("DELETE FROM unread WHERE stream = ? AND n = ?", [(row[0], row[4]) for row in found])
    groups: dict[tuple[int, str, int, str], list[Unread]] = {}
    for *whose, n, seq, body in found:
        groups.setdefault(tuple(whose), []).append((n, (seq, body)))
    read = 0
    for (feed_id, stream, replica, store), rows in groups.items():
        left, merged = rows, 0
        if is_tally_stream(stream):
            left, merged = _merge(tx, feed_id, rows, store=store, replica=replica, stream=stream, now_ms=now_ms)
        facts = read_facts(stream, [body for _, (_, body) in left])
        numbers = [n for n, _ in left]
        duplicates = count_facts(
            tx, list(zip(numbers, facts, strict=True)), feed_id=feed_id, store=store, stream=stream
        )
        sum_up_again(tx, own, feed_id, [each.key for each in duplicates], now_ms=now_ms)
        read += merged + len(facts) - facts.count(None)
    return read


def _merge(
    tx: Connection, feed_id: int, rows: Sequence[Unread], *, store: str, replica: int, stream: str, now_ms: int
) -> tuple[list[Unread], int]:
    """Merge what are state rows of a known stream now; return the others, and how many these were."""
    odd = [each for each in rows if read_tally(stream, each[1][1]) is None]
    kept = {n for n, _ in odd}
    readable = [each for each in rows if each[0] not in kept]
    tx.executemany("DELETE FROM fact WHERE stream = ? AND n = ?", [(feed_id, n) for n, _ in readable])
    merge_tallies(tx, [row for _, row in readable], store=store, replica=replica, stream=stream, now_ms=now_ms)
    return odd, len(readable)
