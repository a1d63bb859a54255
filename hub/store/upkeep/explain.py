"""`storehub explain KEY` at a hub: every row of a key, who wrote it, whether it stands and why, whether it is safe.

A key is a sale, a return, a movement, a promise …, a receipt's number or bar code, a SKU, a member, a life, or a dot. Reads only;
lines of plain words. Personal data: ids only. Not here: the words (sync.explain), the cloud's side (sync.cloud.explain).
"""

from collections.abc import Iterator
from itertools import islice
from sqlite3 import Connection
from typing import Any

from hub.holders import PEER
from hub.store.selling.sales import find_sale
from sync.entities import REGISTRY
from sync.explain import (
    dot_in,
    entities_by_word,
    merge_rule,
    said_cell,
    said_content,
    said_dot,
    said_effects,
    said_moment,
    said_standing,
)
from sync.kinds import Entity, Kind
from sync.merge import FactDot
from sync.model import Feed, Replica, Stream
from sync.store.cursors import acked
from sync.store.pruned_keys import known_before
from sync.store.reading import rows_after
from sync.store.replicas import known_id
from sync.store.retention import floor_of
from sync.store.shared import standing_cells
from sync.store.tables import table_of

LINES_MAX = 300  # a key that leads to more is no key but a part of the shop


def explain(read: Connection, own: Replica, key: str) -> list[str]:
    """Return what there is to say of a key; nothing where it is unknown."""
    dot = dot_in(key)
    said = _dot(read, own, *dot) if dot else _everything(read, own, key)
    return list(islice(said, LINES_MAX))


def _everything(read: Connection, own: Replica, key: str) -> Iterator[str]:
    sale = find_sale(read, key)
    name = sale.fact.sale.sale_id if sale else key
    if sale and name != key:
        yield f"{key} is the receipt of sale {name}"
    by_number = known_before(read, "sale.receipt_no", key)
    if by_number is not None:
        yield f"receipt {key} was that of sale {by_number.said}, whose row was pruned"
        name = by_number.said.strip('"')
    for entity in entities_by_word():
        if entity.kind is Kind.FACT:
            yield from _fact(read, own, entity, name)
        elif entity.is_shared:
            yield from _shared(read, entity, name)
        else:
            yield from _register(read, own, entity, name)
    yield from _naming(read, own, name)
    yield from _void(read, name)
    yield from _suspended(read, name)
    yield from _stock(read, own, name)
    yield from _life(read, name)


def _fact(read: Connection, own: Replica, entity: Entity, key: str) -> Iterator[str]:
    row = read.execute(
        f"""
        SELECT replica.id, replica.store || ':' || incarnation, seq, body FROM {entity.table}
        JOIN replica ON replica.id = {entity.table}.replica WHERE {entity.key[0].name} = ?
        """,
        (key,),
    ).fetchone()
    if row is not None:
        replica, rep, seq, text = row
        yield f"{entity.name} {key}: {said_dot(rep, entity.stream, seq, whose=_whose(read, own, replica))} stands"
        yield f"  {said_content(text.encode())}"
        yield f"  {said_effects(text.encode())}"
        yield f"  {_safe(read, own, (rep, entity.stream, seq))}"
    left = known_before(read, entity.name, key)
    if left is not None:
        yield f"{entity.name} {key}: {said_dot(left.rep, entity.stream, left.seq)} stands; its row was pruned, the cloud has it"
        yield "  its effects are in the opening balance; whoever repeats it is answered as known, never booked again"
    yield from _seconds(read, entity, key, row)


def _seconds(read: Connection, entity: Entity, key: str, stands: Any) -> Iterator[str]:
    """Any: a row as _fact reads it."""
    rows = read.execute(
        """
        SELECT store || ':' || incarnation, seq, body FROM second_row JOIN replica ON replica.id = second_row.replica
        WHERE entity = ? AND key = ? ORDER BY 1, 2
        """,
        (entity.name, key),
    ).fetchall()
    for rep, seq, body in rows:
        yield f"  a second row {said_dot(rep, entity.stream, seq)}: {said_content(body)}; it is kept and counts in no sum"
        if stands is not None:
            dots = FactDot(stands[1], stands[2]), FactDot(rep, seq)
            yield f"    {said_standing(*dots, _sealed(read), is_same=body == stands[3].encode())}"
    for rep, seq, text in read.execute(
        """
        SELECT store || ':' || incarnation, seq, body FROM duplicate_fact JOIN replica ON replica.id = duplicate_fact.replica
        WHERE body ->> 'entity' = ? AND body ->> 'key' = ?
        """,
        (entity.name, key),
    ):
        yield f"  {said_dot(rep, 'duplicates', seq)} takes the effects of the row that does not stand out of its writer's levels"
        yield f"    {said_effects(text.encode())}"


def _void(read: Connection, name: str) -> Iterator[str]:
    row = read.execute(
        """
        SELECT receipt_no, sale_id, store || ':' || incarnation FROM void_receipt JOIN replica ON replica.id = replica
        WHERE receipt_no = ?
        """,
        (name,),
    ).fetchone()
    if row is not None:
        number, sale_id, rep = row
        yield f"receipt {number} is void: sale {sale_id} stands under another number, and {rep}, that printed it, has ended"


def _register(read: Connection, own: Replica, entity: Entity, key: str) -> Iterator[str]:
    versioned = "n, gone" if entity.kind is Kind.REGISTER else "0, 0"
    rows = read.execute(
        f"""
        SELECT replica.id, replica.store || ':' || incarnation, seq, {versioned} FROM {entity.table}
        JOIN replica ON replica.id = {entity.table}.replica WHERE {entity.key[0].name} = ?
        """,
        (key,),
    ).fetchall()
    for replica, rep, seq, n, gone in rows:
        state = "is gone" if gone else "stands"
        dot = said_dot(rep, entity.stream, seq, whose=_whose(read, own, replica))
        yield f"{entity.name} {key}: version {n} {state}, written as {dot}"
        yield f"  {merge_rule(entity)}"


def _shared(read: Connection, entity: Entity, key: str) -> Iterator[str]:
    merged = standing_cells(read, table_of(entity), (key,))
    if not merged.cells:
        return
    yield f"{entity.name} {key}: {'erased' if merged.is_erased else f'{len(merged.cells)} fields'}; {merge_rule(entity)}"
    for field, cell in sorted(merged.cells.items()):
        yield f"  {said_cell(field, cell)} stands"
    for field, rep, physical_ms, logical in read.execute(
        "SELECT field, rep, physical_ms, logical FROM conflict WHERE entity = ? AND key = ? ORDER BY field, physical_ms",
        (entity.name, key),
    ):
        yield f"  {field}: what {rep} wrote at {said_moment(physical_ms)} (+{logical}) lost, and is kept in `conflict`"


def _naming(read: Connection, own: Replica, key: str) -> Iterator[str]:
    """Facts that name this one, where that is a column: the returns of a sale."""
    for entity in REGISTRY.entities:
        for named in entity.names:
            column = next((each for each in entity.columns if each.path == named.path and each.is_indexed), None)
            if column is None:
                continue
            rows = read.execute(
                f"""
                SELECT replica.store || ':' || incarnation, seq, body FROM {entity.table}
                JOIN replica ON replica.id = {entity.table}.replica WHERE {column.name} = ? ORDER BY seq
                """,
                (key,),
            )
            for rep, seq, text in rows.fetchall():
                yield f"{entity.name} that names it: {said_dot(rep, entity.stream, seq)}: {said_content(text.encode())}"
                yield f"  {said_effects(text.encode())}"
                yield f"  {_safe(read, own, (rep, entity.stream, seq))}"


def _suspended(read: Connection, key: str) -> Iterator[str]:
    for till_id, received_ms, ended_by, booked_as in read.execute(
        """
        SELECT till_id, received_ms, ended_by, booked_as
        FROM suspended_sale LEFT JOIN suspended_end USING (sale_id, content_hash) WHERE sale_id = ? ORDER BY received_ms
        """,
        (key,),
    ):
        now = "booked nowhere" if ended_by is None else f"booked as {booked_as}" if booked_as else "discarded"
        yield (
            f"other content under this id came from till {till_id} at {said_moment(received_ms)}: "
            f"suspended for the manager, {now}"
        )


def _stock(read: Connection, own: Replica, sku: str) -> Iterator[str]:
    for location, on_hand in read.execute("SELECT location, on_hand FROM stock WHERE sku = ? ORDER BY 1", (sku,)):
        yield f"stock of {sku} at {location}: {on_hand} on hand, the cached sum of all facts and opening balances"
    for rep, location, on_hand in read.execute(
        """
        SELECT store || ':' || incarnation, location, sum(on_hand) FROM opening JOIN replica ON replica.id = opening.replica
        WHERE sku = ? GROUP BY 1, 2 ORDER BY 1, 2
        """,
        (sku,),
    ):
        yield f"  {on_hand:+} at {location} is the opening balance of what {rep} wrote and is pruned"
    for rep, location, received, issued, picked, seq in read.execute(
        """
        SELECT replica.store || ':' || incarnation, location, received, issued, picked, seq
        FROM level JOIN replica ON replica.id = level.replica WHERE sku = ? ORDER BY 1, 2
        """,
        (sku,),
    ).fetchall():
        yield f"  level of {rep} at {location}: received {received}, issued {issued}, picked {picked} (levels/{seq})"
        yield f"    {_safe(read, own, (rep, Stream.LEVELS, seq))}"


def _life(read: Connection, rep: str) -> Iterator[str]:
    row = read.execute(
        """
        SELECT own, began_ms, why, ended_ms, seal_place FROM replica LEFT JOIN former_life ON former_life.replica = replica.id
        WHERE store || ':' || incarnation = ?
        """,
        (rep,),
    ).fetchone()
    if row is None:
        return
    is_own, began_ms, why, ended_ms, place = row
    yield f"life {rep}: {'writes here now' if is_own else 'does not write here'}, known since {said_moment(began_ms)}"
    if why is not None:
        yield f"  ended at {said_moment(ended_ms)}: {why}; {f'sealed as number {place}' if place else 'not sealed yet'}"


def _dot(read: Connection, own: Replica, rep: str, stream: str, seq: int) -> Iterator[str]:
    replica = known_id(read, rep)
    if replica is None:
        return
    rows = rows_after(read, replica, stream, seq - 1, 1)
    if rows and rows[0][0] == seq:
        body = rows[0][1]
        is_second = read.execute(
            "SELECT entity, key FROM second_row WHERE replica = ? AND stream = ? AND seq = ?", (replica, stream, seq)
        ).fetchone()
        yield f"{said_dot(rep, stream, seq, whose=_whose(read, own, replica))}: {said_content(body)}"
        yield f"  {said_effects(body)}"
        yield f"  {_safe(read, own, (rep, stream, seq))}"
        if is_second:
            yield f"  it does not stand: another row of {is_second[0]} {is_second[1]} does; explain that"
    elif REGISTRY.feeds.get(stream) is Feed.LOG and seq <= floor_of(read, replica, stream).last:
        yield f"{said_dot(rep, stream, seq)}: pruned; the cloud has it, its effects are in the opening balance"
    moved = read.execute(
        """
        SELECT store || ':' || incarnation, new_seq FROM former_dot JOIN replica ON replica.id = new_replica
        WHERE former_dot.replica = ? AND stream = ? AND seq = ?
        """,
        (replica, stream, seq),
    ).fetchone()
    if moved:
        yield f"  written again as {said_dot(moved[0], stream, moved[1])}, because its life ended before the cloud had it"


def _safe(read: Connection, own: Replica, dot: tuple[str, str, int]) -> str:
    rep, stream, seq = dot
    if rep != own.rep:
        return f"safe: it came from {rep} by the cloud, or was acknowledged before that life ended"
    held = acked(read, own, peer=PEER).get(stream, 0)
    if seq <= held:
        return f"safe: the cloud has acknowledged {stream} up to {held}"
    return f"on this machine only: the cloud has acknowledged {stream} up to {held}"


def _whose(read: Connection, own: Replica, replica: int) -> str:
    if replica == own.local_id:
        return "this hub"
    store = read.execute("SELECT store FROM replica WHERE id = ?", (replica,)).fetchone()[0]
    return "another life of this store" if store == own.store else f"of {store}"


def _sealed(read: Connection) -> dict[str, int]:
    rows = read.execute(
        """
        SELECT store || ':' || incarnation, seal_place FROM former_life JOIN replica ON replica.id = former_life.replica
        WHERE seal_place IS NOT NULL
        """
    )
    return dict(rows.fetchall())
