"""Sales by their receipt, for another store of the chain that is to take goods back: what was sold, what is back where.

Lines and tenders only: neither who bought nor who sold. What came back is that of every store, the sale's own and those that took
goods on a claim, as far as their rows have come. Reads, and what a write job of sales enters. Not here: HTTP
(sync.cloud.web.receipt_routes), who may take goods back (the hub's), what follows from too many (the store that sold).
"""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sync.json_errors import NOT_JSON
from sync.model import Stream
from sync.retail.selling.claims import Paid, SoldElsewhere
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import SaleFact

FOUND_MAX = 5  # sales of one number: tills of two stores may be called the same


class _Numbered(Struct, frozen=True):
    """What is read of a sale when it comes."""

    receipt_no: Annotated[str, Meta(min_length=1, max_length=64)]


_numbered = msgspec.json.Decoder(_Numbered).decode
_sale = msgspec.json.Decoder(SaleFact).decode
_return = msgspec.json.Decoder(ReturnFact).decode


def enter_receipts(tx: Connection, sales: Iterable[tuple[int, bytes]]) -> None:
    """Enter sales by their receipts; `sales` are (number in the feed, row). A row that says none has none."""
    entered = []
    for n, body in sales:
        try:
            receipt_no = _numbered(body).receipt_no
        except NOT_JSON:
            continue
        if "\0" not in receipt_no:  # PostgreSQL takes none; such a row is named unread
            entered.append((receipt_no, n))
    tx.executemany("INSERT INTO receipt (receipt_no, n) VALUES (?, ?) ON CONFLICT DO NOTHING", entered)


def sold_as(read: Connection, name: str) -> list[SoldElsewhere]:
    """Return the sales of a receipt's number or an id, each with what is back of it."""
    rows = read.execute(
        """
        SELECT replica.store, fact.body FROM feed
        JOIN fact ON fact.stream = feed.id AND fact.n IN (
          SELECT fact_key.n FROM fact_key WHERE fact_key.stream = feed.id AND fact_key.key = ?2
          UNION SELECT receipt.n FROM receipt WHERE receipt.receipt_no = ?2
        )
        JOIN replica ON replica.id = fact.replica
        WHERE feed.stream = ?1 AND NOT EXISTS (
          SELECT 1 FROM duplicate WHERE duplicate.stream = feed.id AND duplicate.n = fact.n
        )
        ORDER BY fact.n LIMIT ?3
        """,
        (Stream.SALES, name, FOUND_MAX),
    ).fetchall()
    return [found for store, body in rows if (found := _sold(read, store, body)) is not None]


def _sold(read: Connection, store: str, body: bytes) -> SoldElsewhere | None:
    try:
        fact = _sale(body)
    except NOT_JSON:
        return None
    sale = fact.sale
    return SoldElsewhere(
        store=store,
        sale_id=sale.sale_id,
        receipt_no=fact.receipt_no,
        business_date=fact.business_date,
        currency=sale.currency,
        lines=sale.lines,
        tenders=tuple(Paid(tender.type, tender.amount) for tender in sale.tenders),
        returned=_returned(read, store, {sale.sale_id, fact.receipt_no}),
    )


def _returned(read: Connection, seller: str, names: Iterable[str]) -> dict[str, dict[int, int]]:
    """Return store -> line -> qty of what came back of a sale of `seller`, whatever its receipt was called by there."""
    rows = read.execute(
        """
        SELECT replica.store, fact.body FROM feed
        JOIN sale_return ON sale_return.sale_id IN (SELECT value FROM json_each(?2))
        JOIN fact ON fact.stream = feed.id AND fact.n = sale_return.n
        JOIN replica ON replica.id = fact.replica
        WHERE feed.stream = ?1
        """,
        (Stream.RETURNS, msgspec.json.encode(sorted(names)).decode()),
    ).fetchall()
    found: dict[str, dict[int, int]] = {}
    for store, body in rows:
        try:
            fact = _return(body)
        except NOT_JSON:
            continue
        claim = fact.content.claim
        if (claim.store if claim else store) != seller:
            continue
        lines = found.setdefault(store, {})
        for line in fact.lines:
            lines[line.line] = lines.get(line.line, 0) + line.qty
    return found
