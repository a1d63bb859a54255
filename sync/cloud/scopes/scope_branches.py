"""What stores see of each other: their particulars, and the stock on their shelves, summed from their levels behind the selling.

    a batch of `branches` of a store   -> put, under its writer's name, into the scopes that show that store
    a batch of `levels`                -> its keys are marked; many changes of one level are one mark
    fold_levels, every few seconds     -> what is marked is summed over the store's lives and put
    tell_contact, every minute         -> a row without a SKU: the store has been heard of, its other figures hold

Functions of a write job.
"""

import json
from collections.abc import Collection, Sequence
from sqlite3 import Connection

import msgspec

from sync.batch import Batch, Row
from sync.cloud.arrivals.rows import key_of
from sync.cloud.scopes.scope_definitions import branch_scope
from sync.cloud.scopes.scopes import Numbers, Served, Written, put_body, served, write_rows
from sync.json_errors import NOT_JSON
from sync.model import Replica, Stream
from sync.retail.catalogue.branches import BRANCH, BranchRow
from sync.retail.stock.branch_levels import BRANCH_LEVEL, BranchLevelRow
from sync.retail.stock.levels import LevelRow

FOLD_EVERY_MS = 5_000  # a level that changes every second goes out once in this time
FOLD_MAX = 500  # levels of one job
CONTACT_EVERY_MS = 60_000  # what a figure's age is exact to; 200 stores make three rows a second for each of them
BRANCHES = BRANCH.stream
LEVELS = BRANCH_LEVEL.stream

_level = msgspec.json.Decoder(LevelRow)
_branch = msgspec.json.Decoder(BranchRow)


def showing(tx: Connection, base: str, store: str) -> list[Served]:
    """Return the scopes that show a store."""
    return [each for each in served(tx, base) if store in branch_scope(each.definition).stores]


def share_out(tx: Connection, own: Replica, batch: Batch, rows: Sequence[Row], *, now_ms: int) -> bool:
    """Take the new rows of a store's batch, where others may see them; say whether a scope has grown."""
    store, rep, stream = batch.rep.rpartition(":")[0], batch.rep, batch.stream
    if stream == Stream.LEVELS:
        if showing(tx, LEVELS, store):
            _mark(tx, store, [body for _, body in rows], now_ms=now_ms)
        return False
    if stream != BRANCHES:
        return False
    scopes = showing(tx, BRANCHES, store)
    found = [(row, body) for _, body in rows if (row := _read_branch(body)) is not None and row.branch == store]
    if not scopes or not found:
        return False
    numbers = Numbers(tx, own, BRANCHES)
    for scope in scopes:
        _put_branches(tx, numbers, scope.id, rep, found)
    numbers.close()
    return True


def mark_store(tx: Connection, store: str, *, now_ms: int) -> None:
    """Mark all levels of a store: one of its lives was sealed and its tallies replaced, or it is shown for the first time."""
    tx.execute(
        """
        INSERT INTO level_changed (store, key, received_ms)
        SELECT DISTINCT replica.store, tally.key, ?
        FROM feed JOIN tally ON tally.stream = feed.id JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ? AND replica.store = ?
        ON CONFLICT (store, key) DO NOTHING
        """,
        (now_ms, Stream.LEVELS, store),
    )
    tx.execute(
        """
        INSERT INTO level_changed (store, key, received_ms)
        SELECT DISTINCT key ->> 1, json_array(key ->> 0, key ->> 2), ? FROM scope_row
        WHERE entity = ? AND key ->> 1 = ? AND key ->> 0 <> ''
        ON CONFLICT (store, key) DO NOTHING
        """,
        (now_ms, BRANCH_LEVEL.name, store),
    )


def has_marked(read: Connection) -> bool:
    """Whether any level waits to be summed."""
    return bool(read.execute("SELECT EXISTS (SELECT 1 FROM level_changed)").fetchone()[0])


def fold_levels(tx: Connection, own: Replica, *, limit: int = FOLD_MAX) -> int:
    """Sum levels that are marked and put them; return how many there were."""
    marked = tx.execute("SELECT store, key, received_ms FROM level_changed LIMIT ?", (limit,)).fetchall()
    if not marked:
        return 0
    scopes = [(each.id, branch_scope(each.definition).stores) for each in served(tx, LEVELS)]
    numbers = Numbers(tx, own, LEVELS)
    out: dict[int, list[Written]] = {}
    for store, key, received_ms in marked:
        audience = [scope for scope, stores in scopes if store in stores]
        if audience:
            row = _summed(tx, numbers, store, key, received_ms)
            for scope in audience:
                out.setdefault(scope, []).append(row)
    for scope, rows in out.items():
        write_rows(tx, numbers, scope, rows)
    numbers.close()
    tx.executemany("DELETE FROM level_changed WHERE store = ? AND key = ?", [(store, key) for store, key, _ in marked])
    return len(marked)


def tell_contact(tx: Connection, own: Replica, stores: Collection[str], *, now_ms: int) -> bool:
    """Say that these stores are in contact, and their figures as of now; say whether anybody is told."""
    numbers = Numbers(tx, own, LEVELS)
    is_told = False
    for scope in served(tx, LEVELS):
        shown = sorted(set(stores) & set(branch_scope(scope.definition).stores))
        if shown:
            write_rows(tx, numbers, scope.id, [_row(numbers, (store, "", ""), 0, now_ms) for store in shown])
            is_told = True
    numbers.close()
    return is_told


def fill_branches(tx: Connection, own: Replica, scope: Served) -> None:
    """Put into a new scope what the stores have said of themselves."""
    numbers = Numbers(tx, own, BRANCHES)
    for store in branch_scope(scope.definition).stores:
        rows = tx.execute(
            """
            SELECT replica.store || ':' || replica.incarnation, tally.body
            FROM feed JOIN tally ON tally.stream = feed.id JOIN replica ON replica.id = tally.replica
            WHERE feed.stream = ? AND replica.store = ?
            """,
            (BRANCHES, store),
        ).fetchall()
        for rep, body in rows:
            row = _read_branch(body)
            if row is not None and row.branch == store:
                _put_branches(tx, numbers, scope.id, rep, [(row, body)])
    write_rows(tx, numbers, scope.id, [])
    numbers.close()


def fill_levels(tx: Connection, own: Replica, scope: Served) -> None:
    """Begin a scope of levels: what it shows is marked, and summed behind the start."""
    numbers = Numbers(tx, own, LEVELS)
    write_rows(tx, numbers, scope.id, [])
    numbers.close()
    for store in branch_scope(scope.definition).stores:
        mark_store(tx, store, now_ms=0)


def _put_branches(
    tx: Connection, numbers: Numbers, scope: int, rep: str, rows: Sequence[tuple[BranchRow, bytes]]
) -> None:
    """A store's lives each number their own versions: the larger (n, rep) stands, as at the hubs."""
    written = []
    for row, body in rows:
        if _version(tx, scope, row.branch) >= (row.n, rep):
            continue
        carried = put_body(body, by=rep)
        seq = numbers.next(carried)
        written.append(Written(BRANCH.name, row.branch, seq, numbers.digest, "put", carried))
    if written:
        write_rows(tx, numbers, scope, written)


def _version(tx: Connection, scope: int, branch: str) -> tuple[int, str]:
    row = tx.execute(
        "SELECT CAST(body ->> '$.row.n' AS INTEGER), body ->> '$.by' "
        "FROM (SELECT CAST(body AS TEXT) AS body FROM scope_row WHERE scope = ? AND entity = ? AND key = ?) AS branch",
        (scope, BRANCH.name, branch),
    ).fetchone()
    return (row[0], row[1]) if row else (-1, "")


def _mark(tx: Connection, store: str, bodies: Sequence[bytes], *, now_ms: int) -> None:
    keys = [key_of(row.sku, row.location) for body in bodies if (row := _read_level(body)) is not None]
    tx.executemany(
        """
        INSERT INTO level_changed (store, key, received_ms) VALUES (?, ?, ?)
        ON CONFLICT (store, key) DO UPDATE SET received_ms = excluded.received_ms
        """,
        [(store, key, now_ms) for key in keys],
    )


def _summed(tx: Connection, numbers: Numbers, store: str, key: str, received_ms: int) -> Written:
    """Sum a level over all lives of a store. The cloud heard of it at the newest of its rows."""
    rows = tx.execute(
        """
        SELECT tally.body, tally.received_ms
        FROM feed JOIN tally ON tally.stream = feed.id AND tally.key = ? JOIN replica ON replica.id = tally.replica
        WHERE feed.stream = ? AND replica.store = ?
        """,
        (key, Stream.LEVELS, store),
    ).fetchall()
    levels = [level for body, _ in rows if (level := _read_level(body)) is not None]
    on_hand = sum(level.received - level.issued for level in levels)
    as_of_ms = max([received_ms, *(heard_ms for _, heard_ms in rows)])
    sku, location = json.loads(key)
    return _row(numbers, (store, location, sku), on_hand, as_of_ms)


def _row(numbers: Numbers, place: tuple[str, str, str], on_hand: int, as_of_ms: int) -> Written:
    """Return a figure at (store, location, sku). Its n is the seq that it takes: the cloud alone writes these, in one order."""
    store, location, sku = place
    row = BranchLevelRow(store=store, location=location, sku=sku, n=numbers.seq + 1, on_hand=on_hand, as_of_ms=as_of_ms)
    body = msgspec.json.encode(row)
    seq = numbers.next(body)
    return Written(BRANCH_LEVEL.name, key_of(sku, store, location), seq, numbers.digest, "put", body)


def _read_level(body: bytes) -> LevelRow | None:
    try:
        return _level.decode(body)
    except NOT_JSON:
        return None


def _read_branch(body: bytes) -> BranchRow | None:
    try:
        return _branch.decode(body)
    except NOT_JSON:
        return None
