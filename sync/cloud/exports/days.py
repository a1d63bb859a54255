"""Which facts are of which business day. Reads, and one write job that notes what has arrived.

What was not noted yet is looked through at each question, so that an export by hand beside a running cloud misses nothing.
"""

from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.handing.messages import duplicates
from sync.cloud.handing.tables import TABLES_OF, day_of
from sync.cloud.web.views import FeedRow

ROWS_MAX = 1000  # of a stream in one job, or one read
STREAMS = tuple(TABLES_OF)
_REP = "replica.store || ':' || replica.incarnation"


class DayCount(Struct, frozen=True):
    """How many facts of a stream a day has, and the newest of them."""

    rows: int
    last_n: int


def note_days(tx: Connection, stream: str) -> bool:
    """Note the days of rows that have arrived, ROWS_MAX at most; say whether there may be more."""
    rows = _rows_behind(tx, stream, noted_upto(tx, stream))
    if not rows:
        return False
    known = duplicates(tx, stream, rows[0][0] - 1, rows[-1][0])
    tx.executemany(
        "INSERT INTO dated_row (stream, day, n) VALUES (?, ?, ?)",
        [(stream, day_of(body), n) for n, body in rows if n not in known],
    )
    tx.execute(
        "INSERT INTO dated_upto (stream, n) VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET n = excluded.n",
        (stream, rows[-1][0]),
    )
    return len(rows) == ROWS_MAX


def noted_upto(read: Connection, stream: str) -> int:
    """Return up to which place the days are noted."""
    row = read.execute("SELECT n FROM dated_upto WHERE stream = ?", (stream,)).fetchone()
    return row[0] if row else 0


def days_since(read: Connection, first: str, before: str) -> dict[str, dict[str, DayCount]]:
    """Return day -> stream -> what was noted, of the days from `first` that are over."""
    found: dict[str, dict[str, DayCount]] = {}
    for stream in STREAMS:
        rows = read.execute(
            """
            SELECT day, count(*), max(n) FROM dated_row
            WHERE stream = ? AND day >= ? AND day < ? GROUP BY day ORDER BY day
            """,
            (stream, first, before),
        ).fetchall()
        for day, count, last_n in rows:
            found.setdefault(day, {})[stream] = DayCount(count, last_n)
    return found


def undated(read: Connection) -> int:
    """Return how many facts say no day."""
    (count,) = read.execute("SELECT count(*) FROM dated_row WHERE day = ''").fetchone()
    return int(count)


def noted_rows(read: Connection, stream: str, day: str, after: int, upto: int) -> list[FeedRow]:
    """Return noted facts of a day behind one place up to another, ROWS_MAX at most."""
    rows = read.execute(
        f"""
        SELECT fact.n, replica.store, {_REP}, fact.seq, fact.received_ms, fact.body
        FROM dated_row
        JOIN feed ON feed.stream = dated_row.stream
        JOIN fact ON fact.stream = feed.id AND fact.n = dated_row.n
        JOIN replica ON replica.id = fact.replica
        WHERE dated_row.stream = ? AND dated_row.day = ? AND dated_row.n > ? AND dated_row.n <= ?
        ORDER BY dated_row.n LIMIT ?
        """,
        (stream, day, after, upto, ROWS_MAX),
    ).fetchall()
    return [FeedRow(*row) for row in rows]


def new_rows(read: Connection, stream: str, day: str, after: int) -> tuple[list[FeedRow], int]:
    """Return facts of a day that are not noted yet, of the next ROWS_MAX places, and the last place; the same place: no more."""
    rows = read.execute(
        f"""
        SELECT fact.n, replica.store, {_REP}, fact.seq, fact.received_ms, fact.body
        FROM feed JOIN fact ON fact.stream = feed.id JOIN replica ON replica.id = fact.replica
        WHERE feed.stream = ? AND fact.n > ? ORDER BY fact.n LIMIT ?
        """,
        (stream, after, ROWS_MAX),
    ).fetchall()
    if not rows:
        return [], after
    known = duplicates(read, stream, rows[0][0] - 1, rows[-1][0])
    found = [FeedRow(*row) for row in rows]
    return [row for row in found if row.n not in known and day_of(row.body) == day], found[-1].n


def _rows_behind(read: Connection, stream: str, after: int) -> list[tuple[int, bytes]]:
    rows: list[tuple[int, bytes]] = read.execute(
        """
        SELECT fact.n, fact.body FROM feed JOIN fact ON fact.stream = feed.id
        WHERE feed.stream = ? AND fact.n > ? ORDER BY fact.n LIMIT ?
        """,
        (stream, after, ROWS_MAX),
    ).fetchall()
    return rows
