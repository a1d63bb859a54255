"""What members have bought and what came back, in shops and on line: one row a purchase, its lines beside it.

    sale, return of a store    out of its facts; channel `store`
    purchase elsewhere         told by a channel or by head office, under the channel's own number

A return may come before its sale: it is noted, and worked into the purchase when that is here. Amounts are minor units of goods
after discounts, without the rounding for cash. Functions of a write job.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sync.json_errors import NOT_JSON
from sync.retail.money import line_amount
from sync.retail.selling.sales import AMOUNT_MAX, QTY_MAX, Amount

STORE = "store"
"""The channel of what a till has sold."""
Line = tuple[int, str, int, int]
"""(line, sku, qty, amount)"""
Back = tuple[str, int, int, int]
"""(return_id, line, qty, amount)"""


class Purchase(Struct, frozen=True, kw_only=True):
    """A purchase as it is entered; `store` is empty on line, `city` is where it was sent to.

    `in_shop`: at a till, as all of channel `store` are; `store` is empty for a till of which nobody knows where it stands.
    """

    channel: str
    purchase_id: str
    member_id: str
    store: str = ""
    in_shop: bool = False
    city: str = ""
    currency: str
    lines: tuple[Line, ...]
    coupons: tuple[tuple[str, int], ...] = ()
    bought_ms: int


class _SaleLine(Struct):
    line: Annotated[int, Meta(ge=0, le=9999)]
    sku: str
    qty: Annotated[int, Meta(ge=0, le=QTY_MAX)]
    unit_price: Amount
    per: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)] = 1
    discount: Amount = 0


class _Coupon(Struct):
    serial: str
    amount: Amount


class _Sale(Struct):
    sale_id: str
    currency: str
    lines: tuple[_SaleLine, ...]
    coupons: tuple[_Coupon, ...] = ()
    member_id: str = ""
    sold_at: datetime | None = None


class _SaleFact(Struct):
    sale: _Sale
    committed_at: datetime | None = None


class _Return(Struct):
    return_id: str
    sale_id: str


class _BackLine(Struct):
    line: Annotated[int, Meta(ge=0, le=9999)]
    qty: Annotated[int, Meta(ge=0, le=QTY_MAX)]
    amount: Amount


class _ReturnFact(Struct):
    content: _Return = msgspec.field(name="return")
    lines: tuple[_BackLine, ...] = ()


_sale = msgspec.json.Decoder(_SaleFact).decode
_return = msgspec.json.Decoder(_ReturnFact).decode


def purchase_of(store: str, body: bytes, *, received_ms: int) -> Purchase | None:
    """Return a store's sale to a member; one to nobody is not a person's purchase."""
    if b'"member_id"' not in body:
        return None
    try:
        fact = _sale(body)
    except NOT_JSON:
        return None
    sale, at = fact.sale, fact.sale.sold_at or fact.committed_at
    if not sale.member_id:
        return None
    lines = tuple(
        (each.line, each.sku, each.qty, line_amount(each.unit_price, each.qty, each.per) - each.discount)
        for each in sale.lines
    )
    return Purchase(
        channel=STORE,
        purchase_id=sale.sale_id,
        member_id=sale.member_id,
        store=store,
        currency=sale.currency,
        lines=lines,
        coupons=tuple((each.serial, each.amount) for each in sale.coupons),
        bought_ms=int(at.timestamp() * 1000) if at else received_ms,
    )


def backs_of(body: bytes) -> list[tuple[str, Back]]:
    """Return what came back of a store's sale, by its number; nothing for a return that nobody here can read."""
    try:
        fact = _return(body)
    except NOT_JSON:
        return []
    content = fact.content
    return [(content.sale_id, (content.return_id, each.line, each.qty, each.amount)) for each in fact.lines]


def enter(tx: Connection, bought: Purchase) -> bool:
    """Enter a purchase once; say whether it is new."""
    return enter_all(tx, bought.channel, [bought]) > 0


def enter_all(tx: Connection, channel: str, many: Sequence[Purchase]) -> int:
    """Enter purchases of a channel, each once, the first of those under one number; return how many are new.

    In as many statements as for one: a backlog has thousands, and what is being sold waits for the writer.
    """
    first: dict[str, Purchase] = {}
    for each in many:
        first.setdefault(each.purchase_id, each)
    known = _found(tx, "purchase", channel, first)
    new = [each for each in first.values() if each.purchase_id not in known]
    if not new:
        return 0
    tx.executemany(
        """
        INSERT INTO purchase
          (channel, purchase_id, member_id, store, city, currency, amount, refunded, is_kept, bought_ms, in_shop)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (
                *(channel, each.purchase_id, each.member_id, each.store, each.city, each.currency),
                *(sum(amount for *_, amount in each.lines), 0, 1, each.bought_ms),
                int(each.in_shop or channel == STORE),
            )
            for each in new
        ],
    )
    lines = {(channel, each.purchase_id, line[0]): line for each in new for line in reversed(each.lines)}
    tx.executemany(
        """
        INSERT INTO purchase_line (channel, purchase_id, line, sku, qty, amount, back_qty, back_amount)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
        """,
        [(*key, *rest, 0, 0) for key, (_, *rest) in lines.items()],
    )
    coupons = {(channel, each.purchase_id, serial): amount for each in new for serial, amount in reversed(each.coupons)}
    tx.executemany(
        "INSERT INTO purchase_coupon (channel, purchase_id, serial, amount) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(*key, amount) for key, amount in coupons.items()],
    )
    _work_in(tx, channel, _found(tx, "purchase_back", channel, [each.purchase_id for each in new]))
    return len(new)


def enter_return(
    tx: Connection, channel: str, purchase_id: str, return_id: str, lines: Sequence[tuple[int, int, int]]
) -> bool:
    """Enter (line, qty, amount) that came back, once; say whether it is new."""
    return enter_backs(tx, channel, [(purchase_id, (return_id, *line)) for line in lines])


def enter_backs(tx: Connection, channel: str, backs: Sequence[tuple[str, Back]]) -> bool:
    """Enter what came back of purchases, each line once; say whether any of it is new. In as many statements as for one."""
    entered = tx.executemany(
        """
        INSERT INTO purchase_back (channel, purchase_id, return_id, line, qty, amount) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        [(channel, purchase_id, *back) for purchase_id, back in backs],
    ).rowcount
    _work_in(tx, channel, {purchase_id for purchase_id, _ in backs})
    return entered > 0


def set_purchase(tx: Connection, bought: Purchase) -> None:
    """Bring a purchase to what is bought now, nothing of it back, whether it is here or not."""
    remove(tx, bought.channel, bought.purchase_id)
    enter(tx, bought)


def set_backs(tx: Connection, channel: str, purchase_id: str, backs: Collection[Back]) -> None:
    """Bring what is back of a purchase to this, and nothing else."""
    tx.execute("DELETE FROM purchase_back WHERE channel = ? AND purchase_id = ?", (channel, purchase_id))
    tx.execute(
        "UPDATE purchase_line SET back_qty = 0, back_amount = 0 WHERE channel = ? AND purchase_id = ?",
        (channel, purchase_id),
    )
    tx.execute(
        "UPDATE purchase SET refunded = 0, is_kept = 1 WHERE channel = ? AND purchase_id = ?", (channel, purchase_id)
    )
    tx.executemany(
        "INSERT INTO purchase_back (channel, purchase_id, return_id, line, qty, amount) VALUES (?, ?, ?, ?, ?, ?)",
        [(channel, purchase_id, *back) for back in backs],
    )
    _work_in(tx, channel, [purchase_id] if backs else [])


def remove(tx: Connection, channel: str, purchase_id: str) -> None:
    """Leave nothing of a purchase."""
    for table in ("purchase", "purchase_line", "purchase_back", "purchase_coupon"):
        tx.execute(f"DELETE FROM {table} WHERE channel = ? AND purchase_id = ?", (channel, purchase_id))


def is_entered(read: Connection, channel: str, purchase_id: str) -> bool:
    """Whether a purchase is here."""
    found = "SELECT 1 FROM purchase WHERE channel = ? AND purchase_id = ?"
    return read.execute(found, (channel, purchase_id)).fetchone() is not None


def _found(read: Connection, table: str, channel: str, ids: Iterable[str]) -> set[str]:
    """Return which of these numbers have rows in a table of purchases."""
    rows = read.execute(
        f"""
        SELECT DISTINCT {table}.purchase_id FROM json_each(?) AS asked CROSS JOIN {table}
        WHERE {table}.channel = ? AND {table}.purchase_id = asked.value
        """,
        (msgspec.json.encode(list(ids)).decode(), channel),
    )
    return {purchase_id for (purchase_id,) in rows}


def _work_in(tx: Connection, channel: str, ids: Collection[str]) -> None:
    """Bring purchases to what came back of them, whichever was here first; something has come back of each."""
    if not ids:
        return
    asked = (channel, msgspec.json.encode(sorted(ids)).decode())
    came_back = """
      FROM purchase_back AS back WHERE back.channel = purchase_line.channel
      AND back.purchase_id = purchase_line.purchase_id AND back.line = purchase_line.line
    """
    tx.execute(
        f"""
        UPDATE purchase_line SET
          back_qty = (SELECT coalesce(SUM(back.qty), 0) {came_back}),
          back_amount = (SELECT coalesce(SUM(back.amount), 0) {came_back})
        WHERE channel = ? AND purchase_id IN (SELECT value FROM json_each(?))
        """,
        asked,
    )
    tx.execute(
        """
        UPDATE purchase SET
          refunded = (
            SELECT coalesce(SUM(back.amount), 0) FROM purchase_back AS back
            WHERE back.channel = purchase.channel AND back.purchase_id = purchase.purchase_id
          ),
          is_kept = (
            SELECT COUNT(*) FROM (
              SELECT 1 FROM purchase_line AS line
              WHERE line.channel = purchase.channel AND line.purchase_id = purchase.purchase_id
              AND line.qty > line.back_qty LIMIT 1
            ) AS kept
          )
        WHERE channel = ? AND purchase_id IN (SELECT value FROM json_each(?))
        """,
        asked,
    )


def totals(read: Connection, ids: Iterable[str]) -> list[tuple[str, str, int, str, int, int, int, int]]:
    """Return (channel, store, in a shop, currency, how many were kept, amount, refunded, the last) of a person's purchases."""
    return read.execute(
        """
        SELECT channel, store, in_shop, currency, SUM(is_kept), SUM(amount), SUM(refunded), MAX(bought_ms) FROM purchase
        WHERE member_id IN (SELECT value FROM json_each(?))
        GROUP BY channel, store, in_shop, currency ORDER BY channel, store, in_shop, currency
        """,
        (msgspec.json.encode(sorted(ids)).decode(),),
    ).fetchall()


def home_store(read: Connection, ids: Iterable[str]) -> str:
    """Return the store in which a person has kept most purchases, of several the last; empty for nobody's."""
    row = read.execute(
        """
        SELECT store FROM purchase WHERE store <> '' AND member_id IN (SELECT value FROM json_each(?))
        GROUP BY store ORDER BY SUM(is_kept) DESC, MAX(bought_ms) DESC, store LIMIT 1
        """,
        (msgspec.json.encode(sorted(ids)).decode(),),
    ).fetchone()
    return str(row[0]) if row else ""
