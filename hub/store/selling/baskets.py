"""Baskets that are parked at one till and taken up at another: a plain table of this shop's, in no feed and on no other machine.

    state      means                                       leaves it by
    parked     waits for whoever takes it up first         taken, the day's end -> left
    taken      a till has it; nobody else gets it          -
    left       the day it was parked on is over            taken

The same basket under its id is answered again in any state; other content is a conflict. A basket holds no stock and fixes no
price: it is priced when it is sold. Functions of a write job or of a read. Not here: HTTP; what a sale is.
"""

from sqlite3 import Connection
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from sync.retail.selling.sales import COUPONS_MAX, LINES_MAX, Id, SaleLine, ShortText

PARKED_MAX = 200  # of a day; one more is refused: somebody parks and never takes up
State = Literal["parked", "taken", "left"]


class Basket(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What a till parks: lines as in a sale, and by what it is found again."""

    basket_id: Id
    till_id: Id
    lines: Annotated[tuple[SaleLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    note: ShortText = ""
    cashier_id: Id | None = None
    member_id: Id | None = None
    coupons: Annotated[tuple[Id, ...], Meta(max_length=COUPONS_MAX)] = ()


class BasketView(Struct, frozen=True, omit_defaults=True):
    """A parked basket, its day, and who has taken it up."""

    basket: Basket
    state: State
    business_date: str
    parked_ms: int
    taken_by: str | None = None


def park(tx: Connection, basket: Basket, *, business_date: str, now_ms: int) -> tuple[BasketView, bool]:
    """Park a basket; return it and whether it is new. Raise ConflictError for other content, RefusedError for one too many."""
    body = msgspec.json.encode(basket).decode()
    known = tx.execute("SELECT body FROM parked_basket WHERE basket_id = ?", (basket.basket_id,)).fetchone()
    if known is None:
        waiting = tx.execute(
            "SELECT count(*) FROM parked_basket WHERE business_date = ? AND taken_by IS NULL", (business_date,)
        ).fetchone()[0]
        if waiting >= PARKED_MAX:
            raise RefusedError("baskets_full", f"{waiting} baskets are parked today", pointer="")
        tx.execute(
            "INSERT INTO parked_basket (basket_id, business_date, parked_ms, body) VALUES (?, ?, ?, ?)",
            (basket.basket_id, business_date, now_ms, body),
        )
    elif known[0] != body:
        raise ConflictError("other_content", f"basket {basket.basket_id} is known with other content")
    return find_basket(tx, basket.basket_id, today=business_date), known is None


def take(tx: Connection, basket_id: str, *, by: str, today: str) -> BasketView:
    """Take a basket up; whoever has it already is told again, anybody else gets a ConflictError naming them."""
    view = find_basket(tx, basket_id, today=today)
    if view.taken_by not in (None, by):
        raise ConflictError("basket_taken", f"{view.taken_by} has taken it up", holder=view.taken_by or "")
    tx.execute("UPDATE parked_basket SET taken_by = ? WHERE basket_id = ? AND taken_by IS NULL", (by, basket_id))
    return find_basket(tx, basket_id, today=today)


def find_basket(read: Connection, basket_id: str, *, today: str) -> BasketView:
    """Return a basket; raise NotFoundError."""
    row = read.execute(
        "SELECT body, business_date, parked_ms, taken_by FROM parked_basket WHERE basket_id = ?", (basket_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError("basket", f"no basket {basket_id!r}")
    return _view(row, today)


def waiting_baskets(read: Connection, *, today: str) -> list[BasketView]:
    """Return what is parked today, the oldest first."""
    rows = read.execute(
        """
        SELECT body, business_date, parked_ms, taken_by FROM parked_basket
        WHERE business_date = ? AND taken_by IS NULL ORDER BY parked_ms, basket_id
        """,
        (today,),
    ).fetchall()
    return [_view(row, today) for row in rows]


def left_baskets(read: Connection, *, today: str, after: str, limit: int) -> list[tuple[str, str, int, str]]:
    """Return (basket, trading day, since when, till) of baskets of days that are over, never taken up, behind a basket."""
    rows: list[tuple[str, str, int, str]] = read.execute(
        """
        SELECT basket_id, business_date, parked_ms, body ->> '$.till_id'
        FROM parked_basket WHERE basket_id > ? AND business_date < ? AND taken_by IS NULL ORDER BY basket_id LIMIT ?
        """,
        (after, today, limit),
    ).fetchall()
    return rows


def _view(row: tuple[str, str, int, str | None], today: str) -> BasketView:
    body, business_date, parked_ms, taken_by = row
    state: State = "taken" if taken_by else "parked" if business_date >= today else "left"
    return BasketView(msgspec.json.decode(body, type=Basket), state, business_date, parked_ms, taken_by)
