"""Logs lose their oldest rows: how far each was pruned (its *floor*), how long a peer has held it, what is left of a pruned fact.

    prunable          a fact older than its entity's `keep`, which the required peer has held for RECOVERY_DAYS
    pruned            always a prefix of the log: floor, digest there, opening balance and keys change with the rows, in one job
    left of a fact    its effects in `opening`, its key with content hash in `pruned_key`; one that did not stand: `pruned_second`

How long a peer has held a row is known by marks, one a day: a peer that was restored lowers them. A row whose date lies
in the future (a clock was wrong) is as old as its mark. A fact stays while one that it names stands here: causes go first.

Not here: who the required peer is, what else is thrown away (hub.store.upkeep.retention). Functions of a write job; one that
takes `read` runs on any connection. Source: the design, 3.2.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from sqlite3 import Connection
from typing import Any

import msgspec

from sync.batch import START, Boundary, Row
from sync.digest import roll
from sync.effects import effects_of
from sync.entities import REGISTRY
from sync.errors import ForkError
from sync.json_errors import NOT_JSON
from sync.kinds import Entity, Kind
from sync.model import Feed, Stream
from sync.opening import add_moves
from sync.store.cursors import receive_to
from sync.store.reading import rows_after
from sync.store.tables import table_of

DAY_MS = 86_400_000
RECOVERY_DAYS = 14  # a cloud that is restored from a copy of this age finds all rows that it has lost
FIRST_READ = 20
PRUNE_MAX = 500  # rows of one job: a sale never waits for more
KEYS_KEPT_DAYS = 400  # of facts, after these were pruned
UNKNOWN_KEEP_DAYS = 400  # rows that no version here could read; their effects are summed all the same
MARK_STEP_DAYS = 30  # of marks older than the recovery window one in so many days is kept
MARKS_KEPT_DAYS = 1200  # longer than anything that is kept for a time; one older mark stays
OFFERED_STEP = 1000  # rows between two boundaries of a log that are kept behind the recovery window
Range = tuple[int, str, int, int]
"""A writer's id, a stream, and the seqs (after, last]."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the owner of the rows knows: what of a fact is kept beside its key; whether one may not go yet, whatever its age; what
    else to write down of rows of a stream that go.
    """

    said: Callable[[Entity, bytes], str] = lambda _entity, _body: "{}"
    is_needed: Callable[[Connection, Entity, str], bool] = lambda _tx, _entity, _key: False
    note: Callable[[Connection, str, Sequence[Row]], None] = lambda _tx, _stream, _rows: None


def floor_of(read: Connection, replica: int, stream: str) -> Boundary:
    """Return up to where a log's rows are no more here; the start where all are."""
    row = read.execute("SELECT last, digest FROM floor WHERE replica = ? AND stream = ?", (replica, stream)).fetchone()
    return Boundary(*row) if row else START


def keep_days(stream: str) -> int | None:
    """Return for how many days the rows of a log are kept, None for ever: as long as its entity with the longest time."""
    entities = REGISTRY.of(stream)
    if not entities:
        return UNKNOWN_KEEP_DAYS
    if any(entity.kind is not Kind.FACT or entity.keep.days is None for entity in entities):
        return None
    return max(entity.keep.days or 0 for entity in entities)


def note_mark(tx: Connection, replica: int, stream: str, last: int, *, now_ms: int) -> None:
    """Note how far the required peer holds a stream now; marks that say nothing any more go."""
    dated = tx.execute(
        "SELECT noted_ms, last FROM ack_mark WHERE replica = ? AND stream = ? ORDER BY noted_ms", (replica, stream)
    ).fetchall()
    recovery_ms, floor = now_ms - RECOVERY_DAYS * DAY_MS, floor_of(tx, replica, stream).last
    gone = []
    old = [(at_ms, held) for at_ms, held in dated if at_ms <= recovery_ms]
    for (at_ms, _), (later_ms, later) in pairwise(old):
        is_same_month = at_ms // (MARK_STEP_DAYS * DAY_MS) == later_ms // (MARK_STEP_DAYS * DAY_MS)
        if is_same_month or later <= floor or at_ms < now_ms - MARKS_KEPT_DAYS * DAY_MS:
            gone.append((replica, stream, at_ms))
    tx.executemany("DELETE FROM ack_mark WHERE replica = ? AND stream = ? AND noted_ms = ?", gone)
    tx.execute(
        "UPDATE ack_mark SET last = ? WHERE replica = ? AND stream = ? AND last > ?", (last, replica, stream, last)
    )
    tx.execute(
        "INSERT INTO ack_mark (replica, stream, noted_ms, last) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (replica, stream, now_ms, last),
    )


def held_since(read: Connection, replica: int, stream: str, at_ms: int) -> int:
    """Return how far the required peer has held a stream since then, at least."""
    row = read.execute(
        "SELECT coalesce(max(last), 0) FROM ack_mark WHERE replica = ? AND stream = ? AND noted_ms <= ?",
        (replica, stream, at_ms),
    ).fetchone()
    return int(row[0])


def prune_log(tx: Connection, replica: int, stream: str, *, upto: int, now_ms: int, rule: Rule) -> int:
    """Prune up to PRUNE_MAX of the oldest rows of a log, none behind `upto`; return how many.

    Raise ForkError where rows are missing, or are not those that were offered or received: then nothing is pruned, and the audit
    has something to say.
    """
    days = keep_days(stream)
    if days is None:
        return 0
    floor = floor_of(tx, replica, stream)
    to = min(upto, held_since(tx, replica, stream, now_ms - RECOVERY_DAYS * DAY_MS))
    if to <= floor.last:
        return 0
    old_ms = now_ms - days * DAY_MS
    aged = held_since(tx, replica, stream, old_ms)
    rows: list[Row] = []
    for seq, body in _oldest(tx, replica, stream, floor.last):
        if seq > to or not _is_prunable(tx, stream, body, is_aged=seq <= aged, old_ms=old_ms, rule=rule):
            break
        rows.append((seq, body))
    if not rows:
        return 0
    end = _end(tx, replica, stream, floor, rows)
    reach = (replica, stream, floor.last, end.last)
    fold_away(tx, reach, rows, rule, now_ms=now_ms)
    set_floor(tx, replica, stream, end)
    return len(rows)


def fold_away(tx: Connection, reach: Range, rows: Sequence[Row], rule: Rule, *, now_ms: int) -> None:
    """Keep of these rows, all of the reach, what outlives them, and delete them."""
    rule.note(tx, reach[1], rows)
    _open_with(tx, reach, rows)
    _keep_keys(tx, reach, rule, now_ms=now_ms)
    _delete(tx, reach)


def set_floor(tx: Connection, replica: int, stream: str, at: Boundary) -> None:
    """Say up to where a log's rows are no more here."""
    tx.execute(
        """
        INSERT INTO floor (replica, stream, last, digest) VALUES (?, ?, ?, ?)
        ON CONFLICT (replica, stream) DO UPDATE SET last = excluded.last, digest = excluded.digest
        """,
        (replica, stream, at.last, at.digest),
    )


def thin_offered(tx: Connection, replica: int, stream: str, feed: Feed, *, now_ms: int) -> int:
    """Forget up to PRUNE_MAX boundaries behind the recovery window that no peer comes back to; return how many.

    A log keeps one in OFFERED_STEP rows, as the others are computed again from there, and none below its floor. A state stream
    keeps the one that was held when the window began: a peer restored to an older one is told everything anew, by a new life.
    """
    held = held_since(tx, replica, stream, now_ms - RECOVERY_DAYS * DAY_MS)
    floor, step = floor_of(tx, replica, stream).last, OFFERED_STEP if feed is Feed.LOG else 2**53
    return tx.execute(
        """
        DELETE FROM offered WHERE replica = ?1 AND stream = ?2 AND last IN (
          SELECT last FROM offered AS old
          WHERE replica = ?1 AND stream = ?2 AND last < ?3 AND (last <= ?4 OR ?5 = 2 << 52 OR EXISTS (
            SELECT 1 FROM offered AS near
            WHERE near.replica = ?1 AND near.stream = ?2 AND near.last >= old.last / ?5 * ?5 AND near.last < old.last
          ))
          ORDER BY last LIMIT ?6
        )
        """,
        (replica, stream, held, floor, step, PRUNE_MAX),
    ).rowcount


def note_hole(tx: Connection, replica: int, stream: str, *, after: int, last: int, now_ms: int) -> None:
    """Note that rows (after, last] of another's log will never come: nobody has them any more."""
    tx.execute(
        "INSERT INTO hole (replica, stream, after, last, noted_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (replica, stream, after, last, now_ms),
    )


def jump_to(tx: Connection, replica: int, stream: str, before: Boundary, to: Boundary, *, now_ms: int) -> Boundary:
    """Move the cursor of another's log over rows that will never come; return it. A cursor never goes back."""
    if to.last <= before.last:
        return before
    note_hole(tx, replica, stream, after=before.last, last=to.last, now_ms=now_ms)
    receive_to(tx, replica, stream, to)
    set_floor(tx, replica, stream, to)
    return to


def _oldest(tx: Connection, replica: int, stream: str, after: int) -> Iterator[Row]:
    """Yield up to PRUNE_MAX rows; few are read at first, as on most days few are old."""
    first = rows_after(tx, replica, stream, after, FIRST_READ)
    yield from first
    if len(first) == FIRST_READ:
        yield from rows_after(tx, replica, stream, first[-1][0], PRUNE_MAX - FIRST_READ)


def _is_prunable(tx: Connection, stream: str, body: bytes, *, is_aged: bool, old_ms: int, rule: Rule) -> bool:
    try:
        fields = msgspec.json.decode(body)
    except NOT_JSON:
        return is_aged
    entity = _entity_of(stream, fields)
    if entity is None:
        return is_aged
    at_ms = _date_ms(_at(fields, entity.dated)) if entity.dated else None
    if not is_aged and (at_ms is None or at_ms >= old_ms):
        return False
    if any(_stands(tx, REGISTRY.by_name[name.entity], _at(fields, name.path)) for name in entity.names):
        return False
    key = table_of(entity).key_text(table_of(entity).decode(body)) if entity.key else ""
    return not rule.is_needed(tx, entity, key)


def _entity_of(stream: str, fields: Any) -> Entity | None:
    """Any: JSON."""
    entities = REGISTRY.of(stream)
    if not isinstance(fields, dict):
        return None
    if len(entities) == 1:
        return entities[0]
    return next((each for each in entities if fields.get(each.row.__struct_config__.tag_field) == each.tag), None)


def _at(fields: Any, path: str) -> Any:
    """Any: JSON."""
    for name in path.split("."):
        fields = fields.get(name) if isinstance(fields, dict) else None
    return fields


def _date_ms(value: Any) -> int | None:
    """Any: JSON."""
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None


def _stands(tx: Connection, entity: Entity, key: Any) -> bool:
    """Any: JSON."""
    where = f"{entity.key[0].name} = ?"
    return tx.execute(f"SELECT 1 FROM {entity.table} WHERE {where}", (key,)).fetchone() is not None


def _end(tx: Connection, replica: int, stream: str, floor: Boundary, rows: Sequence[Row]) -> Boundary:
    """Return the boundary behind these rows, held against what is known of it."""
    digest = floor.digest
    for expected, (seq, body) in enumerate(rows, floor.last + 1):
        if seq != expected:
            raise ForkError(f"{stream}: row {expected} is missing, {seq} comes next; nothing is pruned before an audit")
        digest = roll(digest, body)
    end = Boundary(rows[-1][0], digest)
    for table in ("offered", "received"):
        known = tx.execute(
            f"SELECT digest FROM {table} WHERE replica = ? AND stream = ? AND last = ?", (replica, stream, end.last)
        ).fetchone()
        if known is not None and known[0] != digest:
            raise ForkError(f"{stream}: the rows up to {end.last} are not those that were sent; nothing is pruned")
    return end


def _open_with(tx: Connection, reach: Range, rows: Sequence[Row]) -> None:
    """Add what the rows did to the opening balances: as the cached stock had it, and as levels are folded."""
    replica, stream, _, _ = reach
    seconds = set(_seqs(tx, "second_row", reach))
    unknown = set(_seqs(tx, "unknown_row", reach))
    sums: dict[tuple[str, str], list[int]] = {}
    for seq, body in rows:
        is_counted = seq not in seconds and stream != Stream.DUPLICATES
        add_moves(sums, body, is_counted=is_counted, is_known=seq not in unknown)
    add_opening(tx, replica, stream, sums)


def add_opening(tx: Connection, replica: int, stream: str, sums: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Add [on_hand, received, issued, picked] by (sku, location) to the opening balances of a writer's log."""
    tx.executemany(
        """
        INSERT INTO opening (replica, stream, sku, location, on_hand, received, issued, picked) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (replica, stream, sku, location) DO UPDATE SET
          on_hand = on_hand + excluded.on_hand, received = received + excluded.received,
          issued = issued + excluded.issued, picked = picked + excluded.picked
        """,
        [(replica, stream, *place, *total) for place, total in sorted(sums.items()) if any(total)],
    )


def _seqs(tx: Connection, table: str, reach: Range) -> Iterator[int]:
    found = tx.execute(f"SELECT seq FROM {table} WHERE replica = ? AND stream = ? AND seq > ? AND seq <= ?", reach)
    return (seq for (seq,) in found)


def _keep_keys(tx: Connection, reach: Range, rule: Rule, *, now_ms: int) -> None:
    replica, stream, after, last = reach
    for entity in REGISTRY.of(stream):
        if not entity.key:
            continue
        table = table_of(entity)
        hashed = "content_hash" if "content_hash" in table.names else "NULL"
        unique = [column.name for column in entity.columns if column.is_unique]
        rows = tx.execute(
            f"SELECT {', '.join(['seq', 'body', hashed, *unique])} FROM {entity.table} "
            "WHERE replica = ? AND seq > ? AND seq <= ?",
            (replica, after, last),
        ).fetchall()
        kept = []
        for seq, text, content_hash, *values in rows:
            body = text.encode()
            key, fingerprint = table.key_text(table.decode(body)), content_hash or hash_of(body)
            kept.append((entity.name, key, fingerprint, replica, seq, now_ms, rule.said(entity, body)))
            kept += [
                (f"{entity.name}.{name}", value, b"", replica, seq, now_ms, json.dumps(key))
                for name, value in zip(unique, values, strict=True)
            ]
        tx.executemany(
            """
            INSERT INTO pruned_key (entity, key, content_hash, replica, seq, pruned_ms, said) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """,
            kept,
        )
    _keep_seconds(tx, reach, now_ms=now_ms)


def _keep_seconds(tx: Connection, reach: Range, *, now_ms: int) -> None:
    """Keep of rows that do not stand what a seal may make of them: under which key, and what they moved."""
    fell = tx.execute(
        "SELECT entity, seq, key, body FROM second_row WHERE replica = ? AND stream = ? AND seq > ? AND seq <= ?", reach
    ).fetchall()
    tx.executemany(
        """
        INSERT INTO pruned_second (replica, entity, seq, key, pruned_ms, stock) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        [
            (reach[0], entity, seq, key, now_ms, msgspec.json.encode(effects_of(body)).decode())
            for entity, seq, key, body in fell
        ],
    )


def hash_of(body: bytes) -> bytes:
    """Return what a fact without a hash of its own is known by."""
    return blake2b(body, digest_size=16).digest()


def _delete(tx: Connection, reach: Range) -> None:
    replica, stream, after, last = reach
    for entity in REGISTRY.of(stream):
        tx.execute(f"DELETE FROM {entity.table} WHERE replica = ? AND seq > ? AND seq <= ?", (replica, after, last))
    for table in ("second_row", "unknown_row"):
        tx.execute(f"DELETE FROM {table} WHERE replica = ? AND stream = ? AND seq > ? AND seq <= ?", reach)
