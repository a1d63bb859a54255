"""What can be recomputed of any stream, whatever its rows mean: a log is dense and gives its digests; rows by name for comparing.

Reads only, on any connection. Not here: sums and caches of the shop (hub.store.upkeep.audit), buckets (sync.audit).
"""

from collections.abc import Callable
from sqlite3 import Connection

from msgspec import Struct

from sync.batch import ROWS_MAX, Boundary
from sync.digest import roll
from sync.entities import REGISTRY
from sync.json_errors import NOT_JSON
from sync.model import Feed
from sync.store.reading import rows_after
from sync.store.retention import floor_of
from sync.store.tables import table_of

NamedRow = tuple[int, str, bytes]
"""A row's seq, its name, its bytes."""


class Log(Struct, frozen=True):
    """A log as it is held here. `head` is what is known of its end."""

    replica: int
    rep: str
    stream: str
    head: Boundary
    is_own: bool


class Broken(Struct, frozen=True):
    """The first place at which a log is not what it was: `after` was still right, `upto` is not."""

    after: int
    upto: int
    why: str


def logs(read: Connection) -> list[Log]:
    """Return every log that is held here, own ones first."""
    own = read.execute(
        """
        SELECT replica.id, store || ':' || incarnation, name, seq, digest
        FROM stream JOIN replica ON replica.id = stream.replica WHERE feed = 'log' ORDER BY replica.id, name
        """
    ).fetchall()
    others = read.execute(
        """
        SELECT replica.id, store || ':' || incarnation, stream, last, digest
        FROM received JOIN replica ON replica.id = received.replica ORDER BY replica.id, stream
        """
    ).fetchall()
    found = [Log(replica, rep, stream, Boundary(seq, digest), True) for replica, rep, stream, seq, digest in own]
    found += [
        Log(replica, rep, stream, Boundary(last, digest), False)
        for replica, rep, stream, last, digest in others
        if REGISTRY.feeds.get(stream) is Feed.LOG
    ]
    return found


def check_log(read: Connection, log: Log, say: Callable[[int], None]) -> Broken | None:
    """Recompute a log from its floor to its head; return the first place that is wrong. `say` is told how many rows were read."""
    at = floor_of(read, log.replica, log.stream)
    known = dict(
        read.execute(
            "SELECT last, digest FROM offered WHERE replica = ? AND stream = ? AND last > ?",
            (log.replica, log.stream, at.last),
        ).fetchall()
    )
    known[log.head.last] = log.head.digest
    good = at
    while at.last < log.head.last:
        rows = rows_after(read, log.replica, log.stream, at.last, min(ROWS_MAX, log.head.last - at.last))
        if not rows:
            return Broken(good.last, log.head.last, f"rows from {at.last + 1} on are missing")
        for seq, body in rows:
            if seq != at.last + 1:
                return Broken(good.last, seq, f"row {at.last + 1} is missing")
            at = Boundary(seq, roll(at.digest, body))
            if seq in known:
                if known[seq] != at.digest:
                    return Broken(good.last, seq, "a row is not what was written: the digest differs")
                good = at
        say(len(rows))
    beyond = rows_after(read, log.replica, log.stream, log.head.last, 1)
    return Broken(good.last, beyond[0][0], f"row {beyond[0][0]} is beyond the head {log.head.last}") if beyond else None


def named_rows(read: Connection, replica: int, stream: str, feed: Feed, *, after: int, last: int) -> list[NamedRow]:
    """Return up to ROWS_MAX rows of (after, last] of a writer's stream by name: a log's by seq, a state stream's by key."""
    rows = [row for row in rows_after(read, replica, stream, after, ROWS_MAX) if row[0] <= last]
    return [(seq, str(seq) if feed is Feed.LOG else state_name(stream, body) or f"? {seq}", body) for seq, body in rows]


def state_name(stream: str, body: bytes) -> str | None:
    """Return the name of a state row: its entity and key; None for one that cannot be read."""
    for entity in REGISTRY.of(stream):
        table = table_of(entity)
        try:
            return f"{entity.name} {table.key_text(table.decode(body))}"
        except NOT_JSON:
            continue
    return None


def audited_to(read: Connection, replica: int, stream: str) -> int:
    """Return how far a log was compared with the peer."""
    row = read.execute("SELECT last FROM audited WHERE replica = ? AND stream = ?", (replica, stream)).fetchone()
    return row[0] if row else 0


def note_audited(tx: Connection, replica: int, upto: dict[str, int]) -> None:
    """Note how far logs were compared with the peer."""
    tx.executemany(
        """
        INSERT INTO audited (replica, stream, last) VALUES (?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET last = max(last, excluded.last)
        """,
        [(replica, stream, last) for stream, last in upto.items()],
    )
