"""Members of a region: what one shop writes of them the others of its region get, under its writer's name.

    members         cells of the register, as each writer says them; with them the stamps that count in the place of others
    people          identities, links, undos, consents
    identity_keys   the chain's keys, to each shop of a region; a shop's own, from before it was joined, to the others

Erased members are swept here as at the shops: rows of all writers keep the `erased` cell alone, in what is held and in what is
sent. Functions of a write job. Source: the design, 3.2 (Personal data), 3.4 (scopes).
"""

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from sync.batch import Batch, Row
from sync.cloud.arrivals.clock import Restamped, standing_register, tell_restamps
from sync.cloud.arrivals.rows import key_of
from sync.cloud.loyalty.member_cells import own_rows
from sync.cloud.loyalty.nearness import is_near
from sync.cloud.scopes.scope_definitions import member_scope
from sync.cloud.scopes.scopes import Numbers, Served, Written, put_body, put_bytes, served, write_rows
from sync.json_errors import NOT_JSON
from sync.kinds import Entity
from sync.merge import ERASED
from sync.model import Replica
from sync.retail.people.consents import CONSENT, ConsentFact
from sync.retail.people.identities import IDENTITY, IDENTITY_KEY, IdentityFact, IdentityKeyRow
from sync.retail.people.members import MEMBER, MemberRow
from sync.retail.people.people import LINK, UNDO, LinkFact, UndoFact
from sync.scope_rows import AT
from sync.store.tables import table_of

MEMBERS, PEOPLE, KEYS = MEMBER.stream, IDENTITY.stream, IDENTITY_KEY.stream
FILL_MAX = 1000  # rows that are held in memory while a new scope is filled
_ENTITY_OF: dict[type, Entity] = {
    IdentityFact: IDENTITY,
    LinkFact: LINK,
    UndoFact: UNDO,
    ConsentFact: CONSENT,
    MemberRow: MEMBER,
}
_people = msgspec.json.Decoder(IdentityFact | LinkFact | UndoFact | ConsentFact)
_member = msgspec.json.Decoder(MemberRow)
_key = msgspec.json.Decoder(IdentityKeyRow)


def share_members(
    tx: Connection, own: Replica, batch: Batch, rows: Sequence[Row], restamped: Sequence[Restamped] = ()
) -> bool:
    """Take the new rows of a store's batch where its region may see them; say whether anybody gets something."""
    store, rep, stream = batch.rep.rpartition(":")[0], batch.rep, batch.stream
    if stream == KEYS:
        return _share_keys(tx, own, store, rep, rows)
    if stream not in (MEMBERS, PEOPLE):
        return False
    if stream == MEMBERS:
        sweep_erased(tx, _member_ids(rows))
    scopes = [each for each in served(tx, stream) if store in member_scope(each.definition).stores]
    if not scopes:
        return False
    numbers = Numbers(tx, own, stream)
    for scope in scopes:
        write_rows(tx, numbers, scope.id, list(written(numbers, rep, _standing(tx, stream, rows))))
    numbers.close()
    for other in _region(tx, store):
        tell_restamps(tx, own, other, restamped)
    return True


def fill_members(tx: Connection, own: Replica, scope: Served) -> None:
    """Put into a new scope what its stores have written of members."""
    _fill(tx, own, scope, MEMBERS, "tally")
    numbers = Numbers(tx, own, MEMBERS)
    stores = member_scope(scope.definition).stores
    write_rows(
        tx, numbers, scope.id, list(written(numbers, own.rep, [(0, body) for body in own_rows(tx, own, stores)]))
    )
    numbers.close()


def fill_people(tx: Connection, own: Replica, scope: Served) -> None:
    """Put into a new scope the facts that its stores have written of people, and the cloud of members that they know."""
    _fill(tx, own, scope, PEOPLE, "fact")
    numbers = Numbers(tx, own, PEOPLE)
    stores = member_scope(scope.definition).stores
    said = tx.execute(
        """
        SELECT web_fact.member_id, web_fact.other, fact.body FROM web_fact JOIN fact ON fact.n = web_fact.n
        WHERE fact.stream = (SELECT id FROM feed WHERE stream = ?) ORDER BY fact.n
        """,
        (PEOPLE,),
    ).fetchall()
    bodies = [(0, body) for member, other, body in said if is_near(tx, {member, other} - {""}, stores)]
    write_rows(tx, numbers, scope.id, list(written(numbers, own.rep, bodies)))
    numbers.close()


def sweep_erased(tx: Connection, member_ids: Iterable[str]) -> int:
    """Leave nothing of those of these members who are erased but that they are; return how many are."""
    swept = 0
    for member_id in sorted(set(member_ids)):
        merged = standing_register(tx, MEMBER.name, member_id)
        if not merged.is_erased:
            continue
        swept += 1
        cells = {ERASED: merged.cells[ERASED]}
        held = "FROM tally JOIN feed ON feed.id = tally.stream WHERE tally.key = ? AND feed.stream = ?"
        for *place, body in tx.execute(
            f"SELECT tally.stream, tally.n, tally.body {held}", (member_id, MEMBERS)
        ).fetchall():
            row = msgspec.json.decode(body) | {"cells": cells}
            tx.execute("UPDATE tally SET body = ? WHERE stream = ? AND n = ?", (msgspec.json.encode(row), *place))
        begin = json.dumps([member_id], ensure_ascii=False)[:-1]
        sent = tx.execute(
            """
            SELECT scope, seq, body FROM scope_row
            WHERE state = 'put' AND scope IN (SELECT id FROM scope WHERE base = ?) AND entity = ?
              AND key >= ? || ',' AND key < ? || '-'
            """,
            (MEMBERS, MEMBER.name, begin, begin),
        ).fetchall()
        for *place, body in sent:
            put = msgspec.json.decode(body)
            put["row"]["cells"] = cells
            tx.execute("UPDATE scope_row SET body = ? WHERE scope = ? AND seq = ?", (msgspec.json.encode(put), *place))
    return swept


def ensure_keys(tx: Connection, own: Replica, stores: Iterable[str], *, fresh: IdentityKeyRow) -> bool:
    """Give each of these stores the chain's keys, `fresh` where there is none yet, and those of its region's shops."""
    keys = chains_keys(tx) or [fresh]
    is_grown = False
    for store in sorted(set(stores)):
        is_grown |= _give_keys(tx, own, store, keys)
    for store, rep, body in _stores_keys(tx):
        is_grown |= _share_keys(tx, own, store, rep, [(0, body)])
    return is_grown


def rotate(tx: Connection, own: Replica, stores: Iterable[str], *, fresh: IdentityKeyRow) -> bool:
    """Give each of these stores one more key, under which it writes from now on; the former ones still find."""
    given = [_give_keys(tx, own, store, [fresh]) for store in sorted(set(stores))]
    return any(given)


def _fill(tx: Connection, own: Replica, scope: Served, stream: str, table: str) -> None:
    numbers = Numbers(tx, own, stream)
    stores = json.dumps(member_scope(scope.definition).stores)
    after = 0
    while True:
        found = tx.execute(
            f"""
            SELECT {table}.n, replica.store || ':' || replica.incarnation, {table}.body
            FROM feed JOIN {table} ON {table}.stream = feed.id JOIN replica ON replica.id = {table}.replica
            WHERE feed.stream = ? AND {table}.n > ? AND replica.store IN (SELECT value FROM json_each(?))
            ORDER BY {table}.n LIMIT ?
            """,
            (stream, after, stores, FILL_MAX),
        ).fetchall()
        rows = [written for _, rep, body in found for written in written(numbers, rep, [(0, body)])]
        write_rows(tx, numbers, scope.id, rows)
        if len(found) < FILL_MAX:
            break
        after = found[-1][0]
    numbers.close()


def _standing(tx: Connection, stream: str, rows: Sequence[Row]) -> list[Row]:
    """A member's row as it stands after the sweep; a fact as it came."""
    if stream != MEMBERS:
        return list(rows)
    erased = {each for each in _member_ids(rows) if standing_register(tx, MEMBER.name, each).is_erased}
    found = []
    for seq, body in rows:
        row = _read(_member, body)
        if row is not None and row.key in erased:
            merged = standing_register(tx, MEMBER.name, row.key)
            body = msgspec.json.encode(MemberRow(key=row.key, cells={ERASED: merged.cells[ERASED]}))  # noqa: PLW2901
        found.append((seq, body))
    return found


def written(numbers: Numbers, rep: str, rows: Sequence[Row]) -> Iterable[Written]:
    """Yield the rows of a scope; a member has one of each writer, so the writer is in the key."""
    for _, body in rows:
        row = _read(_member, body) or _read(_people, body)
        if row is None:
            continue
        entity = _ENTITY_OF[type(row)]
        carried = put_body(body, by=rep)
        seq = numbers.next(carried)
        yield Written(entity.name, key_of(table_of(entity).key_text(row), rep), seq, numbers.digest, "put", carried)


def _region(tx: Connection, store: str) -> list[str]:
    """Return the other stores that see what a store writes of members."""
    rows = tx.execute(
        """
        SELECT scope_of.store, scope.definition FROM scope_of JOIN scope ON scope.id = scope_of.scope
        WHERE scope.base = ? AND scope.definition <> '' ORDER BY scope_of.store
        """,
        (MEMBERS,),
    ).fetchall()
    return [other for other, said in rows if other != store and store in member_scope(said).stores]


def _share_keys(tx: Connection, own: Replica, store: str, rep: str, rows: Sequence[Row]) -> bool:
    is_grown = False
    for other in _region(tx, store):
        for _, body in rows:
            row = _read(_key, body)
            if row is not None and not _has_key(tx, other, row.key_id):
                put_bytes(tx, own, other, KEYS, IDENTITY_KEY.name, row.key_id, body, by=rep)
                is_grown = True
    return is_grown


def _give_keys(tx: Connection, own: Replica, store: str, keys: Sequence[IdentityKeyRow]) -> bool:
    missing = [key for key in keys if not _has_key(tx, store, key.key_id)]
    for key in missing:
        put_bytes(tx, own, store, KEYS, IDENTITY_KEY.name, key.key_id, msgspec.json.encode(key))
    return bool(missing)


def _has_key(tx: Connection, store: str, key_id: str) -> bool:
    found = tx.execute(
        "SELECT 1 FROM scope_row JOIN scope ON scope.id = scope_row.scope WHERE scope.stream = ? AND entity = ? AND key = ?",
        (f"{KEYS}{AT}{store}", IDENTITY_KEY.name, key_id),
    ).fetchone()
    return found is not None


def chains_keys(tx: Connection) -> list[IdentityKeyRow]:
    """Return the chain's keys; none where no store shares its members."""
    rows = tx.execute(
        """
        SELECT DISTINCT scope_row.key, scope_row.body FROM scope_row JOIN scope ON scope.id = scope_row.scope
        WHERE scope.base = ? AND scope_row.entity = ? ORDER BY scope_row.key
        """,
        (KEYS, IDENTITY_KEY.name),
    ).fetchall()
    known = {key: row for key, body in rows if (row := _read(_key, body)) is not None and row.is_chains}
    return list(known.values())


def known_keys(read: Connection) -> list[IdentityKeyRow]:
    """Return every key under which an identity may be hashed: the chain's, and those of shops from before they were joined."""
    own = [row for _, _, body in _stores_keys(read) if (row := _read(_key, body)) is not None]
    return [*chains_keys(read), *own]


def _stores_keys(tx: Connection) -> list[tuple[str, str, bytes]]:
    return tx.execute(
        """
        SELECT replica.store, replica.store || ':' || replica.incarnation, tally.body
        FROM feed JOIN tally ON tally.stream = feed.id JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ? ORDER BY tally.n
        """,
        (KEYS,),
    ).fetchall()


def _member_ids(rows: Sequence[Row]) -> set[str]:
    return {row.key for _, body in rows if (row := _read(_member, body)) is not None}


def _read(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Return what a row says, None for one that cannot be read. Any: one of the decoder's Structs."""
    try:
        return decoder.decode(body)
    except NOT_JSON:
        return None
