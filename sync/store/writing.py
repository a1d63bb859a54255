"""What this replica writes itself, for any entity: a fact, a tally that grows, a version of a register, cells of a shared one.

Each takes its dot in the same job. Who may write what, and what it means, is with the entities. Functions of a write job.
"""

from collections.abc import Mapping
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from sync.clock import Stamp
from sync.kinds import Entity, Kind
from sync.merge import Cell, Merged
from sync.model import Dot, Replica
from sync.store.shared import note_conflicts, standing_cells
from sync.store.streams import append_fact, reserve_state_seqs
from sync.store.tables import table_of

Key = tuple[str | int, ...]


def record_fact(tx: Connection, replica: Replica, entity: Entity, *rows: Struct, **local: Any) -> Dot:
    """Write facts, and return the dot of the first; `local` gives columns that are no part of them. Raise
    sqlite3.IntegrityError for a known key.

    Whoever can be asked twice looks for the key first, and compares contents. Any: values of columns.
    """
    assert entity.kind is Kind.FACT and all(isinstance(row, entity.row) for row in rows)
    table, bodies = table_of(entity), [msgspec.json.encode(row) for row in rows]
    first = append_fact(tx, replica, entity.stream, *bodies)
    insert, many = table.insert.removesuffix(" ON CONFLICT DO NOTHING"), []
    for n, (row, body) in enumerate(zip(rows, bodies, strict=True)):
        values = dict(zip(table.names, table.fact_values(row, body), strict=True)) | local
        assert set(values) == set(table.names), f"{entity.name} has no column {set(values) - set(table.names)}"
        many.append((*(values[name] for name in table.names), replica.local_id, first.seq + n, body.decode()))
    tx.executemany(insert, many)
    return first


def grow_tally(tx: Connection, replica: Replica, entity: Entity, grown: Mapping[Key, tuple[int, ...]]) -> None:
    """Add to a tally's numbers, in the order in which they are declared; nothing in them is negative."""
    assert entity.kind is Kind.TALLY and all(number >= 0 for numbers in grown.values() for number in numbers)
    if not grown:
        return
    first = reserve_state_seqs(tx, replica, entity.stream, len(grown))
    tx.executemany(
        table_of(entity).grow,
        [(*key, *numbers, replica.local_id, first + n) for n, (key, numbers) in enumerate(sorted(grown.items()))],
    )


def put_version(tx: Connection, replica: Replica, entity: Entity, row: Struct) -> int:
    """Write a register as the next version of what stands; return its n. `row.n` does not matter."""
    assert entity.kind is Kind.REGISTER and not entity.is_shared and isinstance(row, entity.row)
    table = table_of(entity)
    values = table.values_of(row)
    where = " AND ".join(f"{column.name} = ?" for column in entity.key)
    before = tx.execute(f"SELECT n FROM {entity.table} WHERE {where}", values[: len(entity.key)]).fetchone()
    n: int = before[0] + 1 if before else 1
    seq = reserve_state_seqs(tx, replica, entity.stream, 1)
    gone = bool(getattr(row, "gone", False))
    written = tx.execute(table.insert, (*values, replica.local_id, seq, n, gone)).rowcount
    assert written == 1, "the next version is later than the one before"
    return n


def write_cells(
    tx: Connection, replica: Replica, entity: Entity, key: str, cells: Mapping[str, Any], *, stamp: Stamp
) -> Merged:
    """Write cells of a shared register, all with one stamp; return what stands then. Any: JSON.

    The row that is sent holds all cells that this replica ever wrote of the register.
    """
    assert entity.is_shared and stamp.rep == replica.rep
    table = table_of(entity)
    where = f"{entity.key[0].name} = ? AND replica = ?"
    mine = tx.execute(f"SELECT body FROM {entity.table} WHERE {where}", (key, replica.local_id)).fetchone()
    before: dict[str, Cell] = table.decode(mine[0].encode()).cells if mine else {}
    written = before | {field: Cell(value, stamp) for field, value in cells.items()}
    body = msgspec.json.encode({"v": 1, "key": key, "cells": dict(sorted(written.items()))}).decode()
    seq = reserve_state_seqs(tx, replica, entity.stream, 1)
    tx.execute(table.insert, (key, replica.local_id, seq, body))
    note_conflicts(tx, table, (key,), key)
    return standing_cells(tx, table, (key,))


def adopt_cells(tx: Connection, replica: Replica, entity: Entity, key: str, cells: Mapping[str, Cell]) -> bool:
    """Write cells of another writer, with the stamps that they have, into our own row; say whether any was later than ours."""
    assert entity.is_shared
    table = table_of(entity)
    where = f"{entity.key[0].name} = ? AND replica = ?"
    mine = tx.execute(f"SELECT body FROM {entity.table} WHERE {where}", (key, replica.local_id)).fetchone()
    before: dict[str, Cell] = table.decode(mine[0].encode()).cells if mine else {}
    later = {field: cell for field, cell in cells.items() if field not in before or before[field].stamp < cell.stamp}
    if not later:
        return False
    body = msgspec.json.encode({"v": 1, "key": key, "cells": dict(sorted((before | later).items()))}).decode()
    seq = reserve_state_seqs(tx, replica, entity.stream, 1)
    tx.execute(table.insert, (key, replica.local_id, seq, body))
    note_conflicts(tx, table, (key,), key)
    return True
