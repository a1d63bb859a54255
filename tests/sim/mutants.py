"""Planted faults: each takes one safeguard out of the product, and the simulator must notice within a few seeds.

A mutant is a context manager that patches a function or a constant of the product; `MUTANTS` maps its name to it and to the
options of the runs in which it must be found. To add one: a function below and a line in `MUTANTS`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from hub import books
from hub.store import sales
from sync import batch as batches
from sync import migrate, session
from sync.batch import START, Batch, Boundary, Gap, batch_of
from sync.cloud import facts, tallies
from sync.cloud import store as cloud_store
from sync.cloud.cursors import cursor_of
from sync.protocol import Ack
from sync.session import Apply, Send
from tests.sim import disk


class Mutant(NamedTuple):
    """How it is planted, and where it shows."""

    plant: Callable[[], AbstractContextManager[Any]]
    given: dict[str, str]


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a mutant in the product."""
    with MUTANTS[name].plant():
        yield


@contextmanager
def drop_sale_key() -> Iterator[None]:
    """The hub books whatever comes, also a sale that it has."""
    real = migrate.migrations

    def without_key(package: str) -> list[tuple[int, str]]:
        unique, free = "sale_id TEXT NOT NULL UNIQUE", "sale_id TEXT NOT NULL"
        return [(number, sql.replace(unique, free)) for number, sql in real(package)]

    def sale_job(replica: Any, shop: Any, sale: Any, *, print_to: Any, now_ms: int, warnings: Any = ()) -> Any:
        return lambda tx: sales._record(tx, replica, shop, sale, warnings, print_to=None, now_ms=now_ms)

    with ExitStack() as stack:
        stack.callback(disk.new_file.cache_clear)
        disk.new_file.cache_clear()
        stack.enter_context(patch.object(migrate, "migrations", without_key))
        stack.enter_context(patch.object(sales, "sale_job", sale_job))
        yield


def drop_fact_key() -> AbstractContextManager[Any]:
    """The cloud adds every fact that comes to its sums."""
    real = facts._claim_keys

    def claim_keys(*args: Any, **options: Any) -> tuple[()]:
        real(*args, **options)
        return ()

    return patch.object(facts, "_claim_keys", claim_keys)


def sum_tallies() -> AbstractContextManager[Any]:
    """Tallies are added where the larger one stands."""

    def merged(stored: bytes, arrived: bytes, one: Any, other: Any) -> bytes | None:
        import msgspec

        fields = msgspec.json.decode(arrived)
        return msgspec.json.encode(fields | {name: one.numbers[name] + other.numbers[name] for name in one.numbers})

    return patch.object(tallies, "merged", merged)


@contextmanager
def ack_before_commit() -> Iterator[None]:
    """A batch is acknowledged when it comes, not when it is durable."""
    real_receive, real_applied = session.Session.receive, session.Session.applied

    def receive(self: session.Session, frame: Any, now_ms: int, *, wall_ms: int) -> Any:
        effects = real_receive(self, frame, now_ms, wall_ms=wall_ms)
        if [type(each) for each in effects] == [Apply] and isinstance(frame, Batch):
            return [Send(Ack(frame.rep, frame.stream, frame.last, frame.digest)), *effects]
        return effects

    def applied(self: session.Session, batch: Batch, cursor: Boundary | Gap) -> Any:
        return [] if isinstance(cursor, Boundary) else real_applied(self, batch, cursor)

    with patch.object(session.Session, "receive", receive), patch.object(session.Session, "applied", applied):
        yield


def apply_across_gap() -> AbstractContextManager[Any]:
    """Rows behind a gap are taken as if nothing were missing."""
    real = batches.new_rows

    def new_rows(cursor: Boundary, batch: Batch, **options: Any) -> Any:
        rows = real(cursor, batch, **options)
        return batch.rows if isinstance(rows, Gap) else rows

    return patch.object(cloud_store, "new_rows", new_rows)


def skip_digest() -> AbstractContextManager[Any]:
    """Rows are taken without holding them against the batch's digest."""
    real = batches.new_rows

    def new_rows(cursor: Boundary, batch: Batch, **options: Any) -> Any:
        true = batch_of(batch.rep, batch.stream, batch.feed, Boundary(batch.after, cursor.digest), batch.rows)
        if batch.after == cursor.last:
            real(cursor, true, **options)
            return batch.rows
        return real(cursor, batch, **options)

    return patch.object(cloud_store, "new_rows", new_rows)


def mix_cursors() -> AbstractContextManager[Any]:
    """The cursor of one writer is used for another."""

    def of_any(tx: Any, replica: int, stream: str) -> Boundary:
        own = cursor_of(tx, replica, stream)
        if own != START:
            return own
        row = tx.execute(
            "SELECT last, digest FROM received WHERE stream = ? ORDER BY last LIMIT 1", (stream,)
        ).fetchone()
        return Boundary(*row) if row else START

    return patch.object(cloud_store, "cursor_of", of_any)


def forget_offered_digest() -> AbstractContextManager[Any]:
    """The end of a state range is sent with a digest of the moment, not with the one that was offered for it before."""
    real = books.offer

    def offer(tx: Any, replica: Any, stream: str, end: Boundary) -> bytes:
        real(tx, replica, stream, end)
        return end.digest

    return patch.object(books, "offer", offer)


def load_beyond_head() -> AbstractContextManager[Any]:
    """A batch takes what was written after its stream was chosen: effects may go before their causes."""
    return patch.object(books, "_up_to", lambda _head, rows: rows)


MUTANTS = {
    "drop_sale_key": Mutant(drop_sale_key, {}),
    "drop_fact_key": Mutant(drop_fact_key, {"roams": "1", "lost_answer_pct": "12"}),
    "sum_tallies": Mutant(sum_tallies, {}),
    "ack_before_commit": Mutant(ack_before_commit, {}),
    "apply_across_gap": Mutant(apply_across_gap, {"is_hostile": "1"}),
    "skip_digest": Mutant(skip_digest, {"is_hostile": "1"}),
    "mix_cursors": Mutant(mix_cursors, {}),
    "forget_offered_digest": Mutant(forget_offered_digest, {"is_hostile": "1"}),
    "load_beyond_head": Mutant(load_beyond_head, {"is_hostile": "0", "slow_send_pct": "70", "regret_pct": "70"}),
}
