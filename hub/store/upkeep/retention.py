"""What this hub forgets, and when: facts that the cloud holds, boundaries, keys, local ledgers. One step is one small write job.

    facts of this store's lives     by their entity's `keep`, when the cloud has held them for the recovery window
    keys of pruned facts            KEYS_KEPT_DAYS after that: a till that repeats a sale later than this is told to ask a person;
                                    as long as a row that did not stand under one
    footfall, dwell                 by their `keep`: telemetry; where there is a cloud, only what it holds
    approvals                       JOBS_KEPT_DAYS after they expired
    reservations                    that were over JOBS_KEPT_DAYS ago
    print ledger                    jobs that ended JOBS_KEPT_DAYS ago: a reprint of an older sale is a job of its own
    which jobs printed a Z report   as long as the report itself
    suspended sales, conflicts, notes on them   ASIDE_KEPT_DAYS: a manager has had more than a year
    sensors                         that have said nothing for ASIDE_KEPT_DAYS, by clocks like ours: such a one begins anew
    boundaries that were offered    see sync.store.retention.thin_offered

A hub without a cloud is the only copy: it forgets no fact but telemetry. Source: the design, 3.2.
Not here: when it is done (hub.upkeep).
"""

from collections.abc import Iterator, Mapping, Sequence
from sqlite3 import Connection

from msgspec import Struct

from hub.store.catalogue.mirror import forget_changes
from sync.batch import Row
from sync.entities import REGISTRY
from sync.errors import ForkError
from sync.kinds import Entity, Kind
from sync.model import Feed, Replica, Stream
from sync.retail.selling.left import last_numbers, said_of
from sync.store.cursors import acked
from sync.store.retention import (
    DAY_MS,
    KEYS_KEPT_DAYS,
    PRUNE_MAX,
    RECOVERY_DAYS,
    Rule,
    held_since,
    keep_days,
    note_mark,
    prune_log,
    thin_offered,
)
from sync.store.streams import stream_heads

JOBS_KEPT_DAYS = 30
ASIDE_KEPT_DAYS = 400
BASKETS_KEPT_DAYS = 7
_HAS_NO_SECOND = """NOT EXISTS (
  SELECT 1 FROM pruned_second AS second WHERE second.entity = pruned_key.entity AND second.key = pruned_key.key
)"""
_AGED = {  # table -> (its key, its time column, what else must be true, days)
    "pruned_key": ("entity, key", "pruned_ms", _HAS_NO_SECOND, KEYS_KEPT_DAYS),
    "pruned_second": ("replica, entity, seq", "pruned_ms", "TRUE", KEYS_KEPT_DAYS),
    # no index by age: it would cost each print a page on the card, and this is asked once a day
    "print_job": ("id", "changed_ms", "state IN ('printed', 'failed', 'unknown')", JOBS_KEPT_DAYS),
    "approval": ("approval_id", "expires_ms", "TRUE", JOBS_KEPT_DAYS),
    "z_print": ("job_id", "queued_ms", "TRUE", ASIDE_KEPT_DAYS),
    "reservation": ("reservation_id", "expires_ms", "TRUE", JOBS_KEPT_DAYS),
    "reservation_line": ("reservation_id, sku", "expires_ms", "TRUE", JOBS_KEPT_DAYS),
    "attention_note": ("note_id", "noted_ms", "TRUE", ASIDE_KEPT_DAYS),
    "suspended_sale": ("sale_id, content_hash", "received_ms", "TRUE", ASIDE_KEPT_DAYS),
    "suspended_end": ("sale_id, content_hash", "ended_ms", "TRUE", ASIDE_KEPT_DAYS),
    "parked_basket": ("basket_id", "parked_ms", "TRUE", BASKETS_KEPT_DAYS),
    "conflict": ("entity, key, field, rep", "physical_ms", "TRUE", ASIDE_KEPT_DAYS),
    "point_burn": ("entity, key, member_id", "burned_ms", "TRUE", ASIDE_KEPT_DAYS),
    "footfall_sensor": ("sensor", "at_ms", "is_at_good", ASIDE_KEPT_DAYS),
}


class Step(Struct, frozen=True):
    """What a step has forgotten: rows by what they were. Nothing: there is nothing more to forget today."""

    forgotten: dict[str, int] = {}
    stopped: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows."""
        return sum(self.forgotten.values())


def note_marks(tx: Connection, own: Replica, *, peer: str | None, now_ms: int) -> None:
    """Note how far the cloud holds every stream of this store today; where there is none, how far telemetry is written."""
    if peer is None:
        written = stream_heads(tx, own)
        for stream in _telemetry():
            note_mark(tx, own.local_id, stream, written.get(stream, 0), now_ms=now_ms)
        return
    for stream, last in acked(tx, own, peer=peer).items():
        note_mark(tx, own.local_id, stream, last, now_ms=now_ms)
    for replica, stream, last in _received(tx, own):
        note_mark(tx, replica, stream, last, now_ms=now_ms)


def prune(tx: Connection, own: Replica, *, peer: str | None, now_ms: int) -> Step:
    """Forget up to PRUNE_MAX rows of one kind; `peer` is who must hold a fact first, None where there is nobody."""
    stopped: list[str] = []
    logs = ((own.local_id, each, 2**53) for each in _telemetry()) if peer is None else _logs(tx, own, peer=peer)
    for replica, stream, upto in logs:
        try:
            rows = prune_log(tx, replica, stream, upto=upto, now_ms=now_ms, rule=RULE)
        except ForkError as err:
            stopped.append(str(err))
            continue
        if rows:
            _forget_old_names(tx, replica, stream)
            return Step({stream: rows}, tuple(stopped))
    for name, rows in _others(tx, own, peer=peer, now_ms=now_ms):
        if rows:
            return Step({name: rows}, tuple(stopped))
    return Step({}, tuple(stopped))


def _is_needed(tx: Connection, entity: Entity, key: str) -> bool:
    """A receipt that still waits for its printer needs its sale."""
    if entity.name != "sale":
        return False
    found = tx.execute(
        "SELECT 1 FROM print_job WHERE state IN ('queued', 'printing') AND sale_id = ?", (key,)
    ).fetchone()
    return found is not None


def _logs(tx: Connection, own: Replica, *, peer: str) -> Iterator[tuple[int, str, int]]:
    """Yield (replica, stream, upto) of logs whose rows are kept for a time: causes first. What is not folded yet stays."""
    held, folded = acked(tx, own, peer=peer), _folded(tx, own)
    streams = [stream for stream, feed in REGISTRY.feeds.items() if feed is Feed.LOG and keep_days(stream) is not None]
    for stream in sorted(streams, key=_is_effect):
        moves = stream in REGISTRY.tables_with_effects
        yield own.local_id, stream, min(held.get(stream, 0), folded.get(stream, 0) if moves else 2**53)
    others = [each for each in _received(tx, own) if _is_log(tx, each[0], each[1])]
    yield from sorted(others, key=lambda each: _is_effect(each[1]))


def _telemetry() -> list[str]:
    """Return the logs that go without a cloud too."""
    logs = [stream for stream, feed in REGISTRY.feeds.items() if feed is Feed.LOG]
    return [stream for stream in logs if all(entity.keep.is_telemetry for entity in REGISTRY.of(stream))]


def _is_effect(stream: str) -> bool:
    return any(entity.names for entity in REGISTRY.of(stream))


def _is_log(tx: Connection, replica: int, stream: str) -> bool:
    """A stream that is not known here is taken for a log when none of its rows was kept as state."""
    feed = REGISTRY.feeds.get(stream)
    if feed is not None:
        return feed is Feed.LOG
    keyed = tx.execute(
        "SELECT 1 FROM unknown_row WHERE replica = ? AND stream = ? AND key IS NOT NULL LIMIT 1", (replica, stream)
    ).fetchone()
    return keyed is None


def _received(tx: Connection, own: Replica) -> list[tuple[int, str, int]]:
    """How far the cloud is known to hold what other lives wrote: what came from beside, up to the mark."""
    rows: list[tuple[int, str, int]] = tx.execute(
        """
        SELECT received.replica, received.stream, coalesce(confirmed.last, received.last)
        FROM received JOIN replica ON replica.id = received.replica
        LEFT JOIN confirmed ON confirmed.replica = received.replica AND confirmed.stream = received.stream
        WHERE replica.store = ? AND replica.own = 0 ORDER BY replica.id
        """,
        (own.store,),
    ).fetchall()
    return rows


def _folded(tx: Connection, own: Replica) -> dict[str, int]:
    return dict(tx.execute("SELECT stream, last FROM folded WHERE replica = ?", (own.local_id,)).fetchall())


def _forget_old_names(tx: Connection, replica: int, stream: str) -> None:
    """A dot of a former life that a receipt names leads nowhere once the fact has gone."""
    tx.execute(
        """
        DELETE FROM former_dot WHERE new_replica = ?1 AND stream = ?2
          AND new_seq <= (SELECT last FROM floor WHERE replica = ?1 AND stream = ?2)
        """,
        (replica, stream),
    )


def _note_receipts(tx: Connection, stream: str, rows: Sequence[Row]) -> None:
    """The numbers of a series go on from the last one that was pruned."""
    if stream != Stream.SALES:
        return
    note_numbers(tx, last_numbers(body for _, body in rows))


def note_numbers(tx: Connection, last: Mapping[tuple[str, str], int]) -> None:
    """Note the last number of each (till, series) whose sale is no more here."""
    tx.executemany(
        """
        INSERT INTO opening_receipt (till_id, series, last_n) VALUES (?, ?, ?)
        ON CONFLICT (till_id, series) DO UPDATE SET last_n = max(last_n, excluded.last_n)
        """,
        [(*name, n) for name, n in sorted(last.items()) if n],
    )


def _others(tx: Connection, own: Replica, *, peer: str | None, now_ms: int) -> Iterator[tuple[str, int]]:
    for entity in REGISTRY.entities:
        if (
            entity.kind is Kind.TALLY
            and entity.keep.days is not None
            and (peer is not None or entity.keep.is_telemetry)
        ):
            yield entity.stream, _prune_tally(tx, own, entity, peer=peer, now_ms=now_ms)
    if peer is not None:
        for stream, feed in REGISTRY.feeds.items():
            yield "offered", thin_offered(tx, own.local_id, stream, feed, now_ms=now_ms)
    for table, (key, column, also, days) in _AGED.items():
        yield (
            table,
            tx.execute(
                f"DELETE FROM {table} WHERE ({key}) IN "
                f"(SELECT {key} FROM {table} WHERE {also} AND {column} < ? LIMIT ?)",
                (now_ms - days * DAY_MS, PRUNE_MAX),
            ).rowcount,
        )
    yield "catalogue_change", forget_changes(tx, limit=PRUNE_MAX)
    yield (
        "offered",
        tx.execute(
            """
        DELETE FROM offered WHERE (replica, stream, last) IN (
          SELECT offered.replica, offered.stream, offered.last
          FROM offered JOIN former_life ON former_life.replica = offered.replica WHERE ended_ms < ? LIMIT ?
        )
        """,
            (now_ms - RECOVERY_DAYS * DAY_MS, PRUNE_MAX),
        ).rowcount,
    )


RULE = Rule(said=said_of, is_needed=_is_needed, note=_note_receipts)


def _prune_tally(tx: Connection, own: Replica, entity: Entity, *, peer: str | None, now_ms: int) -> int:
    dated = next(column.name for column in entity.key if column.path == entity.dated)
    assert entity.keep.days is not None
    settled = 2**53 if peer is None else held_since(tx, own.local_id, entity.stream, now_ms - RECOVERY_DAYS * DAY_MS)
    return tx.execute(
        f"""
        DELETE FROM {entity.table} WHERE (replica, seq) IN (
          SELECT replica, seq FROM {entity.table} WHERE {dated} < ? AND (replica <> ? OR seq <= ?) LIMIT ?
        )
        """,
        (now_ms - entity.keep.days * DAY_MS, own.local_id, settled, PRUNE_MAX),
    ).rowcount
