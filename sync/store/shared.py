"""Shared registers: the last row of each writer is kept, what stands is their merge, what lost is in `conflict`.

A row keeps its writer's bytes, so that it is passed on whole, cells of later versions included. `erased` sweeps the rows of all
writers and what lost. Functions of a write job. The merge itself is sync.merge.
"""

from collections.abc import Sequence
from contextlib import suppress
from sqlite3 import Connection
from typing import Any

import msgspec

from sync.clock import Stamp, effective, read_stamp
from sync.entities import REGISTRY
from sync.errors import RuleError
from sync.merge import ERASED, Merged, merge_cells
from sync.retail.lives.restamps import RestampRow
from sync.store.tables import Table, table_of

CONFLICTS_OF_KEY_MAX = 100  # losers kept of one register; when full the oldest goes


def take_shared(tx: Connection, table: Table, rows: Sequence[tuple[int, bytes, Any]], *, replica: int) -> int:
    """Take a writer's rows; return how many said something new. Any: the entity's row."""
    changed = 0
    for seq, body, row in rows:
        values = (*table.values_of(row), replica, seq, body.decode())
        if tx.execute(table.insert, values).rowcount:
            changed += 1
            note_conflicts(tx, table, values[: len(table.entity.key)], table.key_text(row))
    return changed


def standing_cells(read: Connection, table: Table, key: Sequence[Any]) -> Merged:
    """Return a shared register as it stands, by the stamps that count. Any: values of the key's columns."""
    where = " AND ".join(f"{column.name} = ?" for column in table.entity.key)
    found = read.execute(f"SELECT body FROM {table.entity.table} WHERE {where} ORDER BY replica", tuple(key))
    return merged_cells(read, table, key, [body for (body,) in found])


def merged_cells(read: Connection, table: Table, key: Sequence[Any], bodies: Sequence[str]) -> Merged:
    """Return a shared register as it stands, of the rows that were read of it. Any: as `standing_cells`."""
    rows = [table.decode(body.encode()).cells for body in bodies]
    restamps = _restamps(read, table, key) if len(rows) > 1 else {}  # of one writer's cells none gives way
    return merge_cells(rows, effective=lambda stamp: effective(stamp, restamps))


def note_conflicts(tx: Connection, table: Table, key: Sequence[Any], text: str) -> None:
    """Write down what lost; after `erased` nothing of the register is left but that."""
    merged, name = standing_cells(tx, table, key), table.entity.name
    if merged.is_erased:
        _sweep(tx, table, key, text, merged)
        return
    tx.executemany(
        """
        INSERT INTO conflict (entity, key, field, rep, physical_ms, logical, value) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (entity, key, field, rep) DO UPDATE SET
          physical_ms = excluded.physical_ms, logical = excluded.logical, value = excluded.value
        WHERE (excluded.physical_ms, excluded.logical) > (physical_ms, logical)
        """,
        [
            (name, text, lost.field, lost.cell.stamp.rep, lost.cell.stamp.physical_ms, lost.cell.stamp.logical, value)
            for lost in merged.lost
            if (value := msgspec.json.encode(lost.cell.value).decode())
        ],
    )
    tx.execute(
        """
        DELETE FROM conflict WHERE entity = ? AND key = ? AND (physical_ms, logical, rep, field) NOT IN (
          SELECT physical_ms, logical, rep, field FROM conflict WHERE entity = ? AND key = ?
          ORDER BY physical_ms DESC, logical DESC LIMIT ?
        )
        """,
        (name, text, name, text, CONFLICTS_OF_KEY_MAX),
    )


def look_again(tx: Connection, restamps: Sequence[RestampRow]) -> None:
    """Note what has lost since the cloud's stamps count."""
    for name, key in sorted({(row.entity, row.key) for row in restamps}):
        entity = REGISTRY.by_name.get(name)
        if entity is not None and entity.is_shared:
            note_conflicts(tx, table_of(entity), (key,), key)


def _restamps(read: Connection, table: Table, key: Sequence[Any]) -> dict[Stamp, Stamp]:
    found = read.execute(
        "SELECT was, now FROM restamp WHERE entity = ? AND key = ? AND gone = 0", (table.entity.name, str(key[0]))
    ).fetchall()
    restamps: dict[Stamp, Stamp] = {}
    for was, now in found:
        with suppress(RuleError):  # of a later version: nothing counts in the place of what it names
            restamps[read_stamp(was)] = read_stamp(now)
    return restamps


def _sweep(tx: Connection, table: Table, key: Sequence[Any], text: str, merged: Merged) -> None:
    where = " AND ".join(f"{column.name} = ?" for column in table.entity.key)
    cell = msgspec.json.encode({ERASED: merged.cells[ERASED]}).decode()
    tx.execute(f"UPDATE {table.entity.table} SET body = json_set(body, '$.cells', json(?)) WHERE {where}", (cell, *key))
    tx.execute("DELETE FROM conflict WHERE entity = ? AND key = ?", (table.entity.name, text))
