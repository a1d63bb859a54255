"""What a Z or an X report adds up: the rows of one drawer that no Z report has counted. Reads, and the Z's own number.

A sale or return belongs to the drawer of the session that it names, else to its till's. What counts:
sync.retail.selling.z_reports.
"""

import json
from collections.abc import Iterator, Mapping
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from hub.store.model import Shop
from hub.store.selling.sales import series_of
from sync.model import Replica
from sync.retail.selling.drawers import DrawerMovement, DrawerOpened, Mark
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import SaleFact
from sync.retail.selling.z_reports import (
    Figures,
    Place,
    Suspended,
    ZReport,
    figures_of,
    is_counted,
    merged,
    missing_after,
    name_of,
    names_in,
)

LOOKED_BACK = 60  # Z reports whose names are asked: a row that comes anew comes within two months of its sale


class Gathered(Struct, frozen=True):
    """The sums of a session so far, the names of what is in them, and how far the books went."""

    figures: Figures
    mark: Mark
    names: str
    sold: dict[str, int]
    returned: dict[str, int]
    previous: str


def gather(read: Connection, shop: Shop, opened: DrawerOpened) -> Gathered:
    """Add up an open session as it is now."""
    tips = last_zs(read, opened.till_id)
    marks = [each.mark for each in tips]
    if not marks:
        assert opened.mark is not None, "a till's first session has a mark"
        marks = [opened.mark]
    mark, before = merged(marks), _names_before(read, opened.till_id)
    sold, returned = heads(read, "sale"), heads(read, "sale_return")
    sales = dict(_sales(read, opened.till_id, mark, before))
    returns = dict(_returns(read, opened.till_id, mark, before))
    missing = missing_after(mark, (fact.receipt_no for fact in sales.values()))
    figures = figures_of(
        list(sales.values()),
        list(returns.values()),
        movements_of(read, opened.session_id),
        cash_types=frozenset(tender.type for tender in shop.tenders if tender.kind == "cash"),
        float_amount=opened.float_amount,
        missing=_not_in_books(read, missing),
        suspended=_suspended(read, opened.till_id),
    )
    names = "".join(sorted({*sales, *returns}))
    return Gathered(figures, mark, names, sold, returned, tips[0].z_no if tips else "")


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


def _sales(read: Connection, till_id: str, mark: Mark, before: set[str]) -> Iterator[tuple[str, SaleFact]]:
    sql = """
        SELECT sale.seq, sale.body FROM sale
        WHERE sale.replica = :replica AND sale.seq > :after
          AND coalesce(
            (SELECT till_id FROM drawer_opened WHERE session_id = sale.body ->> '$.sale.session_id'),
            sale.body ->> '$.sale.till_id'
          ) = :till_id
        ORDER BY sale.seq
        """
    for rep, seq, body in _rows(read, sql, till_id, after=mark.sold):
        fact = msgspec.json.decode(body, type=SaleFact)
        place = Place(rep, seq, name_of("sale", fact.sale.sale_id), fact.committed_at)
        if not is_counted(place, upto=mark.sold, since=mark.since, before=before):
            yield place.name, fact


def _returns(read: Connection, till_id: str, mark: Mark, before: set[str]) -> Iterator[tuple[str, ReturnFact]]:
    sql = """
        SELECT seq, body FROM sale_return
        WHERE replica = :replica AND seq > :after
          AND coalesce(
            (SELECT till_id FROM drawer_opened WHERE session_id = sale_return.body ->> '$.return.session_id'),
            sale_return.body ->> '$.return.till_id'
          ) = :till_id
        ORDER BY seq
        """
    for rep, seq, body in _rows(read, sql, till_id, after=mark.returned):
        fact = msgspec.json.decode(body, type=ReturnFact)
        place = Place(rep, seq, name_of("return", fact.content.return_id), fact.committed_at)
        if not is_counted(place, upto=mark.returned, since=mark.since, before=before):
            yield place.name, fact


def _rows(read: Connection, sql: str, till_id: str, *, after: Mapping[str, int]) -> Iterator[tuple[str, int, str]]:
    for rep, local_id in read.execute("SELECT store || ':' || incarnation, id FROM replica ORDER BY id").fetchall():
        wanted = {"replica": local_id, "after": after.get(rep, 0), "till_id": till_id}
        for seq, body in read.execute(sql, wanted).fetchall():
            yield rep, seq, body


def _names_before(read: Connection, till_id: str) -> set[str]:
    rows = read.execute(
        "SELECT body ->> '$.names' FROM z_report WHERE till_id = ? ORDER BY id DESC LIMIT ?", (till_id, LOOKED_BACK)
    ).fetchall()
    return {name for (names,) in rows if names for name in names_in(names)}


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
