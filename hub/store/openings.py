"""What pruned rows of a log came to: told to a peer that holds less of it, and taken from one that tells it. See sync.opening.

    told     opening balances, keys and receipt numbers of a log up to its floor; nothing where rows are a hole here as well, or
             were pruned before balances were kept by stream
    taken    one transaction: rows of the log that are here below the new floor are folded away, the peer's balance stands in
             their place, the cached stock changes by the difference, the cursor goes to the floor; a hole that it fills is none

A key that another writer's row has here is the pruned fact's: it has counted, that row gives way. Source: the design, 3.2.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

import msgspec

from hub.store.confirmed import move_mark
from hub.store.retention import RULE, note_numbers
from hub.store.sales import series_of
from hub.store.siblings import Joined, settle
from hub.store.stock import apply_effects
from sync.batch import ROWS_MAX, Boundary
from sync.entities import REGISTRY
from sync.merge import FactDot
from sync.model import Replica, Stream
from sync.opening import Came, Left, Numbered, Opening, Place, Said, came_rows, encode, read
from sync.retail.sales import StockEffect
from sync.store.cursors import receive_to, received_to
from sync.store.facts import Duplicate
from sync.store.pruned_keys import dots_before
from sync.store.replicas import known_id, replica_id
from sync.store.retention import floor_of, fold_away, set_floor
from sync.store.rows import Taken, rows_after

KEYS_AT_ONCE = 500


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
    rows += map(encode, _keys(read, replica, stream))
    if stream == Stream.SALES:
        numbers = read.execute(
            "SELECT till_id, series, last_n FROM opening_receipt WHERE series = ? ORDER BY till_id",
            (series_of(rep.rpartition(":")[2]),),
        )
        rows += [encode(Numbered(*row)) for row in numbers]
    return Opening(floor_of(read, replica, stream), tuple(rows))


def take_opening(tx: Connection, own: Replica, rep: str, stream: str, opening: Opening, *, now_ms: int) -> Joined:
    """Let what a peer tells of a log stand in the place of its rows; change nothing where all of them are here."""
    owner = replica_id(tx, rep, now_ms=now_ms)
    before = received_to(tx, owner, stream)
    if opening.at.last <= before.last:
        return Joined(before)
    said = list(read(opening.rows))
    _fold_away(tx, owner, stream, before, now_ms=now_ms)
    change = _replace(tx, owner, stream, said, _counted_elsewhere(tx, rep, said))
    taken = _give_way(tx, rep, said)
    _keep_keys(tx, owner, said)
    note_numbers(tx, {(each.till_id, each.series): each.last_n for each in said if isinstance(each, Numbered)})
    receive_to(tx, owner, stream, opening.at)
    move_mark(tx, owner, stream, opening.at)
    set_floor(tx, owner, stream, opening.at)
    tx.execute("DELETE FROM hole WHERE replica = ? AND stream = ? AND last <= ?", (owner, stream, opening.at.last))
    stock = apply_effects(tx, [StockEffect(*place, qty) for place, qty in sorted(change.items()) if qty])
    return Joined(opening.at, taken, stock | settle(tx, own, taken))


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


def _fold_away(tx: Connection, owner: int, stream: str, before: Boundary, *, now_ms: int) -> None:
    """Rows that are here go as if they were pruned: what is told says what they did as well."""
    at = floor_of(tx, owner, stream).last
    while at < before.last and (rows := rows_after(tx, owner, stream, at, min(ROWS_MAX, before.last - at))):
        last = rows[-1][0]
        fold_away(tx, (owner, stream, at, last), rows, RULE, now_ms=now_ms)
        at = last


def _replace(
    tx: Connection, owner: int, stream: str, said: Sequence[Said], elsewhere: Counter[Place]
) -> Counter[Place]:
    """Put the told balance in the place of the one here; return what that changes on the shelf."""
    change: Counter[Place] = Counter()
    for sku, location, on_hand in tx.execute(
        "SELECT sku, location, on_hand FROM opening WHERE replica = ? AND stream = ?", (owner, stream)
    ):
        change[sku, location] -= on_hand
    tx.execute("DELETE FROM opening WHERE replica = ? AND stream = ?", (owner, stream))
    told = {(each.sku, each.location): list(each.totals) for each in said if isinstance(each, Came)}
    for place, qty in elsewhere.items():
        told.setdefault(place, [0, 0, 0, 0])[0] -= qty
    for place, totals in told.items():
        change[place] += totals[0]
    tx.executemany(
        """
        INSERT INTO opening (replica, stream, sku, location, on_hand, received, issued, picked)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [(owner, stream, *place, *totals) for place, totals in told.items() if any(totals)],
    )
    return change


def _counted_elsewhere(tx: Connection, rep: str, said: Iterable[Said]) -> Counter[Place]:
    """Return what told facts did whose key was pruned here as another writer's: that one has counted."""
    sums: Counter[Place] = Counter()
    for name, lefts in _by_entity(said):
        known = dots_before(tx, name, [each.key for each in lefts])
        for each in lefts:
            if known.get(each.key, (rep, each.seq)) != (rep, each.seq):
                for effect in each.stock:
                    sums[effect.sku, effect.location] += effect.qty
    return sums


def _give_way(tx: Connection, rep: str, said: Iterable[Said]) -> Taken:
    """Put the rows of others apart that stand here under a key of a told fact."""
    taken = Taken()
    for name, lefts in _by_entity(said):
        entity = REGISTRY.by_name.get(name)
        if entity is None or len(entity.key) != 1:
            continue
        seqs, key = {each.key: each.seq for each in lefts}, entity.key[0].name
        known = dots_before(tx, name, list(seqs))
        rows = tx.execute(
            f"""
            SELECT {key}, replica, store || ':' || incarnation, seq, body
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
            stands = FactDot(*known.get(text, (rep, seqs[text])))
            fell = Duplicate(entity.name, text, stands, FactDot(writer, seq), is_same=False)
            taken += Taken(duplicates=(fell,), fallen=(body.encode(),))
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


def _by_entity(said: Iterable[Said]) -> Iterator[tuple[str, tuple[Left, ...]]]:
    """Yield keys by entity, KEYS_AT_ONCE at a time."""
    groups: dict[str, list[Left]] = {}
    for each in said:
        if isinstance(each, Left):
            groups.setdefault(each.entity, []).append(each)
    for name, lefts in groups.items():
        yield from ((name, tuple(lefts[at : at + KEYS_AT_ONCE])) for at in range(0, len(lefts), KEYS_AT_ONCE))
