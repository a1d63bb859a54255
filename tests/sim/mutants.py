"""Planted faults: each takes one safeguard out of the product, and the simulator must notice within a few seeds.

A mutant is a context manager that patches a function or a constant of the product; `MUTANTS` maps its name to it and to the
options of the runs in which it must be found. To add one: a function below and a line in `MUTANTS`.

All are killed here, none by a unit test alone. These need what most runs do not have:

    mutant                 killed by                    needs
    clock_wins_money       convergence                  a cloud whose clock goes back
    reuse_incarnation      it never settles             a restored card
    prune_before_ack       it never settles             hubs that forget after seconds (prunes=1)
    grant_after_sending    answered, rights             a crash between a grant and its ack
    give_back_twice        rights                       an order called off again (web_shop)
    unsure_beats_sure      member                       a hub that boots without the time
    drop_unknown           versions                     hubs of an older program (has_versions=1)
    adopt_twice            effects                      the same, and an upgrade
    adopt_later_versions_  versions                     the same
    keep_lost_rights       rights                       a restored cloud
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from hub import app, books
from hub import rights as shop_rights
from hub.store.replica.lives import Reborn
from hub.store.selling import sales
from hub.store.stock import rights as hub_rights
from hub.store.upkeep import retention as hub_retention
from hub.store.upkeep import scopes
from sync import batch as batches
from sync import clock, migrate, session
from sync.actions import Apply, Send
from sync.batch import START, Batch, Boundary, Gap
from sync.cloud import registers
from sync.cloud.arrivals import applying, facts, tallies
from sync.cloud.arrivals.cursors import Writer, writers_at
from sync.cloud.loyalty import coupons
from sync.cloud.rights import promises
from sync.entities import REGISTRY
from sync.protocol import Ack
from sync.retail.catalogue.registers import ProductRow
from sync.store import offering, retention, rows, tables
from sync.store.replicas import own_replica
from tests.sim import disk
from tests.sim.hub_node import HubNode

FIXED_BASE = 1


class Mutant(NamedTuple):
    """How it is planted, and where it shows."""

    plant: Callable[[], AbstractContextManager[Any]]
    given: dict[str, str]
    first_seed: int = FIXED_BASE  # one that finds it today, so that the others need not be run


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

    def sale_job(replica: Any, shop: Any, sale: Any, *, now_ms: int, context: Any, warnings: Any = (), **_: Any) -> Any:
        def job(tx: Any) -> Any:
            admitted = sales.admit(tx, shop, sale, now_ms=now_ms, context=context)
            return sales._record(tx, replica, shop, admitted, warnings, print_to=None, now_ms=now_ms)

        return job

    with ExitStack() as stack:
        stack.callback(disk.new_file.cache_clear)
        disk.new_file.cache_clear()
        stack.enter_context(patch.object(migrate, "migrations", without_key))
        stack.enter_context(patch.object(shop_rights, "sale_job", sale_job))
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
    real, real_check = batches.unproven_rows, batches.check_digest

    def unproven_rows(cursor: Boundary, batch: Batch, **options: Any) -> Any:
        rows = real(cursor, batch, **options)
        return batch.rows if isinstance(rows, Gap) else rows

    def check_digest(cursor: Boundary, batch: Batch, rows: Any) -> None:
        if batch.after <= cursor.last:
            real_check(cursor, batch, rows)

    return patch.multiple(applying, unproven_rows=unproven_rows, check_digest=check_digest)


def skip_digest() -> AbstractContextManager[Any]:
    """Rows are taken without holding them against the batch's digest."""
    return patch.object(applying, "check_digest", lambda _cursor, _batch, _rows: None)


def mix_cursors() -> AbstractContextManager[Any]:
    """The cursor of one writer is used for another."""

    def of_any(tx: Any, wanted: Any, *, now_ms: int) -> list[Writer]:
        return [
            _moved(tx, stream, writer)
            for (_, stream), writer in zip(wanted, writers_at(tx, wanted, now_ms=now_ms), strict=True)
        ]

    return patch.object(applying, "writers_at", of_any)


def _moved(tx: Any, stream: str, writer: Writer) -> Writer:
    row = tx.execute("SELECT last, digest FROM received WHERE stream = ? ORDER BY last LIMIT 1", (stream,)).fetchone()
    return writer if writer.cursor != START or row is None else msgspec.structs.replace(writer, cursor=Boundary(*row))


def forget_offered_digest() -> AbstractContextManager[Any]:
    """The end of a state range is sent with a digest of the moment, not with the one that was offered for it before."""
    real = offering.offer

    def offer(tx: Any, replica: Any, stream: str, end: Boundary) -> bytes:
        real(tx, replica, stream, end)
        return end.digest

    return patch.object(offering, "offer", offer)


def load_beyond_head() -> AbstractContextManager[Any]:
    """A batch takes what was written after its stream was chosen: effects may go before their causes."""
    return patch.object(offering, "_up_to", lambda _head, rows: rows)


def clock_wins_money() -> AbstractContextManager[Any]:
    """Of two prices the one with the later time stands, not the one with the larger (n, rep)."""
    real = registers.Registers.put

    def put(self: Any, row: Any, body: bytes, origin: int | None) -> None:
        stored = self._tx.execute(
            "SELECT changed_ms FROM register WHERE kind = 'price' AND sku = ?", (row.sku,)
        ).fetchone()
        if isinstance(row, ProductRow) or stored is None or stored[0] <= self._now_ms:
            real(self, row, body, origin)

    return patch.object(registers.Registers, "put", put)


@contextmanager
def reuse_incarnation() -> Iterator[None]:
    """A restored or copied hub goes on as who it was."""

    def begin_life(tx: Any, own: Any, **_: Any) -> Reborn | None:
        return Reborn(own, own, 0) if own_replica(tx) == own else None

    with patch.object(books, "begin_life", begin_life), patch.object(app, "begin_life", begin_life):
        yield


@contextmanager
def prune_before_ack() -> Iterator[None]:
    """Old rows are forgotten, whether the cloud holds them or not."""
    real_prune, real_logs = retention.prune_log, hub_retention._logs

    def prune_log(*args: Any, **options: Any) -> int:
        with patch.object(retention, "held_since", lambda *_: 2**53):
            return real_prune(*args, **options)

    def logs(*args: Any, **options: Any) -> list[Any]:
        with patch.object(hub_retention, "acked", lambda *_, **__: dict.fromkeys(REGISTRY.feeds, 2**53)):
            return list(real_logs(*args, **options))

    with patch.object(hub_retention, "prune_log", prune_log), patch.object(hub_retention, "_logs", logs):
        yield


@contextmanager
def grant_after_sending() -> Iterator[None]:
    """A grant is sent at once and made durable when the cloud has it: what dies in between has never granted."""
    real_grant, real_die = hub_rights.grant, HubNode.die
    said: dict[Any, dict[tuple[str, ...], dict[int, tuple[int, int]]]] = {}  # connection -> grant -> its versions

    def grant(tx: Any, own: Any, place: Any, taker: str, qty: int) -> None:
        real_grant(tx, own, place, taker, qty)
        seq, *version = tx.execute(
            "SELECT seq, granted, levels_seq FROM stock_grant WHERE (sku, location, giver, taker) = (?, ?, ?, ?)",
            (*place, own.rep, taker),
        ).fetchone()
        said.setdefault(tx, {}).setdefault((*place, own.rep, taker), {})[seq] = (version[0], version[1])

    def die(self: HubNode, why: str) -> None:
        real_die(self, why)
        _forget_grants(self.disk.connection, said.pop(self.disk.connection, {}))

    with patch.object(hub_rights, "grant", grant), patch.object(HubNode, "die", die):
        yield


def _forget_grants(file: Any, said: dict[tuple[str, ...], dict[int, tuple[int, int]]]) -> None:
    """Put back what stood when the cloud last acknowledged grants."""
    own = file.execute("SELECT id FROM replica WHERE own = 1").fetchone()
    if own is None or not said:
        return
    held = file.execute(
        "SELECT coalesce(max(last), 0) FROM acked WHERE replica = ? AND stream = 'grants'", own
    ).fetchone()[0]
    file.execute("BEGIN")
    for key, versions in said.items():
        for seq in sorted(seq for seq in versions if seq <= held)[-1:]:
            file.execute(
                "UPDATE stock_grant SET seq = ?, granted = ?, levels_seq = ? "
                "WHERE (sku, location, giver, taker) = (?, ?, ?, ?) AND replica = ?",
                (seq, *versions[seq], *key, *own),
            )
    file.execute("DELETE FROM stock_grant WHERE replica = ? AND seq > ?", (*own, held))
    file.execute("DELETE FROM offered WHERE replica = ? AND stream = 'grants' AND last > ?", (*own, held))
    file.execute("UPDATE stream SET seq = ? WHERE replica = ? AND name = 'grants'", (held, *own))
    file.execute("COMMIT")


@contextmanager
def give_back_twice() -> Iterator[None]:
    """A promise that is called off again is given back again."""
    real_find, real_write = promises.find_promise, promises.write_ending

    def find_promise(read: Any, promise_id: str) -> Any:
        found = real_find(read, promise_id)
        return found and (msgspec.structs.replace(found, ending="") if found.ending == "given_back" else found)

    def write_ending(tx: Any, own: Any, standing: Any, **said: Any) -> None:
        if (found := real_find(tx, standing.promise_id)) is not None and not found.ending:
            real_write(tx, own, standing, **said)

    with patch.object(promises, "find_promise", find_promise), patch.object(promises, "write_ending", write_ending):
        yield


def unsure_beats_sure() -> AbstractContextManager[Any]:
    """A clock that nobody has set stamps as if somebody had."""
    real = clock.Clock._advanced

    def advanced(self: clock.Clock, seen: Any) -> clock.Clock:
        after = real(msgspec.structs.replace(self, trust=clock.Trust.CONTACT), seen)
        return msgspec.structs.replace(after, trust=self.trust)

    return patch.object(clock.Clock, "_advanced", advanced)


def drop_unknown() -> AbstractContextManager[Any]:
    """What cannot be read is not kept."""
    return patch.object(rows, "keep_unknown", lambda *_, **__: None)


def adopt_twice() -> AbstractContextManager[Any]:
    """Rows that an upgrade applies count again."""
    real = app.adopt_unknown

    def adopt_unknown(tx: Any) -> Any:
        kept = tuple(body for (body,) in tx.execute("SELECT body FROM unknown_row WHERE key IS NULL"))
        taken, is_more = real(tx)
        return msgspec.structs.replace(taken, counted=kept), is_more

    return patch.object(app, "adopt_unknown", adopt_unknown)


def transfers_to_nobody() -> AbstractContextManager[Any]:
    """The cloud keeps what one branch has sent to another."""
    return patch.object(applying, "hand_on", lambda *_: False)


def keep_lost_rights() -> AbstractContextManager[Any]:
    """A shop goes on counting what a cloud that was restored has forgotten."""
    return patch.object(scopes, "forget_lost", lambda *_: None)


def adopt_later_versions_only() -> AbstractContextManager[Any]:
    """A register's version that stands already is not read anew: what it said more is lost."""
    return patch.object(tables.Table, "insert_anew", property(lambda table: table.insert))


def count_right_twice() -> AbstractContextManager[Any]:
    """Who holds a use of a coupon has redeemed by right as often again."""
    real = coupons.resolve

    def resolve(heard: Any, rights: Any, **options: Any) -> Any:
        return real(heard, {rep: 2 * count for rep, count in rights.items()}, **options)

    return patch.object(coupons, "resolve", resolve)


OLD_AND_NEW = {"has_versions": "1", "has_forks": "0", "heal_minutes": "10"}
SOON = {"heal_minutes": "10"}  # what never settles is known by then
MUTANTS = {
    "drop_sale_key": Mutant(drop_sale_key, {}, 6),
    "drop_fact_key": Mutant(drop_fact_key, {"roams": "1", "lost_answer_pct": "12"}, 3),
    "sum_tallies": Mutant(sum_tallies, {}),
    "ack_before_commit": Mutant(ack_before_commit, {}),
    "apply_across_gap": Mutant(apply_across_gap, {"is_hostile": "1"}, 9),
    "skip_digest": Mutant(skip_digest, SOON | {"is_hostile": "1"}, 3),
    "mix_cursors": Mutant(mix_cursors, SOON, 3),
    "forget_offered_digest": Mutant(forget_offered_digest, {"is_hostile": "1"}, 11),
    "load_beyond_head": Mutant(load_beyond_head, {"is_hostile": "0", "slow_send_pct": "70", "regret_pct": "70"}, 22),
    "clock_wins_money": Mutant(clock_wins_money, {"faults": "clock"}, 2),
    "reuse_incarnation": Mutant(
        reuse_incarnation, SOON | {"has_forks": "1", "faults": "restored", "is_hostile": "0", "roams": "0"}, 1
    ),
    "prune_before_ack": Mutant(
        prune_before_ack, SOON | {"prunes": "1", "faults": "partition", "is_hostile": "0", "has_forks": "0"}, 6
    ),
    "grant_after_sending": Mutant(grant_after_sending, {"faults": "power,failpoint,cut", "is_hostile": "0"}, 8),
    "give_back_twice": Mutant(give_back_twice, {"faults": "power,failpoint"}, 89),
    "unsure_beats_sure": Mutant(unsure_beats_sure, {"faults": "boot_1970,clock"}),
    "drop_unknown": Mutant(drop_unknown, OLD_AND_NEW, 6),
    "adopt_twice": Mutant(adopt_twice, OLD_AND_NEW, 6),
    "transfers_to_nobody": Mutant(transfers_to_nobody, {}, 2),
    "adopt_later_versions_only": Mutant(adopt_later_versions_only, OLD_AND_NEW, 6),
    "count_right_twice": Mutant(count_right_twice, {}, 4),
    "keep_lost_rights": Mutant(keep_lost_rights, SOON | {"has_forks": "1", "faults": "cloud_restored,cut,power"}, 5),
}
