"""`storehub explain KEY --cloud cloud.toml`: what the cloud's file says of a key. Reads only, any connection.

A key is a fact's (of any store), a receipt's number, a SKU, a promise, a life or a dot. Personal data: ids only.
"""

import json
from collections.abc import Iterator
from itertools import islice
from sqlite3 import Connection

from sync.entities import REGISTRY
from sync.explain import dot_in, merge_rule, said_content, said_dot, said_effects, said_moment, said_standing
from sync.merge import FactDot
from sync.model import Stream
from sync.store.replicas import known_id

LINES_MAX = 300  # a key that leads to more is no key but a part of a shop
_FACT = """
    SELECT replica.store || ':' || replica.incarnation, feed.stream, fact.seq, fact.n, fact.received_ms, fact.body
    FROM fact JOIN feed ON feed.id = fact.stream JOIN replica ON replica.id = fact.replica
"""
Row = tuple[str, str, int, int, int, bytes]


def explain(read: Connection, key: str) -> list[str]:
    """Return what there is to say of a key; nothing where it is unknown."""
    dot = dot_in(key)
    said = _dot(read, *dot) if dot else _everything(read, key)
    return list(islice(said, LINES_MAX))


def _everything(read: Connection, key: str) -> Iterator[str]:
    yield from _facts(read, key)
    for row in read.execute(
        f"{_FACT} WHERE feed.stream = ? AND CAST(fact.body AS TEXT) LIKE '%' || ? || '%'", (Stream.SALES, key)
    ).fetchall():
        if _receipt_no(row[5]) == key:
            yield f"receipt {key} is that of this sale:"
            yield from _said(row)
    yield from _returns(read, key)
    yield from _registers(read, key)
    yield from _tallies(read, key)
    yield from _promise(read, key)
    yield from _life(read, key)


def _facts(read: Connection, key: str) -> Iterator[str]:
    """Facts of this key, alone or as the last part of a key with a store or an entity before it."""
    found = read.execute(
        """
        SELECT stream, key, n FROM fact_key
        WHERE key = ?1 OR (key LIKE '[%' AND json_valid(key) AND key ->> '$[#-1]' = ?1)
        """,
        (key,),
    ).fetchall()
    for feed, whole, n in found:
        (first,) = read.execute(f"{_FACT} WHERE fact.stream = ? AND fact.n = ?", (feed, n)).fetchall()
        yield f"{first[1]} {whole}:"
        yield from _said(first)
        others = read.execute(
            f"{_FACT} JOIN duplicate ON duplicate.stream = fact.stream AND duplicate.n = fact.n "
            "WHERE duplicate.stream = ? AND duplicate.key = ? ORDER BY fact.n",
            (feed, whole),
        ).fetchall()
        for other in others:
            yield "  another row under this key; it is kept and counted in no sum here:"
            yield from _said(other)
            dots = FactDot(first[0], first[2]), FactDot(other[0], other[2])
            yield f"    at the hubs {said_standing(*dots, _sealed(read), is_same=first[5] == other[5])}"


def _said(row: Row) -> Iterator[str]:
    rep, stream, seq, n, received_ms, body = row
    yield f"  {said_dot(rep, stream, seq)} came at {said_moment(received_ms)} and is number {n} of the feed: it is safe here"
    yield f"    {said_content(body)}"
    yield f"    {said_effects(body)}"


def _receipt_no(body: bytes) -> str:
    try:
        return str(json.loads(body).get("receipt_no", ""))
    except (ValueError, AttributeError):
        return ""


def _returns(read: Connection, key: str) -> Iterator[str]:
    for row in read.execute(
        f"{_FACT} JOIN sale_return ON sale_return.n = fact.n WHERE feed.stream = 'returns' AND sale_return.sale_id = ?",
        (key,),
    ).fetchall():
        yield "return that names it:"
        yield from _said(row)


def _registers(read: Connection, key: str) -> Iterator[str]:
    for kind, n, seq, changed_ms, origin in read.execute(
        """
        SELECT kind, n, seq, changed_ms, store || ':' || incarnation
        FROM register LEFT JOIN replica ON replica.id = register.origin WHERE sku = ? ORDER BY kind
        """,
        (key,),
    ):
        by = f"handed over by {origin}" if origin else "written by head office"
        yield f"{kind} {key}: version {n} stands, {by} at {said_moment(changed_ms)}, catalogue/{seq}"
        if kind in REGISTRY.by_name:
            yield f"  {merge_rule(REGISTRY.by_name[kind])}"


def _tallies(read: Connection, key: str) -> Iterator[str]:
    for rep, stream, name, seq, received_ms in read.execute(
        """
        SELECT store || ':' || incarnation, feed.stream, tally.key, seq, received_ms
        FROM tally JOIN feed ON feed.id = tally.stream JOIN replica ON replica.id = tally.replica
        WHERE tally.key = ?1 OR (tally.key LIKE '[%' AND json_valid(tally.key) AND tally.key ->> '$[0]' = ?1)
        ORDER BY 2, 1
        """,
        (key,),
    ):
        yield f"{stream} {name}: the last of {rep} is {said_dot(rep, stream, seq)}, which came at {said_moment(received_ms)}"


def _promise(read: Connection, key: str) -> Iterator[str]:
    for promise_id, order_id, sku, store, n, holder, keeper, ending in read.execute(
        "SELECT promise_id, order_id, sku, store, n, holder, keeper, ending FROM promise WHERE promise_id = ? OR order_id = ?",
        (key, key),
    ):
        yield f"promise {promise_id} of order {order_id}: {n} of {sku} at {store}, on the right of {holder}, kept by {keeper}"
        yield f"  {'ended: ' + ending if ending else 'open'}"


def _life(read: Connection, rep: str) -> Iterator[str]:
    row = read.execute(
        """
        SELECT began_ms, why, heir, sealed_ms FROM replica LEFT JOIN ended_life ON ended_life.replica = replica.id
        WHERE store || ':' || incarnation = ?
        """,
        (rep,),
    ).fetchone()
    if row is None:
        return
    began_ms, why, heir, sealed_ms = row
    yield f"life {rep}: known here since {said_moment(began_ms)}"
    if why:
        sealed = f"sealed at {said_moment(sealed_ms)}" if sealed_ms else "not sealed: rows of it are still to come"
        yield f"  given up: {why}; heir {heir or 'none'}; {sealed}"


def _dot(read: Connection, rep: str, stream: str, seq: int) -> Iterator[str]:
    replica = known_id(read, rep)
    rows = read.execute(
        f"{_FACT} WHERE fact.replica = ? AND feed.stream = ? AND fact.seq = ?", (replica, stream, seq)
    ).fetchall()
    for row in rows:
        yield from _said(row)
    held = read.execute("SELECT last FROM received WHERE replica = ? AND stream = ?", (replica, stream)).fetchone()
    if not rows and held is not None:
        is_here = "it has come, and a later row replaced it" if seq <= held[0] else "it has not come"
        yield f"{said_dot(rep, stream, seq)}: {is_here}; {stream} is held here up to {held[0]}"


def _sealed(read: Connection) -> dict[str, int]:
    rows = read.execute(
        """
        SELECT store || ':' || incarnation FROM ended_life JOIN replica ON replica.id = ended_life.replica
        WHERE sealed_ms IS NOT NULL ORDER BY sealed_ms, seal_seq
        """
    )
    return {rep: place for place, (rep,) in enumerate(rows, 1)}
