"""What head office asks of the database. Reads only: of sales, products, stores and feeds. Not here: HTTP."""

from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sync.db import Database
from sync.entities import REGISTRY

_REP = "replica.store || ':' || replica.incarnation"


class DuplicateView(Struct, frozen=True):
    """Another fact under the same key, counted in no sum."""

    store: str
    rep: str
    seq: int
    n: int


class ReturnView(Struct, frozen=True):
    """A return of a sale."""

    store: str
    rep: str
    seq: int
    n: int
    received_at: str
    row: Raw = msgspec.field(name="return")


class SaleView(Struct, frozen=True):
    """A sale as its store has sent it: `sale` is the whole fact, as it came."""

    sale_id: str
    store: str
    rep: str
    seq: int
    n: int
    received_at: str
    sale: Raw
    returns: tuple[ReturnView, ...]
    duplicates: tuple[DuplicateView, ...]


class ProductView(Struct, frozen=True):
    """What stands for a SKU: its registers as they are sent to the stores, null where there is none."""

    sku: str
    product: Raw | None
    price: Raw | None
    adopted_from: str | None


class FeedRow(Struct, frozen=True):
    """A row of a feed."""

    n: int
    store: str
    rep: str
    seq: int
    received_ms: int
    body: bytes


def find_sale(read: Connection, sale_id: str) -> SaleView | None:
    """Return the first sale with this id, its returns, and what else came under it."""
    row = read.execute(
        f"""
        SELECT replica.store, {_REP}, fact.seq, fact.n, fact.received_ms, fact.body
        FROM feed
        JOIN fact_key ON fact_key.stream = feed.id
        JOIN fact ON fact.stream = feed.id AND fact.n = fact_key.n
        JOIN replica ON replica.id = fact.replica
        WHERE feed.stream = 'sales' AND fact_key.key = ?
        """,
        (sale_id,),
    ).fetchone()
    if row is None:
        return None
    store, rep, seq, n, received_ms, body = row
    returns = tuple(
        ReturnView(store, rep, seq, n, _utc(received_ms), Raw(body))
        for store, rep, seq, n, received_ms, body in read.execute(
            f"""
            SELECT replica.store, {_REP}, fact.seq, fact.n, fact.received_ms, fact.body
            FROM sale_return
            JOIN feed ON feed.stream = 'returns'
            JOIN fact ON fact.stream = feed.id AND fact.n = sale_return.n
            JOIN replica ON replica.id = fact.replica
            WHERE sale_return.sale_id = ? ORDER BY fact.n
            """,
            (sale_id,),
        )
    )
    duplicates = tuple(
        DuplicateView(*other)
        for other in read.execute(
            f"""
            SELECT replica.store, {_REP}, fact.seq, fact.n
            FROM feed
            JOIN duplicate ON duplicate.stream = feed.id
            JOIN fact ON fact.stream = feed.id AND fact.n = duplicate.n
            JOIN replica ON replica.id = fact.replica
            WHERE feed.stream = 'sales' AND duplicate.key = ? ORDER BY fact.n
            """,
            (sale_id,),
        )
    )
    return SaleView(sale_id, store, rep, seq, n, _utc(received_ms), Raw(body), returns, duplicates)


def find_product(read: Connection, sku: str) -> ProductView | None:
    """Return the registers of a SKU."""
    rows = read.execute(
        """
        SELECT register.kind, register.body, replica.store
        FROM register LEFT JOIN replica ON replica.id = register.origin
        WHERE register.sku = ? AND register.kind IN ('product', 'price')
        """,
        (sku,),
    ).fetchall()
    found = {kind: Raw(body) for kind, body, _ in rows}
    origin = next((store for kind, _, store in rows if kind == "product"), None)
    return ProductView(sku, found.get("product"), found.get("price"), origin) if found else None


def known_streams(read: Connection) -> list[str]:
    """Return the streams that a feed can be asked of: those of the model, and all others that were ever seen."""
    return sorted({*REGISTRY.streams, *(stream for (stream,) in read.execute("SELECT stream FROM feed"))})


async def feed_rows(db: Database, stream: str, *, after: int, limit: int) -> list[FeedRow]:
    """Return rows of a feed behind a number, in its order, one more than `limit` when there are more."""
    rows = await db.search(
        f"""
        SELECT told.n, replica.store, {_REP}, told.seq, told.received_ms, told.body
        FROM (
          SELECT n, replica, seq, received_ms, body FROM (
            SELECT n, replica, seq, received_ms, body FROM fact
            WHERE stream = (SELECT id FROM feed WHERE stream = :stream) AND n > :after ORDER BY n LIMIT :limit
          ) AS part
          UNION ALL SELECT n, replica, seq, received_ms, body FROM (
            SELECT n, replica, seq, received_ms, body FROM tally
            WHERE stream = (SELECT id FROM feed WHERE stream = :stream) AND n > :after ORDER BY n LIMIT :limit
          ) AS part
          UNION ALL SELECT n, replica, seq, received_ms, body FROM (
            SELECT seq AS n, (SELECT id FROM replica WHERE own = 1) AS replica, seq, changed_ms AS received_ms, body
            FROM register
            WHERE :stream = 'catalogue' AND seq > :after ORDER BY seq LIMIT :limit
          ) AS part
        ) AS told JOIN replica ON replica.id = told.replica
        ORDER BY told.n LIMIT :limit
        """,
        {"stream": stream, "after": after, "limit": limit + 1},
    )
    return [FeedRow(*row) for row in rows]


def store_figures(read: Connection) -> dict[str, dict[str, Any]]:
    """Return what the database knows of each store that has ever sent something, all of one moment. Any: JSON."""
    read.execute("BEGIN")
    try:
        return _store_figures(read)
    finally:
        read.execute("COMMIT")


def _store_figures(read: Connection) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for store, rep in read.execute(f"SELECT store, {_REP} FROM replica WHERE own = 0 ORDER BY id"):
        figures[store] = no_figures() | {"rep": rep}
    for store, *numbers, received_ms in read.execute(
        f"""
        SELECT replica.store, {_REP}, stream, last, lower(hex(digest)), row_count, received_ms
        FROM received JOIN replica ON replica.id = received.replica ORDER BY replica.id, stream
        """
    ):
        figures[store]["streams"].append(
            dict(
                zip(
                    ("rep", "stream", "last", "digest", "rows", "received_at"),
                    (*numbers, _utc(received_ms)),
                    strict=True,
                )
            )
        )
    for store, *numbers, changed_ms in read.execute(
        """
        SELECT replica.store, sum(adopted), sum(kept), sum(unread), sum(gtins_dropped), max(changed_ms)
        FROM handover JOIN replica ON replica.id = handover.replica GROUP BY replica.store
        """
    ):
        names = ("adopted", "kept", "unread", "gtins_dropped", "at")
        figures[store]["handover"] = dict(zip(names, (*numbers, _utc(changed_ms)), strict=True))
    for store, measure, unit, rows, amount in read.execute(
        "SELECT store, measure, unit, row_count, amount FROM store_sum"
    ):
        _enter_sum(figures[store], measure, unit, rows, amount)
    return figures


def no_figures() -> dict[str, Any]:
    """Return the page's part of a store that has sent nothing yet. Any: JSON."""
    return {
        "rep": None,
        "streams": [],
        "sales": {"count": 0, "returns": 0, "total": {}, "refunded": {}},
        "visitors": {"in": 0, "out": 0},
        "duplicates": {},
        "handover": None,
    }


def _enter_sum(figures: dict[str, Any], measure: str, unit: str, rows: int, amount: int) -> None:  # Any: as above
    sales = figures["sales"]
    if measure == "sales":
        sales["count"] += rows
        sales["total"][unit] = amount
    elif measure == "returns":
        sales["returns"] += rows
        sales["refunded"][unit] = amount
    elif measure == "duplicates":
        figures["duplicates"][unit] = rows
    elif measure in ("footfall_in", "footfall_out"):
        figures["visitors"][measure.removeprefix("footfall_")] = amount


def _utc(at_ms: int) -> str:
    """Return a moment as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
