"""State rows as they arrive, the last of each (key, writer): of tallies the larger numbers, of registers that a store writes the
larger version. One that has changed moves to the end of its feed. A function of a write job.
"""

import json
from collections import Counter
from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.batch import Row
from sync.cloud.arrivals.cursors import add_sum, cursor_of, number_rows
from sync.cloud.arrivals.facts import Added, add_facts
from sync.cloud.arrivals.rows import SUMMED, Tally, merged, read_tally
from sync.json_errors import NOT_JSON
from sync.model import Feed
from sync.retail.visitors.footfall import FOOTFALL, FootfallRow
from sync.retail.visitors.former_footfall import FORMER_FOOTFALL, FormerFootfallRow
from sync.store.replicas import replica_id

_former = msgspec.json.Decoder(FormerFootfallRow)


class _Standing(Struct):
    """A tally as it stands after the rows before."""

    seq: int
    body: bytes
    tally: Tally
    is_changed: bool = False


def merge_tallies(tx: Connection, rows: Sequence[Row], *, store: str, replica: int, stream: str, now_ms: int) -> Added:
    """Merge a writer's rows into what is held of it; rows that cannot be read are kept beside."""
    readable = [(seq, body, tally) for seq, body in rows if (tally := read_tally(stream, body)) is not None]
    if len(readable) < len(rows):
        read = {seq for seq, _, _ in readable}
        odd = [row for row in rows if row[0] not in read]
        add_facts(tx, odd, store=store, replica=replica, stream=stream, kind=Feed.STATE, now_ms=now_ms)
    feed_id = number_rows(tx, stream, Feed.STATE, 0).feed_id
    standing = _held(tx, feed_id, replica, stream, {tally.key for _, _, tally in readable})
    grown: Counter[str] = Counter()
    for seq, body, tally in readable:
        before = standing.get(tally.key)
        after = body if before is None else merged(before.body, body, before.tally, tally)
        if after is not None:
            now = tally if after is body else read_tally(stream, after)
            assert now is not None
            grown.update(now.numbers)
            if before is not None:
                grown.subtract(before.tally.numbers)
            standing[tally.key] = _Standing(seq, after, now, is_changed=True)
    changed = sorted((each for each in standing.values() if each.is_changed), key=lambda each: each.seq)
    _write(tx, changed, stream=stream, replica=replica, now_ms=now_ms)
    if stream in SUMMED:
        for name, number in grown.items():
            add_sum(tx, store, f"{stream}_{name}", "", rows=0, amount=number)
    return Added(len(rows), unread=len(rows) - len(readable))


def merge_former_footfall(tx: Connection, rows: Sequence[Row], *, store: str, replica: int, now_ms: int) -> Added:
    """Merge what a life tells of one that has ended into that one's own windows; of lives of its store only.

    Its cursor stays: these are no rows of its stream. See sync.cloud.scopes.scope_visitors for who hears of them.
    """
    by_life: dict[str, list[bytes]] = {}
    odd: list[Row] = []
    for seq, body in rows:
        row = _read_former(body)
        if row is None or row.of.rpartition(":")[0] != store:
            odd.append((seq, body))
        else:
            window = FootfallRow(entrance=row.entrance, quarter=row.quarter, entered=row.entered, exited=row.exited)
            by_life.setdefault(row.of, []).append(msgspec.json.encode(window))
    if odd:
        stream = FORMER_FOOTFALL.stream
        add_facts(tx, odd, store=store, replica=replica, stream=stream, kind=Feed.STATE, now_ms=now_ms)
    for rep, windows in by_life.items():
        life = replica_id(tx, rep, now_ms=now_ms)
        at = cursor_of(tx, life, FOOTFALL.stream).last
        ended = [(at, window) for window in windows]
        merge_tallies(tx, ended, store=store, replica=life, stream=FOOTFALL.stream, now_ms=now_ms)
    return Added(len(rows), unread=len(odd))


def _held(tx: Connection, feed_id: int, replica: int, stream: str, keys: set[str]) -> dict[str, _Standing]:
    rows = tx.execute(
        """
        SELECT tally.key, tally.seq, tally.body FROM json_each(?) AS asked CROSS JOIN tally
        WHERE tally.stream = ? AND tally.replica = ? AND tally.key = asked.value
        """,
        (json.dumps(sorted(keys)), feed_id, replica),
    ).fetchall()
    held = {}
    for key, seq, body in rows:
        tally = read_tally(stream, body)
        assert tally is not None, "what was merged was read"
        held[key] = _Standing(seq, body, tally)
    return held


def _write(tx: Connection, changed: Sequence[_Standing], *, stream: str, replica: int, now_ms: int) -> None:
    numbers = number_rows(tx, stream, Feed.STATE, len(changed))
    tx.executemany(
        """
        INSERT INTO tally (stream, key, replica, n, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (stream, key, replica) DO UPDATE SET
          n = excluded.n, seq = excluded.seq, received_ms = excluded.received_ms, body = excluded.body
        """,
        [
            (numbers.feed_id, each.tally.key, replica, n, each.seq, now_ms, each.body)
            for n, each in enumerate(changed, numbers.first)
        ],
    )


def _read_former(body: bytes) -> FormerFootfallRow | None:
    try:
        row: FormerFootfallRow = _former.decode(body)
    except NOT_JSON:
        return None
    return row
