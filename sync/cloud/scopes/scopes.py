"""Scopes as the cloud keeps them: which store gets which, their rows, batches of them. Functions of a write job, or of a read.

    settle_scopes    brings what is served to what the configuration says; a new scope is filled
    Numbers          seqs of a stream of the cloud's own, shared by all scopes of it
    put_row          a row for one store, in a scope of its own: `grants@hk01`
    write_rows       rows of a scope, and the `whole` behind them
    scope_heads      what is offered to a store; load_scoped: the next rows of it

Not here: what the catalogue's scopes hold (sync.cloud.scopes.scope_catalogue), other branches
(sync.cloud.scopes.scope_branches), the form of the rows (sync.scope_rows).
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from sync.batch import SENT_BYTES_MAX, Batch, Boundary, Head, Row
from sync.cloud.scopes.scope_definitions import EVERYTHING, Wanted, scope_stream
from sync.digest import EMPTY, roll
from sync.entities import FEED_OF_STREAM
from sync.kinds import Entity
from sync.model import Feed, Replica, Stream
from sync.scope_rows import AT, WHOLE, Gone, PutBy, write_scope_row
from sync.store.streams import new_life
from sync.store.tables import table_of


class Numbers:
    """Gives seqs of a stream of the cloud's own, rolls its digest; `close` writes both back. BusyError for an ended life."""

    def __init__(self, tx: Connection, own: Replica, stream: str) -> None:
        name = stream if FEED_OF_STREAM.get(stream) is Feed.STATE else f"{stream}{AT}"  # a log's own seqs have no holes
        self._tx, self._own, self._stream = tx, own, name
        if tx.execute("SELECT 1 FROM replica WHERE id = ? AND own = 1", (own.local_id,)).fetchone() is None:
            raise new_life(own)  # a job that waited while this database began anew
        tx.execute(
            """
            INSERT INTO stream (replica, name, feed, seq, digest)
            SELECT ?, ?, ?, coalesce(max(last), 0), ? FROM scope WHERE base = ? ON CONFLICT DO NOTHING
            """,
            (own.local_id, name, Feed.STATE, EMPTY, stream),
        )
        self.seq, self.digest = tx.execute(
            "SELECT seq, digest FROM stream WHERE replica = ? AND name = ?", (own.local_id, name)
        ).fetchone()

    def next(self, body: bytes) -> int:
        """Give the next seq to a row."""
        self.seq, self.digest = self.seq + 1, roll(self.digest, body)
        seq: int = self.seq
        return seq

    def close(self) -> None:
        """Write the stream's new end."""
        self._tx.execute(
            "UPDATE stream SET seq = ?, digest = ? WHERE replica = ? AND name = ?",
            (self.seq, self.digest, self._own.local_id, self._stream),
        )


class Served(NamedTuple):
    """A scope that somebody gets."""

    id: int
    definition: str


class Written(NamedTuple):
    """A row of a scope as it stands; `body` None where it is the catalogue's own."""

    entity: str
    key: str
    seq: int
    digest: bytes
    state: str
    body: bytes | None


Fill = Callable[[Connection, Replica, Served], None]
"""Writes what stands into a scope that is new."""


def settle_scopes(
    tx: Connection, own: Replica, wanted: Sequence[Wanted], *, stores: Collection[str], fill: Mapping[str, Fill]
) -> None:
    """Serve these scopes to the stores that there are, and no others, each store's own ones aside.

    A store that had a part of the catalogue and is told of no scope any more gets all of it, as a scope: what left comes back.
    """
    now = {(each.store, each.base): each.definition for each in wanted}
    before = {
        (store, base): (scope_id, definition)
        for store, base, scope_id, definition in tx.execute(
            "SELECT store, scope_of.base, scope, definition FROM scope_of JOIN scope ON scope.id = scope_of.scope "
            "WHERE definition <> ''"
        )
    }
    for store, base in before:
        if base == Stream.CATALOGUE and store in stores:
            now.setdefault((store, base), EVERYTHING)
    for (store, base), definition in sorted(now.items()):
        if before.get((store, base), (0, ""))[1] == definition:
            continue
        scope = _scope_for(tx, own, base, definition, fill=fill[base])
        _assign(tx, store, base, scope.id)
    for store, base in before.keys() - now.keys():
        tx.execute("DELETE FROM scope_of WHERE store = ? AND base = ?", (store, base))
    unserved = "is_served = 1 AND definition <> '' AND id NOT IN (SELECT scope FROM scope_of)"
    tx.execute(f"DELETE FROM scope_row WHERE scope IN (SELECT id FROM scope WHERE {unserved})")
    tx.execute(f"UPDATE scope SET is_served = 0 WHERE {unserved}")


def served(tx: Connection, base: str) -> list[Served]:
    """Return the scopes of a stream that somebody gets, stores' own ones aside."""
    rows = tx.execute(
        "SELECT id, definition FROM scope WHERE base = ? AND is_served = 1 AND definition <> '' ORDER BY id", (base,)
    )
    return [Served(*row) for row in rows]


def scope_of(tx: Connection, store: str, base: str) -> int | None:
    """Return which scope of a stream a store gets, None for the whole stream or nothing."""
    row = tx.execute("SELECT scope FROM scope_of WHERE store = ? AND base = ?", (store, base)).fetchone()
    return row[0] if row else None


def put_row(tx: Connection, own: Replica, store: str, entity: Entity, row: Struct, *, by: str = "") -> int:
    """Put a row into a store's own scope of the entity's stream; return its seq. See put_bytes."""
    assert isinstance(row, entity.row)
    body = msgspec.json.encode(row)
    return put_bytes(tx, own, store, entity.stream, entity.name, table_of(entity).key_text(row), body, by=by)


def put_bytes(  # noqa: PLR0917 - a row and where it goes
    tx: Connection, own: Replica, store: str, stream: str, entity: str, key: str, body: bytes, *, by: str = ""
) -> int:
    """Put a row into a store's own scope of a stream; return its seq. The newest row of a key stands.

    `by` is its writer where that is not the cloud. Tell the stores that something has grown after the commit.
    """
    scope = own_scope(tx, stream, store)
    numbers = Numbers(tx, own, stream)
    carried = put_body(body, by=by)
    seq = numbers.next(carried)
    write_rows(tx, numbers, scope, [Written(entity, key, seq, numbers.digest, "put", carried)])
    numbers.close()
    return seq


def put_body(body: bytes, *, by: str) -> bytes:
    """Return an entity's row as it travels in a scope."""
    return write_scope_row(PutBy(by, Raw(body))) if by else body


def gone_body(entity: str, *key: str | int) -> bytes:
    """Return the row that says that a key has left."""
    return write_scope_row(Gone(entity, key))


def write_rows(tx: Connection, numbers: Numbers, scope: int, rows: Iterable[Written]) -> None:
    """Write rows of a scope, then that they are all."""
    put_rows(tx, [(scope, row) for row in rows])
    close_scopes(tx, numbers, [scope])


def put_rows(tx: Connection, rows: Sequence[tuple[int, Written]]) -> None:
    """Write rows of scopes, by the scope's id, and say of none that this is all."""
    tx.executemany(
        """
        INSERT INTO scope_row (scope, entity, key, seq, digest, state, body) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (scope, entity, key) DO UPDATE SET
          seq = excluded.seq, digest = excluded.digest, state = excluded.state, body = excluded.body
        """,
        ((scope, *row) for scope, row in rows),
    )


def close_scopes(tx: Connection, numbers: Numbers, scopes: Iterable[int]) -> None:
    """Say behind the newest rows of these scopes that they are all."""
    found = sorted(set(scopes))
    if not found:
        return
    seq = numbers.next(WHOLE)
    tx.executemany(
        """
        INSERT INTO scope_row (scope, entity, key, seq, digest, state, body) VALUES (?, '', '', ?, ?, 'whole', ?)
        ON CONFLICT (scope, entity, key) DO UPDATE SET seq = excluded.seq, digest = excluded.digest
        """,
        [(scope, seq, numbers.digest, WHOLE) for scope in found],
    )
    tx.executemany("UPDATE scope SET last = ? WHERE id = ?", [(seq, scope) for scope in found])


def standing(tx: Connection, scope: int, entity: str, key: str) -> str | None:
    """Return the state of a key in a scope, None where it never was in it."""
    row = tx.execute(
        "SELECT state FROM scope_row WHERE scope = ? AND entity = ? AND key = ?", (scope, entity, key)
    ).fetchone()
    return row[0] if row else None


def states_of(tx: Connection, scope: int, entities: Sequence[str], keys: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the states of these keys in a scope, by entity and key; those that never were in it have none."""
    rows = tx.execute(
        """
        SELECT row.entity, row.key, row.state FROM json_each(?) AS asked CROSS JOIN scope_row AS row
        WHERE row.scope = ? AND row.entity IN (SELECT value FROM json_each(?)) AND row.key = asked.value
        """,
        (json.dumps(list(keys)), scope, json.dumps(list(entities))),
    )
    return {(entity, key): state for entity, key, state in rows}


def scope_heads(read: Connection, own: Replica, store: str) -> dict[str, Head]:
    """Return the scopes that a store gets, by the stream that each is a part of; other branches' stock comes last."""
    rows = read.execute(
        """
        SELECT scope.base, scope.stream, scope.last FROM scope_of JOIN scope ON scope.id = scope_of.scope
        WHERE scope_of.store = ? ORDER BY scope.base = 'branch_levels', scope.base = 'catalogue', scope.base
        """,
        (store,),
    )
    return {base: Head(own.rep, stream, Feed.STATE, last) for base, stream, last in rows}


def load_scoped(read: Connection, head: Head, after: Boundary, rows_max: int) -> Batch | None:
    """Return the next rows of a scope behind a boundary, with the digest that was rolled when the last of them was written."""
    found = read.execute(
        """
        SELECT row.seq, row.digest, coalesce(row.body, register.body)
        FROM scope JOIN scope_row AS row ON row.scope = scope.id
        LEFT JOIN register ON row.body IS NULL AND register.kind = row.entity AND register.sku = row.key
        WHERE scope.stream = ? AND row.seq > ? AND row.seq <= ? ORDER BY row.seq LIMIT ?
        """,
        (head.stream, after.last, head.last, rows_max),
    ).fetchall()
    rows: list[Row] = []
    digest, size = b"", 0
    for seq, digest_there, body in found:
        size += len(body)
        if rows and size > SENT_BYTES_MAX:
            break
        rows.append((seq, body))
        digest = digest_there
    if not rows:
        return None
    return Batch(head.rep, head.stream, Feed.STATE, after.last, rows[-1][0], digest, tuple(rows))


def _scope_for(tx: Connection, own: Replica, base: str, definition: str, *, fill: Fill) -> Served:
    """Return the scope of a definition, begun and filled where nobody has it."""
    known = tx.execute(
        "SELECT id, is_served, generation FROM scope WHERE base = ? AND definition = ? ORDER BY generation DESC LIMIT 1",
        (base, definition),
    ).fetchone()
    if known is not None and known[1]:
        return Served(known[0], definition)
    generation = known[2] + 1 if known else 0
    scope = Served(_begin(tx, base, scope_stream(base, definition, generation), definition, generation), definition)
    fill(tx, own, scope)
    return scope


def _begin(tx: Connection, base: str, stream: str, definition: str, generation: int) -> int:
    scope_id: int = tx.execute(
        """
        INSERT INTO scope (base, stream, definition, generation, last, is_served) VALUES (?, ?, ?, ?, 0, 1) RETURNING id
        """,
        (base, stream, definition, generation),
    ).fetchone()[0]
    return scope_id


def own_scope(tx: Connection, base: str, store: str) -> int:
    """Return a store's own scope of a stream, begun with its first row."""
    stream = f"{base}{AT}{store}"
    known = tx.execute("SELECT id FROM scope WHERE stream = ?", (stream,)).fetchone()
    if known is not None:
        return int(known[0])
    scope_id = _begin(tx, base, stream, "", 0)
    _assign(tx, store, base, scope_id)
    return scope_id


def _assign(tx: Connection, store: str, base: str, scope: int) -> None:
    tx.execute(
        """
        INSERT INTO scope_of (store, base, scope) VALUES (?, ?, ?)
        ON CONFLICT (store, base) DO UPDATE SET scope = excluded.scope
        """,
        (store, base, scope),
    )
