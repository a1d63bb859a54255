"""Facts as they arrive: kept as the bytes received, found by their key, summed once for each key. A function of a write job.

A fact whose key is known already (one sale on two hubs; a fact written again under a new incarnation) is kept and named in
`duplicate`, and adds nothing to any sum. A row that cannot be read is kept.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from msgspec import Struct

from sync.batch import Batch, Row
from sync.cloud.arrivals.cursors import FeedNumbers, add_sum, number_rows
from sync.cloud.arrivals.rows import NUMBERED_BY_STORE, SUMMED, Fact, key_of, read_facts
from sync.cloud.loyalty.member_points import add_points
from sync.cloud.receipts import enter_receipts
from sync.effects import may_move_points
from sync.errors import ForkError
from sync.model import Feed, Stream
from sync.store.rows import fingerprint


class Duplicate(Struct, frozen=True):
    """A fact that came under a known key; `is_same` when it says the same, byte for byte."""

    key: str
    n: int
    first_n: int
    is_same: bool


class Added(Struct, frozen=True):
    """What came of rows: how many, which are duplicates, how many nobody here can read; whether some may move points."""

    rows: int = 0
    duplicates: tuple[Duplicate, ...] = ()
    unread: int = 0
    has_points: bool = False


def add_facts(
    tx: Connection,
    rows: Sequence[Row],
    *,
    store: str,
    replica: int,
    stream: str,
    kind: Feed,
    now_ms: int,
    numbers: FeedNumbers | None = None,
) -> Added:
    """Keep rows that are new by their dot, under `numbers` where they were taken before.

    They are read while a server writes them (sync.cloud.postgres.writer).
    """
    bodies = [body for _, body in rows]
    numbers = numbers or number_rows(tx, stream, kind, len(rows))
    feed_id = numbers.feed_id
    tx.executemany(
        "INSERT INTO fact (stream, n, replica, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
        [(feed_id, n, replica, seq, now_ms, body) for n, (seq, body) in enumerate(rows, numbers.first)],
    )
    if stream == Stream.SALES:
        enter_receipts(tx, enumerate(bodies, numbers.first))
    facts = read_facts(stream, bodies)
    numbered = list(enumerate(facts, numbers.first))
    duplicates = count_facts(tx, numbered, feed_id=feed_id, store=store, stream=stream)
    late = {each.n for each in duplicates}
    has_points = kind is Feed.LOG and may_move_points(bodies)
    if has_points:
        add_points(tx, store, (body for n, body in enumerate(bodies, numbers.first) if n not in late))
    return Added(len(rows), duplicates, facts.count(None), has_points)


def check_past(read: Connection, batch: Batch, *, replica: int) -> None:
    """Raise ForkError where rows of a batch are held as others: another machine of that life was on the line meanwhile.

    Its sender holds what it says next, the returns of these sales, for known here.
    """
    rows = read.execute(
        """
        SELECT seq, body FROM fact
        WHERE replica = ? AND stream = (SELECT id FROM feed WHERE stream = ?) AND seq BETWEEN ? AND ?
        """,
        (replica, batch.stream, batch.after + 1, batch.last),
    )
    held: dict[int, bytes] = dict(rows.fetchall())
    if any(held.get(seq, body) != body for seq, body in batch.rows):
        raise ForkError(f"{batch.rep} {batch.stream}: {batch.last} and what follows from it are of another past of it")


def count_facts(
    tx: Connection, facts: Sequence[tuple[int, Fact | None]], *, feed_id: int, store: str, stream: str
) -> tuple[Duplicate, ...]:
    """Enter keys and sums of facts that are kept, by their numbers; note which nobody can read. Return those of known keys."""
    duplicates = _claim_keys(tx, feed_id, facts, owner=store if stream in NUMBERED_BY_STORE else "")
    known = {each.n for each in duplicates}
    if stream in SUMMED:
        _add_to_sums(tx, store, stream, (fact for n, fact in facts if fact is not None and n not in known))
    if named := [(fact.sale_id, n) for n, fact in facts if fact is not None and fact.sale_id and n not in known]:
        tx.executemany("INSERT INTO sale_return (sale_id, n) VALUES (?, ?)", named)
    if duplicates:
        add_sum(tx, store, "duplicates", stream, rows=len(duplicates), amount=0)
    if unread := [n for n, fact in facts if fact is None]:
        tried = fingerprint()
        tx.executemany("INSERT INTO unread (stream, n, tried) VALUES (?, ?, ?)", [(feed_id, n, tried) for n in unread])
    return duplicates


def _claim_keys(
    tx: Connection, feed_id: int, facts: Sequence[tuple[int, Fact | None]], *, owner: str
) -> tuple[Duplicate, ...]:
    """Enter the keys, those of `owner` apart from those of others; return the facts that came too late for theirs."""
    keyed = [(feed_id, key_of(owner, fact.key) if owner else fact.key, n) for n, fact in facts if fact and fact.key]
    entered = tx.executemany(
        "INSERT INTO fact_key (stream, key, n) VALUES (?, ?, ?) ON CONFLICT (stream, key) DO NOTHING", keyed
    ).rowcount
    if not keyed or entered == len(keyed):
        return ()
    first = dict(
        tx.execute(
            """
            SELECT fact_key.key, fact_key.n FROM json_each(?) AS asked CROSS JOIN fact_key
            WHERE fact_key.stream = ? AND fact_key.key = asked.value
            """,
            (json.dumps([key for _, key, _ in keyed]), feed_id),
        ).fetchall()
    )
    late = [(key, n) for _, key, n in keyed if first[key] != n]
    tx.executemany("INSERT INTO duplicate (stream, key, n) VALUES (?, ?, ?)", [(feed_id, key, n) for key, n in late])
    return tuple(Duplicate(key, n, first[key], _is_same(tx, feed_id, n, first[key])) for key, n in late)


def _is_same(tx: Connection, feed_id: int, n: int, first_n: int) -> bool:
    bodies = tx.execute("SELECT body FROM fact WHERE stream = ? AND n IN (?, ?)", (feed_id, n, first_n)).fetchall()
    return bool(bodies[0] == bodies[-1])


def _add_to_sums(tx: Connection, store: str, stream: str, facts: Iterable[Fact]) -> None:
    counts: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    for fact in facts:
        counts[fact.unit] += 1
        amounts[fact.unit] += fact.amount
    for unit, count in counts.items():
        add_sum(tx, store, stream, unit, rows=count, amount=amounts[unit])
