"""What pruned rows of a log came to: told to a peer that holds less of it, and taken from one that tells it. See sync.opening.

    told     opening balances, keys and receipt numbers of a log up to its floor; nothing where rows are a hole here as well, or
             were pruned before balances were kept by stream
    taken    what is told less what is counted here waits in `told_piece`; piece 0 comes with the cursor, and from then on the
             others count: each goes into balances, keys and the cached stock in one job, piece 0 when all have gone

The jobs' order is in hub.sums. A key that another writer's row has here is the pruned fact's: it has counted, that row gives
way. Source: the design, 3.2.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import NamedTuple

import msgspec
from backports import zstd

from hub.store.replica.confirmed import move_mark
from hub.store.replica.settling import settle
from hub.store.selling.sales import series_of
from hub.store.stock.stock import apply_effects
from hub.store.upkeep.retention import RULE, note_numbers
from hub.store.upkeep.siblings import Joined
from sync.batch import Boundary
from sync.digest import roll
from sync.effects import Effect
from sync.entities import REGISTRY
from sync.merge import FactDot
from sync.model import Replica, Stream
from sync.opening import Came, Fell, Left, Numbered, Opening, Place, Said, Totals, came_rows, encode, read
from sync.retail.selling.sales import StockEffect
from sync.store.cursors import receive_to, received_to
from sync.store.facts import Duplicate, beside_forgotten, beside_pruned
from sync.store.pruned_keys import dots_before
from sync.store.reading import rows_after
from sync.store.replicas import known_id, replica_id
from sync.store.retention import PRUNE_MAX, add_opening, floor_of, fold_away, set_floor
from sync.store.rows import Taken

KEYS_AT_ONCE = 500


class Here(NamedTuple):
    """How a log stands here: its cursor, and up to where its rows are no more rows."""

    replica: int
    stream: str
    cursor: Boundary
    floor: Boundary


def told_of(read: Connection, rep: str, stream: str) -> Opening | None:
    """Return what the rows of a log up to its floor came to; None where that is not known here."""
    replica = known_id(read, rep)
    if replica is None:
        return None
    untold = read.execute(
        """
        SELECT EXISTS (SELECT 1 FROM hole WHERE replica = ?1 AND stream = ?2),
               EXISTS (SELECT 1 FROM opening WHERE replica = ?1 AND stream = '')
        """,
        (replica, stream),
    ).fetchone()
    if untold[0] or (untold[1] and stream in REGISTRY.tables_with_effects):
        return None
    sums = read.execute(
        "SELECT sku, location, on_hand, received, issued, picked FROM opening WHERE replica = ? AND stream = ?",
        (replica, stream),
    )
    rows = came_rows({(sku, location): totals for sku, location, *totals in sums})
    rows += map(encode, [*_keys(read, replica, stream), *_fallen(read, replica, stream)])
    if stream == Stream.SALES:
        numbers = read.execute(
            "SELECT till_id, series, last_n FROM opening_receipt WHERE series = ? ORDER BY till_id",
            (series_of(rep.rpartition(":")[2]),),
        )
        rows += [encode(Numbered(*row)) for row in numbers]
    return Opening(floor_of(read, replica, stream), tuple(rows))


def fold_here(tx: Connection, rep: str, stream: str, to: Boundary, *, now_ms: int) -> Here:
    """Fold away rows of a log that are here, PRUNE_MAX at most: what is told up to `to` says what they did as well."""
    owner = replica_id(tx, rep, now_ms=now_ms)
    cursor, floor = received_to(tx, owner, stream), floor_of(tx, owner, stream)
    if cursor.last >= to.last or floor.last >= cursor.last:
        return Here(owner, stream, cursor, floor)
    rows = rows_after(tx, owner, stream, floor.last, min(PRUNE_MAX, cursor.last - floor.last))
    digest = floor.digest
    for _, body in rows:
        digest = roll(digest, body)
    end = Boundary(rows[-1][0], digest) if rows and rows[-1][0] < cursor.last else cursor
    fold_away(tx, (owner, stream, floor.last, end.last), rows, RULE, now_ms=now_ms)
    set_floor(tx, owner, stream, end)
    return Here(owner, stream, cursor, end)


def counted_after(read: Connection, here: Here, after: Place, limit: int) -> list[tuple[Place, Totals]]:
    """Return the next balances of a log that are counted here."""
    rows = read.execute(
        """
        SELECT sku, location, on_hand, received, issued, picked FROM opening
        WHERE replica = ? AND stream = ? AND (sku, location) > (?, ?) ORDER BY sku, location LIMIT ?
        """,
        (here.replica, here.stream, *after, limit),
    )
    return [((sku, location), (on_hand, *levels)) for sku, location, on_hand, *levels in rows]


def put_piece(tx: Connection, here: Here, n: int, rows: Sequence[bytes]) -> None:
    """Put a piece by; it counts nothing yet."""
    tx.execute(
        """
        INSERT INTO told_piece (replica, stream, n, rows) VALUES (?, ?, ?, ?)
        ON CONFLICT (replica, stream, n) DO UPDATE SET rows = excluded.rows
        """,
        (here.replica, here.stream, n, zstd.compress(msgspec.msgpack.encode(rows))),
    )


def take_pieces(tx: Connection, here: Here, at: Boundary, *, pieces: int) -> bool:
    """Go on with a log from where a sum ends, its pieces counting from now on; change nothing when something came between."""
    owner, stream = here.replica, here.stream
    there = tx.execute("SELECT count(*) FROM told_piece WHERE replica = ? AND stream = ?", (owner, stream)).fetchone()[
        0
    ]
    if (received_to(tx, owner, stream), floor_of(tx, owner, stream), there) != (here.cursor, here.floor, pieces):
        return False
    put_piece(tx, here, 0, ())
    receive_to(tx, owner, stream, at)
    move_mark(tx, owner, stream, at)
    set_floor(tx, owner, stream, at)
    tx.execute("DELETE FROM hole WHERE replica = ? AND stream = ? AND last <= ?", (owner, stream, at.last))
    return True


def has_pieces(read: Connection) -> bool:
    """Say whether pieces wait, taken or not."""
    return read.execute("SELECT 1 FROM told_piece LIMIT 1").fetchone() is not None


def book_piece(tx: Connection, own: Replica) -> Joined | None:
    """Count one of the pieces that were taken; return what it has changed. Where there are none, forget those that were not."""
    taken = tx.execute(
        """
        SELECT replica, store || ':' || incarnation, stream, n, rows
        FROM told_piece AS piece JOIN replica ON replica.id = piece.replica
        WHERE EXISTS (SELECT 1 FROM told_piece WHERE (replica, stream, n) = (piece.replica, piece.stream, 0))
        ORDER BY replica DESC, stream DESC, n DESC LIMIT 1
        """
    ).fetchone()
    if taken is None:
        tx.execute("DELETE FROM told_piece")
        return None
    owner, rep, stream, n, packed = taken
    said = list(read(msgspec.msgpack.decode(zstd.decompress(packed), type=list[bytes])))
    sums = {(each.sku, each.location): list(each.totals) for each in said if isinstance(each, Came)}
    for place, qty in _counted_elsewhere(tx, rep, said).items():
        sums.setdefault(place, [0, 0, 0, 0])[0] -= qty
    add_opening(tx, owner, stream, sums)
    fallen = _give_way(tx, rep, said)
    _keep_keys(tx, owner, said)
    fallen += _keep_fallen(tx, owner, rep, said)
    note_numbers(tx, {(each.till_id, each.series): each.last_n for each in said if isinstance(each, Numbered)})
    tx.execute("DELETE FROM told_piece WHERE replica = ? AND stream = ? AND n = ?", (owner, stream, n))
    stock = apply_effects(tx, [StockEffect(*place, totals[0]) for place, totals in sorted(sums.items()) if totals[0]])
    return Joined(received_to(tx, owner, stream), fallen, stock | settle(tx, own, fallen))


def _keys(read: Connection, replica: int, stream: str) -> Iterator[Left]:
    for entity in REGISTRY.of(stream):
        for name in [entity.name, *(f"{entity.name}.{column.name}" for column in entity.columns if column.is_unique)]:
            rows = read.execute(
                """
                SELECT key, content_hash, seq, pruned_ms, said FROM pruned_key WHERE replica = ? AND entity = ? ORDER BY seq
                """,
                (replica, name),
            )
            yield from (Left(name, key, content_hash.hex(), *rest) for key, content_hash, *rest in rows)


def _fallen(read: Connection, replica: int, stream: str) -> Iterator[Fell]:
    for entity in REGISTRY.of(stream):
        rows = read.execute(
            "SELECT key, seq, pruned_ms, stock FROM pruned_second WHERE replica = ? AND entity = ? ORDER BY seq",
            (replica, entity.name),
        )
        for key, seq, pruned_ms, stock in rows:
            yield Fell(entity.name, key, seq, pruned_ms, msgspec.json.decode(stock, type=tuple[Effect, ...]))


def _counted_elsewhere(tx: Connection, rep: str, said: Iterable[Said]) -> Counter[Place]:
    """Return what told facts did whose key was pruned here as another writer's: that one has counted."""
    sums: Counter[Place] = Counter()
    for each in _beside_keys(tx, rep, said):
        for effect in each.stock:
            sums[effect.sku, effect.location] += effect.qty
    return sums


def _give_way(tx: Connection, rep: str, said: Iterable[Said]) -> Taken:
    """Put the rows of others apart that stand here under a key of a told fact; the rule for all says who takes effects back."""
    taken = Taken()
    for name, lefts in _by_entity(said):
        entity = REGISTRY.by_name.get(name)
        if entity is None or len(entity.key) != 1:
            continue
        seqs, key = {each.key: each.seq for each in lefts}, entity.key[0].name
        known = dots_before(tx, name, list(seqs))
        rows = tx.execute(
            f"""
            SELECT {key}, replica, replica.store || ':' || incarnation, seq, body
            FROM {entity.table} JOIN replica ON replica.id = {entity.table}.replica
            WHERE {key} IN (SELECT value FROM json_each(?))
            """,
            (msgspec.json.encode(list(seqs)).decode(),),
        ).fetchall()
        for text, replica, writer, seq, body in rows:
            tx.execute(f"DELETE FROM {entity.table} WHERE replica = ? AND seq = ?", (replica, seq))
            tx.execute(
                """
                INSERT INTO second_row (replica, stream, seq, entity, key, body) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """,
                (replica, entity.stream, seq, entity.name, text, body.encode()),
            )
            found = beside_pruned(tx, name, text, FactDot(*known.get(text, (rep, seqs[text]))), FactDot(writer, seq))
            taken += Taken(duplicates=(found,), fallen=(body.encode(),))
    return taken


def _keep_keys(tx: Connection, owner: int, said: Iterable[Said]) -> None:
    tx.executemany(
        """
        INSERT INTO pruned_key (entity, key, content_hash, replica, seq, pruned_ms, said) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        [
            (each.entity, each.key, bytes.fromhex(each.content_hash), owner, each.seq, each.pruned_ms, each.said)
            for each in said
            if isinstance(each, Left)
        ],
    )


def _keep_fallen(tx: Connection, owner: int, rep: str, said: Iterable[Said]) -> Taken:
    """Keep what a seal may let stand, and what another writer's pruned row has the key of; say who gives way by what is known."""
    fell = [each for each in said if isinstance(each, Fell)] + list(_beside_keys(tx, rep, said))
    fell = [each for each in fell if each.entity in REGISTRY.by_name]
    tx.executemany(
        """
        INSERT INTO pruned_second (replica, entity, seq, key, pruned_ms, stock) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        [
            (owner, each.entity, each.seq, each.key, each.pruned_ms, msgspec.json.encode(each.stock).decode())
            for each in fell
        ],
    )
    found: list[Duplicate] = []
    for name in {each.entity for each in fell}:
        found += beside_forgotten(
            tx, REGISTRY.by_name[name], rep, [(each.key, each.seq) for each in fell if each.entity == name]
        )
    return Taken(duplicates=tuple(found))


def _beside_keys(tx: Connection, rep: str, said: Iterable[Said]) -> Iterator[Fell]:
    """Yield told facts whose key was pruned here as another writer's: they are kept aside, whichever stands."""
    for name, lefts in _by_entity(said):
        known = dots_before(tx, name, [each.key for each in lefts])
        for each in lefts:
            if known.get(each.key, (rep, each.seq)) != (rep, each.seq):
                yield Fell(each.entity, each.key, each.seq, each.pruned_ms, each.stock)


def _by_entity(said: Iterable[Said]) -> Iterator[tuple[str, tuple[Left, ...]]]:
    """Yield keys by entity, KEYS_AT_ONCE at a time."""
    groups: dict[str, list[Left]] = {}
    for each in said:
        if isinstance(each, Left):
            groups.setdefault(each.entity, []).append(each)
    for name, lefts in groups.items():
        yield from ((name, tuple(lefts[at : at + KEYS_AT_ONCE])) for at in range(0, len(lefts), KEYS_AT_ONCE))
