"""What a Z or an X report adds up: the rows of one drawer that no Z report has counted. Reads, and the Z's own number.

A sale belongs to the drawer of the session that it names, else to that of its till. Sums and what counts: sync.retail.z_reports.
`z_counted` holds what a Z of this hub has counted, by key: a row that another life's row replaces later is not counted again.
"""

import json
from collections.abc import Callable, Iterable
from sqlite3 import Connection
from typing import TypeVar

import msgspec
from msgspec import Struct

from hub.store.model import Shop
from hub.store.sales import series_of
from sync.model import Replica
from sync.retail.drawers import DrawerMovement, DrawerOpened, Mark
from sync.retail.returns import ReturnFact
from sync.retail.sales import SaleFact
from sync.retail.z_reports import (
    Figures,
    Placed,
    PlacedReturn,
    Suspended,
    ZReport,
    figures_of,
    is_counted,
    is_return_counted,
    merged,
    missing_after,
)

T = TypeVar("T")


class Gathered(Struct, frozen=True):
    """The sums of a session so far, what they are made of, and how far the books went."""

    figures: Figures
    mark: Mark
    sales: tuple[str, ...]
    returns: tuple[str, ...]
    sold: dict[str, int]
    returned: dict[str, int]
    previous: str


def gather(read: Connection, shop: Shop, opened: DrawerOpened) -> Gathered:
    """Add up an open session as it is now."""
    before = last_zs(read, opened.till_id)
    marks = [each.mark for each in before]
    if not marks:
        assert opened.mark is not None, "a till's first session has a mark"
        marks = [opened.mark]
    mark = merged(marks)
    sold, returned = heads(read, "sale"), heads(read, "sale_return")
    sales = [each.fact for each in _sales(read, opened.till_id, mark)]
    returns = [each.fact for each in _returns(read, opened.till_id, mark)]
    missing = missing_after(mark, (fact.receipt_no for fact in sales))
    figures = figures_of(
        sales,
        returns,
        movements_of(read, opened.session_id),
        cash_types=frozenset(tender.type for tender in shop.tenders if tender.kind == "cash"),
        float_amount=opened.float_amount,
        missing=_not_in_books(read, missing),
        suspended=_suspended(read, opened.till_id),
    )
    sale_ids = tuple(fact.sale.sale_id for fact in sales)
    return_ids = tuple(fact.content.return_id for fact in returns)
    return Gathered(figures, mark, sale_ids, return_ids, sold, returned, before[0].z_no if before else "")


def last_zs(read: Connection, till_id: str) -> list[ZReport]:
    """Return the last Z report of a till's drawer, that no other names as the one before; more where two hubs made one."""
    rows = read.execute(
        """
        SELECT body FROM z_report
        WHERE till_id = ?1 AND z_no NOT IN (
          SELECT coalesce(body ->> '$.previous', '') FROM z_report WHERE till_id = ?1
        ) ORDER BY body ->> '$.closed_at' DESC, id DESC
        """,
        (till_id,),
    ).fetchall()
    return [msgspec.json.decode(body, type=ZReport) for (body,) in rows]


def movements_of(read: Connection, session_id: str) -> list[DrawerMovement]:
    """Return what went in and out of a drawer in a session, oldest first."""
    rows = read.execute("SELECT body FROM drawer_movement WHERE session_id = ? ORDER BY id", (session_id,)).fetchall()
    return [msgspec.json.decode(body, type=DrawerMovement) for (body,) in rows]


def heads(read: Connection, table: str) -> dict[str, int]:
    """Return how far the books go: rep -> the last seq that is here."""
    rows = read.execute(
        f"""
        SELECT store || ':' || incarnation, (SELECT max(seq) FROM {table} WHERE replica = replica.id) AS last
        FROM replica WHERE last IS NOT NULL ORDER BY 1
        """
    ).fetchall()
    return dict(rows)


def next_z_no(tx: Connection, replica: Replica, till_id: str) -> str:
    """Return the till's next Z number, gap-free in this life's series: `<till>-Z<series>-<n>`."""
    series = series_of(replica.incarnation)
    n = tx.execute(
        """
        INSERT INTO z_series (till_id, series, last_n) VALUES (?, ?, 1)
        ON CONFLICT (till_id, series) DO UPDATE SET last_n = last_n + 1 RETURNING last_n
        """,
        (till_id, series),
    ).fetchone()[0]
    return f"{till_id}-Z{series}-{n:04}"


def note_counted(tx: Connection, gathered: Gathered, *, now_ms: int) -> None:
    """Remember by key what a Z report has counted."""
    rows = [("sale", key, now_ms) for key in gathered.sales] + [("return", key, now_ms) for key in gathered.returns]
    tx.executemany(
        "INSERT INTO z_counted (entity, key, counted_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", sorted(rows)
    )


def _sales(read: Connection, till_id: str, mark: Mark) -> list[Placed]:
    placed = _rows(
        read,
        """
        SELECT store || ':' || incarnation, sale.seq, sale.body
        FROM sale JOIN replica ON replica.id = sale.replica
        WHERE replica.incarnation = :incarnation AND sale.seq > :after
          AND coalesce(
            (SELECT till_id FROM drawer_opened WHERE session_id = sale.body ->> '$.sale.session_id'),
            sale.body ->> '$.sale.till_id'
          ) = :till_id
          AND NOT EXISTS (SELECT 1 FROM z_counted WHERE entity = 'sale' AND key = sale.sale_id)
        ORDER BY sale.seq
        """,
        till_id,
        after=mark.sold,
        place=lambda rep, seq, body: Placed(rep, seq, msgspec.json.decode(body, type=SaleFact)),
    )
    return [each for each in placed if not is_counted(mark, each)]


def _returns(read: Connection, till_id: str, mark: Mark) -> list[PlacedReturn]:
    placed = _rows(
        read,
        """
        SELECT store || ':' || incarnation, sale_return.seq, sale_return.body
        FROM sale_return JOIN replica ON replica.id = sale_return.replica
        WHERE replica.incarnation = :incarnation AND sale_return.seq > :after
          AND sale_return.body ->> '$.return.till_id' = :till_id
          AND NOT EXISTS (SELECT 1 FROM z_counted WHERE entity = 'return' AND key = sale_return.return_id)
        ORDER BY sale_return.seq
        """,
        till_id,
        after=mark.returned,
        place=lambda rep, seq, body: PlacedReturn(rep, seq, msgspec.json.decode(body, type=ReturnFact)),
    )
    before = _returns_before(read, till_id)
    return [each for each in placed if not is_return_counted(mark, each, before=before)]


def _returns_before(read: Connection, till_id: str) -> set[str]:
    rows = read.execute(
        """
        SELECT named.value FROM z_report, json_each(z_report.body, '$.figures.return_ids') AS named WHERE till_id = ?
        """,
        (till_id,),
    ).fetchall()
    return {return_id for (return_id,) in rows}


def _rows(
    read: Connection, sql: str, till_id: str, *, after: dict[str, int], place: Callable[[str, int, str], T]
) -> Iterable[T]:
    lives = read.execute("SELECT store || ':' || incarnation, incarnation FROM replica ORDER BY id").fetchall()
    for rep, incarnation in lives:
        wanted = {"incarnation": incarnation, "after": after.get(rep, 0), "till_id": till_id}
        for row in read.execute(sql, wanted):
            yield place(*row)


def _not_in_books(read: Connection, receipt_nos: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out numbers that another drawer has, or that are void."""
    known = read.execute(
        """
        SELECT value FROM json_each(?1) WHERE value IN (SELECT receipt_no FROM sale)
          OR value IN (SELECT receipt_no FROM void_receipt)
        """,
        (json.dumps(receipt_nos),),
    ).fetchall()
    there = {receipt_no for (receipt_no,) in known}
    return tuple(receipt_no for receipt_no in receipt_nos if receipt_no not in there)


def _suspended(read: Connection, till_id: str) -> list[Suspended]:
    """Second contents of this till that nobody has decided on."""
    rows = read.execute(
        """
        SELECT sale_id, lower(hex(suspended_sale.content_hash))
        FROM suspended_sale LEFT JOIN suspended_end USING (sale_id, content_hash)
        WHERE suspended_sale.till_id = ? AND ended_by IS NULL
        """,
        (till_id,),
    ).fetchall()
    return [Suspended(*row) for row in rows]
