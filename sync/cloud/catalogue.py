"""The catalogue: registers that the cloud owns, its own state stream; imports, and the hand-over of a store's former catalogue.

    a store's row              the cloud's register         becomes
    unknown kind or shape      -                            kept as bytes in the feed, not sent to the stores
    any                        none                         adopted, with the store's n
    larger n                   adopted from this replica    adopted again: the store has changed it before it was joined
    any                        any other                    the cloud's stays

    of a former life of the    older n                      adopted: this cloud was restored and had forgotten it
    cloud, held by a store     any, written in this life    the cloud's stays, above it
                               same n, another content      the cloud's stays, above it: both were written under one number

A GTIN belongs to one SKU: an adopted or imported row loses those that another SKU has. Functions of a write job.
"""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from sync.batch import SENT_BYTES_MAX, Batch, Boundary, Head, Row
from sync.cloud.arrivals.cursors import move_cursor, number_rows
from sync.cloud.registers import Registers, Standing, asked_of, kind_of
from sync.cloud.scopes.scope_catalogue import PRICE, PRODUCT
from sync.cloud.scopes.scopes import load_scoped, scope_heads
from sync.errors import ForkError
from sync.json_errors import NOT_JSON
from sync.model import Feed, Replica, Stream
from sync.retail.catalogue.catalogue import Price, Product, check_price, check_product
from sync.retail.catalogue.registers import CatalogueRow, ProductRow, price_row, product_row, read_row, write_row
from sync.scope_rows import is_scoped
from sync.store.replicas import begin_incarnation, own_replica

LIVES_A_DAY_MAX = 5
DAY_MS = 86_400_000
ENTRIES_MAX = 500  # of one import request: one write job, which nothing may wait for too long


class Entry(Struct, frozen=True):
    """One product with its price."""

    product: Product
    price: Price


class Put(Struct, frozen=True):
    """What an import did; `gtins_taken` lists [gtin, sku refused, sku that keeps it]."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    gtins_taken: tuple[tuple[str, str, str], ...] = ()


class HandedOver(Struct, frozen=True):
    """What became of rows that a store handed over."""

    adopted: int = 0
    kept: int = 0
    unread: int = 0
    gtins_dropped: tuple[tuple[str, str, str], ...] = ()


def import_entries(tx: Connection, replica: Replica, entries: Sequence[Entry], *, now_ms: int) -> Put:
    """Write products and prices of head office; rows that say nothing new get no new version."""
    skus, gtins = asked_of((entry.product.sku, entry.product.gtins) for entry in entries)
    writer = Registers(tx, replica, skus=skus, gtins=gtins, now_ms=now_ms)
    created = updated = unchanged = 0
    taken: list[tuple[str, str, str]] = []
    for entry in entries:
        product, before = entry.product, writer.standing(PRODUCT, entry.product.sku)
        if refused := writer.taken(product.sku, product.gtins):
            taken += refused
            lost = {gtin for gtin, _, _ in refused}
            product = msgspec.structs.replace(product, gtins=[gtin for gtin in product.gtins if gtin not in lost])
        is_changed = _put_new(writer, product_row(product, before.n if before else 0), before)
        price_before = writer.standing(PRICE, product.sku)
        row = price_row(product.sku, entry.price, price_before.n if price_before else 0)
        is_changed |= _put_new(writer, row, price_before)
        created += before is None
        updated += is_changed and before is not None
        unchanged += not is_changed
    writer.close()
    return Put(created, updated, unchanged, tuple(taken))


def begin_anew(tx: Connection, own: Replica, incarnation: str, *, now_ms: int) -> Replica | None:
    """Begin a new life of the cloud: what it wrote stays as it is, what it has forgotten the stores may tell.

    None when this one has ended already, as when two stores find at once that it was restored.
    Raise ForkError when this has happened LIVES_A_DAY_MAX times within a day: then somebody is lying.
    """
    if own_replica(tx) != own:
        return None
    recent = tx.execute(
        "SELECT count(*) FROM replica WHERE store = ? AND began_ms > ?", (own.store, now_ms - DAY_MS)
    ).fetchone()[0]
    if recent > LIVES_A_DAY_MAX:
        raise ForkError(f"{own.store} has begun {recent} lives within a day: a store tells of rows that never were")
    streams = tx.execute("SELECT name, feed, seq, digest FROM stream WHERE replica = ?", (own.local_id,)).fetchall()
    for name, _, seq, digest in streams:
        move_cursor(tx, own.local_id, name, Boundary(seq, digest), rows=0, now_ms=now_ms)
    tx.execute("DELETE FROM stream WHERE replica = ?", (own.local_id,))
    replica = begin_incarnation(tx, own.store, incarnation=incarnation, now_ms=now_ms)
    tx.executemany(  # the rows of a state stream keep their seqs; nobody has been offered any of them by this life
        "UPDATE stream SET seq = ?, digest = ? WHERE replica = ? AND name = ?",
        [(seq, digest, replica.local_id, name) for name, feed, seq, digest in streams if feed == Feed.STATE],
    )
    return replica


def hand_over(
    tx: Connection, replica: Replica, origin: int, rows: Sequence[Row], *, now_ms: int, is_recovered: bool = False
) -> HandedOver:
    """Take the rows of a store's catalogue that the cloud does not know, or those of its own former life it had forgotten."""
    read = [(seq, body, _valid(body)) for seq, body in rows]
    told = [row for _, _, row in read if row is not None]
    skus, gtins = asked_of((row.sku, row.gtins if isinstance(row, ProductRow) else ()) for row in told)
    writer = Registers(tx, replica, skus=skus, gtins=gtins, now_ms=now_ms)
    adopted = kept = 0
    dropped: list[tuple[str, str, str]] = []
    unread: list[tuple[int, int, bytes]] = []
    began_at = _began_at(tx, replica) if is_recovered else 0
    for seq, body, row in read:
        if row is None:
            unread.append((writer.next_seq(body), seq, body))
            continue
        before = writer.standing(kind_of(row), row.sku)
        is_foreign = before is not None and before.origin != origin and not is_recovered
        if is_recovered and before is not None and before.seq > began_at and before.origin is None:
            kept += 1
            if row.n >= before.n and _says_other(before.body, row):
                _overrule(writer, before, row.n, origin=None)
            continue
        if before is not None and (is_foreign or row.n <= before.n):
            kept += before.origin != origin
            if not _says_other(before.body, row):
                continue
            whose = origin if is_recovered else before.origin  # moved to the end it is still none of this life's edits
            if is_recovered and row.n == before.n:
                _overrule(writer, before, row.n, origin=whose)
            else:  # down again: the store's cursor may be behind ours, as after a time alone
                writer.put(read_row(before.body), before.body, whose)
            continue
        lost = writer.taken(row.sku, row.gtins) if isinstance(row, ProductRow) and not row.gone else []
        dropped += lost
        adopted += before is None
        if lost:
            row, body = _without(body, {gtin for gtin, _, _ in lost})  # noqa: PLW2901 - as it is adopted
        writer.put(row, body, origin)
    writer.told_by(origin, told)
    writer.close()
    if unread:
        _keep_unread(tx, origin, unread, now_ms=now_ms)
    result = HandedOver(adopted, kept, len(unread), tuple(dropped))
    _note_handover(tx, origin, result, now_ms=now_ms)
    return result


def own_heads(read: Connection, own: Replica, store: str) -> list[Head]:
    """Return the cloud's own streams as a store gets them: the whole catalogue, or its scopes."""
    scopes = scope_heads(read, own, store)
    if Stream.CATALOGUE in scopes:
        return list(scopes.values())
    return [Head(own.rep, Stream.CATALOGUE, Feed.STATE, end_of_catalogue(read, own)), *scopes.values()]


def load_batch(read: Connection, replica: Replica, head: Head, after: Boundary, rows_max: int) -> Batch | None:
    """Return the next rows of an own stream behind a boundary; its digest is the stream's where the last row was written."""
    if is_scoped(head.stream):
        return load_scoped(read, head, after, rows_max)
    rows: list[Row] = []
    digest, size = b"", 0
    found = read.execute(
        "SELECT seq, digest, body FROM register WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        (after.last, head.last, rows_max),
    ).fetchall()
    for seq, digest_there, body in found:
        size += len(body)
        if rows and size > SENT_BYTES_MAX:
            break
        rows.append((seq, body))
        digest = digest_there
    if not rows:
        return None
    return Batch(replica.rep, head.stream, Feed.STATE, after.last, rows[-1][0], digest, tuple(rows))


def end_of_catalogue(read: Connection, replica: Replica) -> int:
    """Return the last seq of the catalogue's stream."""
    row = read.execute(
        "SELECT seq FROM stream WHERE replica = ? AND name = ?", (replica.local_id, Stream.CATALOGUE)
    ).fetchone()
    last: int = row[0]
    return last


def _put_new(writer: Registers, row: CatalogueRow, before: Standing | None) -> bool:
    """Write a row as the next version unless it says what stands already (`row` has the n of what stands)."""
    if before is not None and read_row(before.body) == row:
        return False
    row = msgspec.structs.replace(row, n=row.n + 1)
    writer.put(row, write_row(row), None)
    return True


def _overrule(writer: Registers, before: Standing, n: int, *, origin: int | None) -> None:
    """What the cloud has stands above what a former life had written and we had forgotten; unknown fields stay."""
    fields: dict[str, Any] = msgspec.json.decode(before.body)  # Any: a row's fields
    body = msgspec.json.encode(fields | {"n": n + 1})
    writer.put(read_row(body), body, origin)


def _began_at(tx: Connection, own: Replica) -> int:
    """Return where the catalogue's stream stood when this life began."""
    last: int | None = tx.execute(
        """
        SELECT max(last) FROM received JOIN replica ON replica.id = received.replica
        WHERE store = ? AND stream = ?
        """,
        (own.store, Stream.CATALOGUE),
    ).fetchone()[0]
    return last or 0


def _says_other(body: bytes, row: CatalogueRow) -> bool:
    """Whether a stored row differs from another in more than its version."""
    return msgspec.structs.replace(read_row(body), n=row.n) != row


def _valid(body: bytes) -> CatalogueRow | None:
    """Return the register of a row, None when it is none or not one that may be stored."""
    try:
        row = read_row(body)
    except NOT_JSON:
        return None
    problems = check_product(row.product) if isinstance(row, ProductRow) else check_price(row.price)
    return None if problems or "\0" in row.sku or not 0 < row.n < 2**53 else row


def _without(body: bytes, lost: set[str]) -> tuple[CatalogueRow, bytes]:
    """Return the row less some GTINs; fields that are not known here stay."""
    fields: dict[str, Any] = msgspec.json.decode(body)  # Any: a row's fields
    fields["gtins"] = [gtin for gtin in fields["gtins"] if gtin not in lost]
    without = msgspec.json.encode(fields)
    return read_row(without), without


def _keep_unread(tx: Connection, origin: int, rows: Sequence[tuple[int, int, bytes]], *, now_ms: int) -> None:
    feed_id = number_rows(tx, Stream.CATALOGUE, Feed.STATE, 0).feed_id
    tx.executemany(
        "INSERT INTO fact (stream, n, replica, seq, received_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
        [(feed_id, n, origin, seq, now_ms, body) for n, seq, body in rows],
    )


def _note_handover(tx: Connection, origin: int, result: HandedOver, *, now_ms: int) -> None:
    tx.execute(
        """
        INSERT INTO handover (replica, adopted, kept, unread, gtins_dropped, changed_ms) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (replica) DO UPDATE SET
          adopted = adopted + excluded.adopted, kept = kept + excluded.kept, unread = unread + excluded.unread,
          gtins_dropped = gtins_dropped + excluded.gtins_dropped, changed_ms = excluded.changed_ms
        """,
        (origin, result.adopted, result.kept, result.unread, len(result.gtins_dropped), now_ms),
    )
