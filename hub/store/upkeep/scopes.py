"""What the cloud serves this store of a stream: rows that come into a scope and leave it, the snapshot, then the tail.

    first row of `catalogue@b` while `catalogue@a` is received   b is received from now on, the cursor of a is forgotten
    until the first `whole` of b                                 what a had stands on beside what b brings; all of b is noted
    the first `whole` of b                                       what b did not bring leaves, some hundred rows a job
    gone                                                         leaves
    put                                                          stands; what had left comes back, with the same version too

What leaves is hidden and kept, with its history: gone = 1, its seq negated. A row that this shop wrote itself leaves only when it
is named. A line that breaks goes on behind the cursor, which moves in the job of the rows; with the first `whole`, when all has
left. The same scope served by a new life of the cloud replaces nothing: what that life has lost comes back to it from here; but
of rights nobody tells it again, so that what it does not know of counts here no more.

Functions of a write job.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from sqlite3 import Connection
from typing import Any, NamedTuple

from hub.store.catalogue.catalogue import TakenRows, take_registers
from hub.store.catalogue.product_rows import derive_again, forget_derived
from hub.store.people.arrivals import members_arrived
from hub.store.stock.rights import forget_lost
from sync.batch import Row
from sync.entities import REGISTRY
from sync.json_errors import NOT_JSON
from sync.kinds import Entity, Kind
from sync.model import Stream
from sync.retail.catalogue.registers import PRODUCT
from sync.retail.lives.restamps import RESTAMP, RestampRow
from sync.retail.people.member_points import MEMBER_POINTS
from sync.retail.people.members import MEMBER, MemberRow
from sync.retail.stock.branch_levels import BRANCH_LEVEL
from sync.retail.stock.grants import GRANT, SPENT
from sync.retail.stock.transfer_requests import TRANSFER_REQUEST
from sync.scope_rows import Gone, PutBy, Whole, base_of, read_scope_row
from sync.store.replicas import replica_id
from sync.store.rows import Taken, apply_rows
from sync.store.shared import look_again
from sync.store.tables import table_of
from sync.store.unknown import keep_unknown

WALK_MAX = 500  # rows that are looked at in one job when a scope has been replaced: a sale waits for no more
RIGHTS = {entity.stream: entity for entity in (GRANT, SPENT)}
Key = tuple[str | int, ...]


class ScopedRows(NamedTuple):
    """What became of rows; `is_done` is false when the same batch has to be taken again before its cursor may move."""

    rows: TakenRows
    taken: Taken = Taken()
    is_done: bool = True


class _Scope(NamedTuple):
    base: str
    is_whole: bool
    keeps_seen: bool
    has_left: bool
    walk_entity: str
    walk_key: str


class _Sorted(NamedTuple):
    """The rows of a batch by what they say; puts by their writer, "" for the one who sends."""

    puts: dict[str, list[Row]]
    gone: dict[str, list[Key]]
    unread: list[Row]
    is_whole: bool


def take_scoped(
    tx: Connection, owner: int, stream: str, rows: Sequence[Row], *, currency: str, now_ms: int
) -> ScopedRows:
    """Take rows of a scope, `owner` being the cloud's replica here. The caller moves the cursor when it is done."""
    scope = _enter(tx, owner, stream)
    said = _sorted_out(rows)
    keys = _keys(scope.base, said) if scope.keeps_seen or scope.has_left else {}
    if scope.has_left:
        for name, found in keys.items():
            _come_back(tx, REGISTRY.by_name[name], found)
    told, taken = _put(tx, owner, scope.base, said, currency=currency, now_ms=now_ms)
    keep_unknown(tx, owner, stream, said.unread)
    if scope.keeps_seen:
        _see(tx, scope.base, keys)
    left = 0
    for name, found in said.gone.items():
        left += leave(tx, scope.base, name, found)
    is_done = True
    if said.is_whole and not scope.is_whole:
        walked, is_done = _leave_unseen(tx, scope) if scope.keeps_seen else (0, True)
        left += walked
        if is_done:
            _note_whole(tx, scope.base)
    return ScopedRows(TakenRows(told.changed + left, told.unusable + len(said.unread)), taken, is_done)


def leave(tx: Connection, base: str, entity: str, keys: Sequence[Key]) -> int:
    """Hide rows; return how many stood. A fact or a tally never leaves: it has counted."""
    found = _registers(base).get(entity)
    if found is None:
        return 0
    tx.execute("UPDATE scope SET has_left = 1 WHERE base = ?", (base,))
    tx.executemany(
        "DELETE FROM scope_seen WHERE base = ? AND entity = ? AND key = ?",
        [(base, entity, _text(key)) for key in keys],
    )
    if found is PRODUCT:
        skus = json.dumps([key[0] for key in keys])
        forget_derived(
            tx,
            tx.execute(
                "SELECT id, sku FROM product WHERE gone = 0 AND sku IN (SELECT value FROM json_each(?))", (skus,)
            ).fetchall(),
        )
    return tx.executemany(
        f"UPDATE {found.table} SET gone = 1, seq = -seq WHERE {_is_key(found)} AND gone = 0 AND seq > 0", keys
    ).rowcount


def _enter(tx: Connection, owner: int, stream: str) -> _Scope:
    """Return the scope that rows come from, begun if it is another one than before."""
    base = base_of(stream)
    before = tx.execute("SELECT replica, stream, is_whole, keeps_seen FROM scope WHERE base = ?", (base,)).fetchone()
    if before is None or before[:2] != (owner, stream):
        if before is not None and before[1] == stream:
            keeps_seen = bool(before[3] and not before[2])
        else:
            keeps_seen = _has_rows_of_others(tx, base)
        tx.execute(
            """
            INSERT INTO scope (base, replica, stream, is_whole, keeps_seen, has_left) VALUES (?, ?, ?, 0, ?, 0)
            ON CONFLICT (base) DO UPDATE SET
              replica = excluded.replica, stream = excluded.stream, is_whole = 0, keeps_seen = excluded.keeps_seen,
              walk_entity = '', walk_key = ''
            """,
            (base, owner, stream, keeps_seen),
        )
        tx.execute("DELETE FROM scope_seen WHERE base = ?", (base,))
        _forget_cursors(tx, owner, stream)
        if before is not None and base in RIGHTS:
            forget_lost(tx, RIGHTS[base], owner)
    row = tx.execute(
        "SELECT is_whole, keeps_seen, has_left, walk_entity, walk_key FROM scope WHERE base = ?", (base,)
    ).fetchone()
    return _Scope(base, bool(row[0]), bool(row[1]), bool(row[2]), row[3], row[4])


def _forget_cursors(tx: Connection, owner: int, stream: str) -> None:
    """What else this writer serves of the same stream begins anew should it come back: what left it meanwhile is not known."""
    base = base_of(stream)
    tx.execute(
        "DELETE FROM received WHERE replica = ? AND stream <> ? AND (stream = ? OR stream LIKE ? || '@%')",
        (owner, stream, base, base),
    )


def _sorted_out(rows: Sequence[Row]) -> _Sorted:
    said = _Sorted({}, {}, [], False)
    is_whole = False
    for seq, body in rows:
        try:
            row = read_scope_row(body)
        except NOT_JSON:
            said.unread.append((seq, body))
            continue
        if row is None:
            said.puts.setdefault("", []).append((seq, body))
        elif isinstance(row, PutBy):
            said.puts.setdefault(row.by, []).append((seq, bytes(row.row)))
        elif isinstance(row, Gone):
            if _is_known(row):
                said.gone.setdefault(row.entity, []).append(row.key)
            else:
                said.unread.append((seq, body))
        else:
            assert isinstance(row, Whole)
            is_whole = True
    return said._replace(is_whole=is_whole)


def _is_known(row: Gone) -> bool:
    entity = REGISTRY.by_name.get(row.entity)
    return entity is not None and len(entity.key) == len(row.key)


def _put(
    tx: Connection, owner: int, base: str, said: _Sorted, *, currency: str, now_ms: int
) -> tuple[TakenRows, Taken]:
    told, taken = TakenRows(0, 0), Taken()
    store = tx.execute("SELECT store FROM replica WHERE own = 1").fetchone()[0]
    for by, rows in said.puts.items():
        if by.rpartition(":")[0] == store:
            continue  # of this store itself: it knows better
        if base == Stream.CATALOGUE and not by:
            told = take_registers(tx, owner, rows, currency=currency)
            continue
        rep = by or _rep_of(tx, owner)
        found: Sequence[Row] = rows
        if base == BRANCH_LEVEL.stream:
            found = _of_others(rows, store)
            _forget_former_lives(tx, owner, BRANCH_LEVEL, found)
        for entity in (MEMBER_POINTS, TRANSFER_REQUEST):
            if base == entity.stream:
                _forget_former_lives(tx, owner, entity, found)
        writer = replica_id(tx, by, now_ms=now_ms) if by else owner
        taken += apply_rows(tx, base, found, replica=writer, rep=rep, is_owner=not by)
        if base == MEMBER.stream:
            members_arrived(tx, [row.key for row in _members(found)])
        if base == RESTAMP.stream:
            look_again(tx, [row for _, body in found if (row := _restamp(body)) is not None])
    return TakenRows(told.changed, told.unusable + taken.unread), taken


def _members(rows: Sequence[Row]) -> list[MemberRow]:
    found = []
    for _, body in rows:
        with suppress(*NOT_JSON):
            found.append(table_of(MEMBER).decode(body))
    return found


def _restamp(body: bytes) -> RestampRow | None:
    try:
        row: RestampRow = table_of(RESTAMP).decode(body)
    except NOT_JSON:
        return None
    return row


def _of_others(rows: Sequence[Row], store: str) -> Sequence[Row]:
    said = b"".join([body for _, body in rows])
    if (
        store.encode() not in said and b"\\" not in said
    ):  # as nearly always: the name stands nowhere, whatever way it is written
        return rows
    decode = table_of(BRANCH_LEVEL).decode
    found = []
    for seq, body in rows:
        try:
            if decode(body).store == store:
                continue
        except NOT_JSON:
            pass
        found.append((seq, body))
    return found


def _forget_former_lives(tx: Connection, owner: int, entity: Entity, rows: Sequence[Row]) -> None:
    """What a former life of the cloud summed up, or asked for, counts no more, however large its n."""
    lives = "SELECT count(*) FROM replica WHERE store = (SELECT store FROM replica WHERE id = ?)"
    if tx.execute(lives, (owner,)).fetchone()[0] == 1:
        return
    keys = _keys_of(entity.stream, rows).get(entity.name, [])
    tx.executemany(
        f"DELETE FROM {entity.table} WHERE {_is_key(entity)} AND replica <> ?", [(*key, owner) for key in keys]
    )


def _come_back(tx: Connection, entity: Entity, keys: Sequence[Key]) -> None:
    """Show rows that had left, as they were."""
    back = tx.executemany(
        f"UPDATE {entity.table} SET gone = 0, seq = -seq WHERE {_is_key(entity)} AND seq < 0", keys
    ).rowcount
    if back and entity is PRODUCT:
        derive_again(tx, [str(key[0]) for key in keys])


def _see(tx: Connection, base: str, keys: dict[str, list[Key]]) -> None:
    tx.executemany(
        "INSERT INTO scope_seen (base, entity, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(base, entity, _text(key)) for entity, found in keys.items() for key in found],
    )


def _leave_unseen(tx: Connection, scope: _Scope) -> tuple[int, bool]:
    """Look through the next rows for those that the new scope does not have; return how many left, and whether that is all."""
    entities = list(_registers(scope.base).values())
    names = [entity.name for entity in entities]
    at = names.index(scope.walk_entity) if scope.walk_entity in names else 0
    if not entities:
        return 0, True
    entity, after = entities[at], tuple(json.loads(scope.walk_key)) if scope.walk_key else None
    columns = ", ".join(column.name for column in entity.key)
    behind = f"WHERE ({columns}) > ({', '.join('?' * len(entity.key))})" if after else ""
    rows = tx.execute(
        f"""
        SELECT {columns}, gone = 0 AND replica.store <> (SELECT store FROM replica WHERE own = 1)
        FROM (SELECT {columns}, gone, replica AS writer FROM {entity.table} {behind} ORDER BY {columns} LIMIT ?)
        JOIN replica ON replica.id = writer ORDER BY {columns}
        """,
        (*(after or ()), WALK_MAX),
    ).fetchall()
    standing = {_text(row[:-1]): row[:-1] for row in rows if row[-1]}
    seen = tx.execute(
        "SELECT key FROM scope_seen WHERE base = ? AND entity = ? AND key IN (SELECT value FROM json_each(?))",
        (scope.base, entity.name, json.dumps(list(standing))),
    ).fetchall()
    for (key,) in seen:
        del standing[key]
    left = leave(tx, scope.base, entity.name, list(standing.values()))
    if len(rows) == WALK_MAX:
        _note_walk(tx, scope.base, entity.name, json.dumps(rows[-1][:-1]))
        return left, False
    if at + 1 < len(entities):
        _note_walk(tx, scope.base, names[at + 1], "")
        return left, False
    return left, True


def _note_walk(tx: Connection, base: str, entity: str, key: str) -> None:
    tx.execute("UPDATE scope SET walk_entity = ?, walk_key = ? WHERE base = ?", (entity, key, base))


def _note_whole(tx: Connection, base: str) -> None:
    tx.execute("UPDATE scope SET is_whole = 1, keeps_seen = 0, walk_entity = '', walk_key = '' WHERE base = ?", (base,))
    tx.execute("DELETE FROM scope_seen WHERE base = ?", (base,))


def _has_rows_of_others(tx: Connection, base: str) -> bool:
    ours = "SELECT id FROM replica WHERE store = (SELECT store FROM replica WHERE own = 1)"
    return any(
        tx.execute(f"SELECT 1 FROM {entity.table} WHERE replica NOT IN ({ours}) LIMIT 1").fetchone()
        for entity in _registers(base).values()
    )


def _keys(base: str, said: _Sorted) -> dict[str, list[Key]]:
    return _keys_of(base, [row for rows in said.puts.values() for row in rows])


def _keys_of(base: str, rows: Sequence[Row]) -> dict[str, list[Key]]:
    """Return the keys of the registers among these rows, by entity."""
    registers = _registers(base)
    decoders = {name: _key_decoder(entity) for name, entity in registers.items()}
    found: dict[str, list[Key]] = {}
    for _, body in rows:
        for name, (decode, key_of) in decoders.items():
            try:
                found.setdefault(name, []).append(key_of(decode(body)))
                break
            except NOT_JSON:
                continue
    return found


@cache
def _key_decoder(entity: Entity) -> Any:  # Any: (bytes -> the entity's Struct, that -> its key)
    table = table_of(entity)
    return table.decode, lambda row: tuple(table.values_of(row)[: len(entity.key)])


@cache
def _registers(base: str) -> dict[str, Entity]:
    """Entities whose rows come and go: not facts and tallies, which have counted, nor what is merged cell by cell."""
    return {
        entity.name: entity for entity in REGISTRY.of(base) if entity.kind is Kind.REGISTER and not entity.is_shared
    }


@cache
def _is_key(entity: Entity) -> str:
    return " AND ".join(f"{column.name} = ?" for column in entity.key)


def _rep_of(tx: Connection, replica: int) -> str:
    rep: str = tx.execute("SELECT store || ':' || incarnation FROM replica WHERE id = ?", (replica,)).fetchone()[0]
    return rep


def _text(key: Sequence[str | int]) -> str:
    return json.dumps(list(key), ensure_ascii=False)
