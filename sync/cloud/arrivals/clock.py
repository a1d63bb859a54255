"""Stamps as they arrive: one from the far future stays in its row, and the cloud's own stamp counts in its place.

    within the bound    seen: the cloud's next stamp is larger
    far future          a row of `restamp`: what came, and what counts; kept as long as the writer's cell has that stamp, and told
                        to the writer's store, whose hubs keep the cell as well (sync.retail.lives.restamps)

The cloud's wall clock is the truth here; one that was never set judges nobody. Not here: how far is too far (sync.clock).
Functions of a write job, except `standing_register`.
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.batch import Row
from sync.clock import Clock, Contact, Stamp, effective
from sync.cloud.scopes.scopes import put_row
from sync.entities import REGISTRY
from sync.errors import RuleError
from sync.merge import Merged, merge_cells
from sync.model import Replica
from sync.retail.lives.restamps import RESTAMP, restamp_row
from sync.stamps import StampedCell, is_stamped, stamped_cells


class Restamped(Struct, frozen=True):
    """A cell whose stamp was replaced: what came and what counts."""

    entity: str
    key: str
    field: str
    was: Stamp
    now: Stamp


def take_stamps(
    tx: Connection, own: Replica, stream: str, rows: Sequence[Row], *, replica: int, now_ms: int
) -> tuple[Restamped, ...]:
    """See the stamps of a writer's rows; return those that were replaced just now."""
    if not is_stamped(stream):
        return ()
    try:
        clock = _load(tx, own.rep, now_ms)
    except RuleError:
        return ()
    replaced = []
    for each in stamped_cells(stream, rows):
        if _known(tx, each, replica) == each.stamp:
            continue
        clock, instead = clock.restamped(each.stamp, now_ms)
        if instead is not None:  # cells that were written at once stay so
            instead = _restamps(tx, each.entity, each.key).get(each.stamp, instead)
        if instead is None:
            tx.execute(
                "DELETE FROM restamp WHERE entity = ? AND key = ? AND field = ? AND replica = ?",
                (each.entity, each.key, each.field, replica),
            )
            continue
        replaced.append(Restamped(each.entity, each.key, each.field, each.stamp, instead))
        _note(tx, replaced[-1], replica, now_ms)
    _save(tx, clock)
    return tuple(replaced)


def next_stamp(tx: Connection, own: Replica, *, now_ms: int) -> Stamp:
    """Take a stamp for a cell that the cloud writes; raise RuleError (clock_range) when its wall clock was never set."""
    clock, stamp = _load(tx, own.rep, now_ms).now(now_ms)
    _save(tx, clock)
    return stamp


def tell_restamps(tx: Connection, own: Replica, store: str, restamped: Sequence[Restamped]) -> None:
    """Tell a store of stamps that count in the place of its own."""
    for each in restamped:
        put_row(tx, own, store, RESTAMP, restamp_row(each.entity, each.key, each.was, each.now))


def standing_register(read: Connection, entity_name: str, key: str) -> Merged:
    """Return a shared register as it stands here, by the stamps that count."""
    entity = REGISTRY.by_name[entity_name]
    bodies = read.execute(
        """
        SELECT body FROM tally JOIN feed ON feed.id = tally.stream
        WHERE feed.stream = ? AND key = ? ORDER BY replica
        """,
        (entity.stream, key),
    ).fetchall()
    restamps = _restamps(read, entity_name, key)
    decode = msgspec.json.Decoder(entity.row).decode
    rows = [getattr(decode(body), "cells") for (body,) in bodies]  # noqa: B009 - each entity has its own Struct
    return merge_cells(rows, effective=lambda stamp: effective(stamp, restamps))


def _restamps(read: Connection, entity: str, key: str) -> dict[Stamp, Stamp]:
    found = read.execute(
        """
        SELECT physical_ms, logical, rep, by_physical_ms, by_logical, by_rep FROM restamp
        WHERE entity = ? AND key = ?
        """,
        (entity, key),
    ).fetchall()
    return {Stamp(*row[:3]): Stamp(*row[3:]) for row in found}


def _load(tx: Connection, rep: str, now_ms: int) -> Clock:
    """Return the cloud's clock; raise RuleError (clock_range) when its wall clock was never set."""
    row = tx.execute("SELECT physical_ms, logical FROM clock WHERE id = 1").fetchone() or (0, 0)
    return Clock(rep=rep, physical_ms=row[0], logical=row[1], wall_ms=now_ms).contact(Contact(0, 0), now_ms)


def _save(tx: Connection, clock: Clock) -> None:
    tx.execute(
        """
        INSERT INTO clock (id, physical_ms, logical) VALUES (1, ?, ?)
        ON CONFLICT (id) DO UPDATE SET physical_ms = excluded.physical_ms, logical = excluded.logical
        """,
        clock.highest,
    )


def _known(tx: Connection, each: StampedCell, replica: int) -> Stamp | None:
    row = tx.execute(
        """
        SELECT physical_ms, logical, rep FROM restamp
        WHERE entity = ? AND key = ? AND field = ? AND replica = ?
        """,
        (each.entity, each.key, each.field, replica),
    ).fetchone()
    return Stamp(*row) if row else None


def _note(tx: Connection, done: Restamped, replica: int, now_ms: int) -> None:
    tx.execute(
        """
        INSERT INTO restamp
          (entity, key, field, replica, rep, physical_ms, logical, by_rep, by_physical_ms, by_logical, received_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (entity, key, field, replica) DO UPDATE SET
          rep = excluded.rep, physical_ms = excluded.physical_ms, logical = excluded.logical, by_rep = excluded.by_rep,
          by_physical_ms = excluded.by_physical_ms, by_logical = excluded.by_logical, received_ms = excluded.received_ms
        """,
        (
            done.entity,
            done.key,
            done.field,
            replica,
            done.was.rep,
            done.was.physical_ms,
            done.was.logical,
            done.now.rep,
            done.now.physical_ms,
            done.now.logical,
            now_ms,
        ),
    )
