"""Facts as they arrive: union on the key. A second row under a key is kept apart, whole; which of the two stands is a rule of
sync.merge and not of who came first. Functions of a write job.

`second_row` holds what does not stand, so that a writer's log stays dense here and can be passed on.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from msgspec import Struct

from sync.batch import Row
from sync.entities import REGISTRY
from sync.kinds import Entity, Kind
from sync.merge import FactDot, standing
from sync.store.pruned_keys import dots_before
from sync.store.tables import Table, Values


class Duplicate(Struct, frozen=True):
    """Two facts under one key. `stands` and `fell` are their dots, `is_same` says that they say the same byte for byte.

    `column` is empty for the key; else the two have different keys and the same value there, and both count.
    """

    entity: str
    key: str
    stands: FactDot
    fell: FactDot
    is_same: bool
    column: str = ""


class Added(Struct, frozen=True):
    """What came of rows: whose bodies count from now on, whose do not any more, and what met another under its key."""

    counted: tuple[bytes, ...] = ()
    fallen: tuple[bytes, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()


class Fact(Struct, frozen=True):
    """A row that was read. Any: the columns of its table."""

    seq: int
    body: bytes
    key: str
    values: Values


def add_facts(tx: Connection, table: Table, facts: Sequence[Fact], *, replica: int, rep: str) -> Added:
    """Add a writer's facts that are not held yet."""
    held = _held(tx, table, replica, facts)
    new = [fact for fact in facts if fact.seq not in held]
    pruned = dots_before(tx, table.entity.name, [fact.key for fact in new]) if table.entity.key else {}
    if pruned:
        again = [fact for fact in new if fact.key in pruned]
        done = add_facts(tx, table, [fact for fact in new if fact.key not in pruned], replica=replica, rep=rep)
        return _beside_pruned(tx, table, again, pruned, done, replica=replica, rep=rep)
    entered = tx.executemany(table.insert, [(*f.values, replica, f.seq, f.body.decode()) for f in new]).rowcount
    if not new or entered == len(new):
        return Added(tuple(fact.body for fact in new))
    there = _held(tx, table, replica, new)
    settled = [_settle(tx, table, fact, replica=replica, rep=rep) for fact in new if fact.seq not in there]
    counted = [fact.body for fact in new if fact.seq in there]
    return Added(
        (*counted, *(body for each in settled for body in each.counted)),
        tuple(body for each in settled for body in each.fallen),
        tuple(found for each in settled for found in each.duplicates),
    )


def beside_pruned(tx: Connection, entity: str, key: str, pruned: FactDot, other: FactDot) -> Duplicate:
    """Say which of two rows under a key stands where the one is pruned, and has counted, and the other is kept apart."""
    stands = standing(pruned, other, _sealed(tx, (pruned.rep, other.rep)))
    return Duplicate(entity, key, stands, other if stands == pruned else pruned, is_same=False)


def second_rows(read: Connection, replica: int, stream: str, after: int, limit: int) -> list[Row]:
    """Return a writer's rows that do not stand, from behind a seq, in order."""
    return read.execute(
        "SELECT seq, body FROM second_row WHERE replica = ? AND stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (replica, stream, after, limit),
    ).fetchall()


def key_at(read: Connection, replica: int, stream: str, seq: int) -> str | None:
    """Return the key of the fact that stands at a dot."""
    for entity in REGISTRY.of(stream):
        if entity.kind is Kind.FACT and entity.key:
            row = read.execute(
                f"SELECT {entity.key[0].name} FROM {entity.table} WHERE replica = ? AND seq = ?", (replica, seq)
            ).fetchone()
            if row is not None:
                return str(row[0])
    return None


def settle_again(tx: Connection, table: Table, sealed: str) -> Added:
    """Let the rows of a writer that was sealed just now stand where another's stood; say it also of those that are pruned."""
    rows = tx.execute(
        """
        SELECT second_row.replica, seq, body FROM second_row JOIN replica ON replica.id = second_row.replica
        WHERE entity = ? AND store || ':' || incarnation = ?
        """,
        (table.entity.name, sealed),
    ).fetchall()
    settled = _settle_all(tx, table, [(replica, sealed, seq, body) for replica, seq, body in rows])
    apart = tx.execute(
        """
        SELECT second.key, pruned_key.seq, other.store || ':' || other.incarnation, second.seq
        FROM pruned_key JOIN replica ON replica.id = pruned_key.replica
        JOIN (
          SELECT entity, key, replica, seq FROM second_row UNION SELECT entity, key, replica, seq FROM pruned_second
        ) AS second ON second.entity = pruned_key.entity AND second.key = pruned_key.key
        JOIN replica AS other ON other.id = second.replica
        WHERE pruned_key.entity = ? AND replica.store || ':' || replica.incarnation = ? AND other.id <> replica.id
        """,
        (table.entity.name, sealed),
    ).fetchall()
    beside = [
        beside_pruned(tx, table.entity.name, key, FactDot(sealed, at), FactDot(rep, seq)) for key, at, rep, seq in apart
    ]
    return Added(settled.counted, settled.fallen, (*settled.duplicates, *beside, *_forgotten_again(tx, table, sealed)))


def _forgotten_again(tx: Connection, table: Table, sealed: str) -> list[Duplicate]:
    """Say which of two rows under a key stands of those that a sealed writer had lost and that are pruned."""
    fell = tx.execute(
        """
        SELECT key, seq FROM pruned_second JOIN replica ON replica.id = pruned_second.replica
        WHERE entity = ? AND store || ':' || incarnation = ?
        """,
        (table.entity.name, sealed),
    ).fetchall()
    return beside_forgotten(tx, table.entity, sealed, fell)


def beside_forgotten(tx: Connection, entity: Entity, writer: str, fell: Sequence[tuple[str, int]]) -> list[Duplicate]:
    """Say which of two rows under a key stands, for rows of a writer that had given way and are pruned, by key and seq."""
    there = dots_before(tx, entity.name, [key for key, _ in fell])
    if len(entity.key) == 1:
        name = entity.key[0].name
        there |= {
            key: (rep, seq)
            for key, rep, seq in tx.execute(
                f"""
                SELECT {name}, store || ':' || incarnation, seq FROM {entity.table} AS fact
                JOIN replica ON replica.id = fact.replica WHERE {name} IN (SELECT value FROM json_each(?))
                """,
                (json.dumps([key for key, _ in fell]),),
            )
        }
    return [
        beside_pruned(tx, entity.name, key, FactDot(*there[key]), FactDot(writer, seq))
        for key, seq in fell
        if key in there and there[key][0] != writer
    ]


def settle_beside(tx: Connection, table: Table, replica: int) -> Added:
    """Let another writer's row stand, where it should, beside the rows of a writer that were given new dots."""
    entity = table.entity
    rows = tx.execute(
        f"""
        SELECT second_row.replica, store || ':' || incarnation, second_row.seq, second_row.body
        FROM second_row JOIN replica ON replica.id = second_row.replica
        WHERE entity = ? AND second_row.replica <> ?
          AND key IN (SELECT {entity.key[0].name} FROM {entity.table} WHERE replica = ?)
        """,
        (entity.name, replica, replica),
    ).fetchall()
    return _settle_all(tx, table, rows)


def _settle_all(tx: Connection, table: Table, rows: Iterable[tuple[int, str, int, bytes]]) -> Added:
    done = [
        _settle(tx, table, read_fact(table, seq, body), replica=replica, rep=rep) for replica, rep, seq, body in rows
    ]
    return Added(
        tuple(body for each in done for body in each.counted),
        tuple(body for each in done for body in each.fallen),
        tuple(found for each in done for found in each.duplicates),
    )


def read_fact(table: Table, seq: int, body: bytes) -> Fact:
    """Return a fact of its bytes; raise msgspec.MsgspecError when they are none."""
    return fact_of(table, seq, body, table.decode(body))


def fact_of(table: Table, seq: int, body: bytes, row: Any) -> Fact:
    """Return a fact of a row that was decoded. Any: the entity's row, or the part of it that is wanted."""
    return Fact(seq, body, table.key_text(row), table.fact_values(row, body))


def _held(tx: Connection, table: Table, replica: int, facts: Sequence[Fact]) -> set[int]:
    """Return which of these dots are here, standing or not."""
    if not facts:
        return set()
    ends = (replica, min(fact.seq for fact in facts), max(fact.seq for fact in facts))
    standing = tx.execute(f"SELECT seq FROM {table.entity.table} WHERE replica = ? AND seq BETWEEN ? AND ?", ends)
    apart = tx.execute("SELECT seq, stream FROM second_row WHERE replica = ? AND seq BETWEEN ? AND ?", ends)
    return {seq for (seq,) in standing} | {seq for seq, stream in apart if stream == table.entity.stream}


def _settle(tx: Connection, table: Table, fact: Fact, *, replica: int, rep: str) -> Added:
    """Let one of two facts with a key stand."""
    entity = table.entity
    where = " AND ".join(f"{entity.table}.{column.name} = ?" for column in entity.key)
    found = tx.execute(
        f"""
        SELECT replica, replica.store || ':' || incarnation, seq, body
        FROM {entity.table} JOIN replica ON replica.id = {entity.table}.replica WHERE {where}
        """,
        fact.values[: len(entity.key)],
    ).fetchone()
    if found is None and (pruned := dots_before(tx, entity.name, [fact.key])):  # it has counted, whoever stands now
        before, mine = FactDot(*pruned[fact.key]), FactDot(rep, fact.seq)
        return Added(duplicates=() if before.rep == rep else (beside_pruned(tx, entity.name, fact.key, before, mine),))
    if found is None:
        return _enter_beside(tx, table, fact, replica=replica, rep=rep)
    there, body = FactDot(found[1], found[2]), found[3].encode()
    mine = FactDot(rep, fact.seq)
    stands = standing(there, mine, _sealed(tx, (there.rep, rep)))
    is_same = body == fact.body
    if stands == there:
        _put_apart(tx, entity.stream, entity.name, fact.key, (replica, fact.seq, fact.body))
        return Added(duplicates=(Duplicate(entity.name, fact.key, there, mine, is_same),))
    own_values, beside = _with_free_values(tx, table, fact, rep=rep, but=(found[0], there.seq))
    columns = [name for name, column in zip(table.names, entity.stored, strict=True) if not column.is_local]
    values = [value for value, column in zip(own_values, entity.stored, strict=True) if not column.is_local]
    tx.execute(
        "DELETE FROM second_row WHERE replica = ? AND stream = ? AND seq = ?", (replica, entity.stream, fact.seq)
    )
    tx.execute(
        f"UPDATE {entity.table} SET {', '.join(f'{name} = ?' for name in [*columns, 'replica', 'seq', 'body'])} "
        "WHERE replica = ? AND seq = ?",
        (*values, replica, fact.seq, fact.body.decode(), found[0], there.seq),
    )
    _put_apart(tx, entity.stream, entity.name, fact.key, (found[0], there.seq, body))
    return Added((fact.body,), (body,), (Duplicate(entity.name, fact.key, mine, there, is_same), *beside))


def _beside_pruned(
    tx: Connection,
    table: Table,
    facts: Sequence[Fact],
    pruned: Mapping[str, tuple[str, int]],
    done: Added,
    *,
    replica: int,
    rep: str,
) -> Added:
    """What was pruned under a key has counted here and goes on to; who gives way is told by the rule that holds for all."""
    entity, found = table.entity, []
    for fact in facts:
        _put_apart(tx, entity.stream, entity.name, fact.key, (replica, fact.seq, fact.body))
        dots = FactDot(*pruned[fact.key]), FactDot(rep, fact.seq)
        found.append(beside_pruned(tx, entity.name, fact.key, *dots))
    return Added(done.counted, done.fallen, (*done.duplicates, *found))


def _enter_beside(tx: Connection, table: Table, fact: Fact, *, replica: int, rep: str) -> Added:
    """Another key has the value of a column that should have been its own: both count, the later one under a longer name."""
    values, duplicates = _with_free_values(tx, table, fact, rep=rep)
    tx.execute(table.insert, (*values, replica, fact.seq, fact.body.decode()))
    return Added((fact.body,), (), duplicates)


def _with_free_values(
    tx: Connection, table: Table, fact: Fact, *, rep: str, but: tuple[int, int] = (0, 0)
) -> tuple[list[Any], tuple[Duplicate, ...]]:
    """Return a fact's columns, longer where another row (`but` one, by replica and seq) has what should be its own; name those.

    Any: columns of a STRICT table.
    """
    entity, duplicates, values = table.entity, [], list(fact.values)
    for at, column in enumerate(entity.stored):
        if not column.is_unique:
            continue
        other = tx.execute(
            f"""
            SELECT replica.store || ':' || incarnation, seq
            FROM {entity.table} JOIN replica ON replica.id = {entity.table}.replica
            WHERE {entity.table}.{column.name} = ? AND (replica, seq) <> (?, ?)
            """,
            (values[at], *but),
        ).fetchone()
        if other:
            values[at] = f"{values[at]}~{rep}~{fact.seq}"
            dots = FactDot(*other), FactDot(rep, fact.seq)
            duplicates.append(Duplicate(entity.name, fact.key, *dots, is_same=False, column=column.name))
    return values, tuple(duplicates)


def _put_apart(tx: Connection, stream: str, entity: str, key: str, row: tuple[int, int, bytes]) -> None:
    replica, seq, body = row
    tx.execute(
        "INSERT INTO second_row (replica, stream, seq, entity, key, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (replica, stream, seq, entity, key, body),
    )


def _sealed(tx: Connection, reps: Iterable[str]) -> dict[str, int]:
    """Return which of these lives have ended, and in which order as far as is known here.

    The order is that of the cloud's seals.
    """
    found = {}
    for rep in reps:
        row = tx.execute(
            """
            SELECT seal_place FROM former_life JOIN replica ON replica.id = former_life.replica
            WHERE seal_place IS NOT NULL AND store || ':' || incarnation = ?
            """,
            (rep,),
        ).fetchone()
        if row is not None:
            found[rep] = row[0]
    return found
