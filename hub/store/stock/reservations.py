"""Goods held for a basket or a customer: made, asked for, let go, consumed by the sale that names them. Local to this hub.

    reservation_id   content   answer
    new              -         held, if a till may promise so much; else RefusedError, nothing written
    known            same      as it stands now, nothing written
    known            other     ConflictError, nothing written

A hold that is over by the hub's clock counts no more and is still consumed by its sale. A sale is never refused for what others
hold: it is warned. Functions of a write job, and of reads.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.model import utc
from hub.store.stock.availability import Shelf, standings
from hub.store.stock.kits import goods_of, taken_of
from sync.errors import RuleError
from sync.retail.selling.sales import Sale, Warned
from sync.retail.stock.reservations import (
    Reservation,
    ReservationLine,
    State,
    check_reservation,
    content_hash,
    state_of,
)

PAGE_MAX = 200
_READ = """
  SELECT reservation_id, body, till_id, state, sale_id, made_ms, expires_ms FROM reservation
"""


class ReservationView(Struct, frozen=True, omit_defaults=True):
    """A reservation as it stands. `left_s` is how long it holds, by the hub's clock."""

    reservation_id: str
    state: State
    lines: tuple[ReservationLine, ...]
    till_id: str
    made_at: datetime
    expires_at: datetime
    left_s: int
    basket_id: str | None = None
    member_id: str | None = None
    sale_id: str | None = None


class Held(Struct, frozen=True):
    """What holding did; `is_new` is false for a reservation that was known."""

    view: ReservationView
    is_new: bool
    skus: tuple[str, ...] = ()


class Names(Struct, frozen=True):
    """What a sale says of goods that were held for it."""

    reservations: tuple[str, ...] = ()
    basket_id: str | None = None


def hold(tx: Connection, shelf: Shelf, said: Reservation, *, till_id: str, hold_s: int) -> Held:
    """Hold goods once; raise ConflictError for a known id with other content, RefusedError beyond what may be promised."""
    known = tx.execute(
        "SELECT content_hash FROM reservation WHERE reservation_id = ?", (said.reservation_id,)
    ).fetchone()
    if known is not None:
        if known[0] != content_hash(said):
            detail = f"reservation {said.reservation_id} is known with other content"
            raise ConflictError("other_content", detail, pointer="/reservation_id")
        return Held(find(tx, said.reservation_id, now_ms=shelf.now_ms), is_new=False)
    try:
        check_reservation(said)
    except RuleError as err:
        raise RefusedError(err.code, str(err), pointer=err.pointer) from err
    taken = _taken(tx, shelf, said)
    expires_ms = shelf.now_ms + (said.hold_s or hold_s) * 1000
    tx.execute(
        """
        INSERT INTO reservation
          (reservation_id, content_hash, body, till_id, basket_id, member_id, state, sale_id, made_ms, expires_ms)
        VALUES (?, ?, ?, ?, ?, ?, 'held', NULL, ?, ?)
        """,
        (
            said.reservation_id,
            content_hash(said),
            msgspec.json.encode(said).decode(),
            till_id,
            said.basket_id,
            said.member_id,
            shelf.now_ms,
            expires_ms,
        ),
    )
    tx.executemany(
        """
        INSERT INTO reservation_line (reservation_id, sku, location, qty, expires_ms, is_held) VALUES (?, ?, ?, ?, ?, 1)
        """,
        [(said.reservation_id, sku, shelf.location, qty, expires_ms) for sku, qty in taken.items()],
    )
    return Held(find(tx, said.reservation_id, now_ms=shelf.now_ms), is_new=True, skus=tuple(taken))


def let_go(tx: Connection, reservation_id: str, *, now_ms: int) -> tuple[ReservationView, tuple[str, ...]]:
    """Let goods go, once; return the SKUs that are free. Raise NotFoundError, ConflictError for one that was sold."""
    view = find(tx, reservation_id, now_ms=now_ms)
    if view.state == "sold":
        detail = f"reservation {reservation_id} was sold by {view.sale_id}"
        raise ConflictError("reservation_sold", detail, holder=view.sale_id or "")
    freed = _end(tx, "released", None, [reservation_id])
    return find(tx, reservation_id, now_ms=now_ms), tuple(freed)


def consume(tx: Connection, sale: Sale, names: Names, *, location: str, now_ms: int) -> list[Warned]:
    """Give a sale, before it is booked, what was held for it; return what it takes of goods that are held for others."""
    if not names.reservations and names.basket_id is None:
        return _taken_from_others(tx, sale, location, now_ms)
    warned = [
        Warned("reservation_gone", detail=f"{name}: not held here")
        for name in names.reservations
        if not tx.execute("SELECT 1 FROM reservation WHERE reservation_id = ? AND state = 'held'", (name,)).fetchone()
    ]
    rows = tx.execute(
        """
        SELECT reservation_id FROM reservation
        WHERE state = 'held' AND (reservation_id IN (SELECT value FROM json_each(?)) OR basket_id = ?)
        """,
        (json.dumps(names.reservations), names.basket_id),
    ).fetchall()
    _end(tx, "sold", sale.sale_id, [name for (name,) in rows])
    return warned + _taken_from_others(tx, sale, location, now_ms)


def find(read: Connection, reservation_id: str, *, now_ms: int) -> ReservationView:
    """Return a reservation as it stands; raise NotFoundError."""
    row = read.execute(f"{_READ} WHERE reservation_id = ?", (reservation_id,)).fetchone()
    if row is None:
        raise NotFoundError("reservation", f"no reservation {reservation_id!r}")
    return _view(row, now_ms)


def page(
    read: Connection,
    *,
    basket_id: str | None,
    member_id: str | None,
    sku: str | None,
    after: str,
    limit: int,
    now_ms: int,
) -> list[ReservationView]:
    """Return what is held now, by id, from behind one: all, or for a basket, a member, of a SKU."""
    rows = read.execute(
        f"""{_READ} WHERE state = 'held' AND expires_ms > :now_ms AND reservation_id > :after
            AND (:basket_id IS NULL OR basket_id = :basket_id) AND (:member_id IS NULL OR member_id = :member_id)
            AND (:sku IS NULL OR EXISTS (
              SELECT 1 FROM reservation_line AS line WHERE line.reservation_id = reservation.reservation_id AND line.sku = :sku
            ))
            ORDER BY reservation_id LIMIT :limit""",
        {
            "now_ms": now_ms,
            "after": after,
            "basket_id": basket_id,
            "member_id": member_id,
            "sku": sku,
            "limit": limit,
        },
    ).fetchall()
    return [_view(row, now_ms) for row in rows]


def _taken(tx: Connection, shelf: Shelf, said: Reservation) -> dict[str, int]:
    """Return SKU -> what is to lie aside for all lines; raise RefusedError for a line of which not so much is free."""
    goods = goods_of(tx, [line.sku for line in said.lines])
    taken: dict[str, int] = {}
    for index, line in enumerate(said.lines):
        if line.sku not in goods.known:
            raise RefusedError("unknown_sku", f"no product {line.sku}", pointer=f"/lines/{index}/sku")
        for sku, qty in goods.taken(line.sku, line.qty).items():
            taken[sku] = taken.get(sku, 0) + qty
            free = standings(tx, shelf, [sku])[sku].available
            if taken[sku] > free:
                detail = f"{sku}: {free} may be promised, {taken[sku]} are asked for"
                raise RefusedError("not_available", detail, pointer=f"/lines/{index}/qty")
    return taken


def _taken_from_others(tx: Connection, sale: Sale, location: str, now_ms: int) -> list[Warned]:
    held = dict(
        tx.execute(
            """
            SELECT sku, sum(qty) FROM reservation_line WHERE location = ? AND is_held = 1 AND expires_ms > ? GROUP BY sku
            """,
            (location, now_ms),
        ).fetchall()
    )
    if not held:
        return []
    goods = goods_of(tx, [line.sku for line in sale.lines])
    warned, taken = [], dict[str, int]()
    for line, sku, qty in taken_of(goods, sale):
        taken[sku] = taken.get(sku, 0) + qty
        if sku not in held:
            continue
        row = tx.execute("SELECT on_hand FROM stock WHERE sku = ? AND location = ?", (sku, location)).fetchone()
        left = (row[0] if row else 0) - taken[sku]
        if left < held[sku]:
            warned.append(Warned("held_for_others", line.line, f"{sku}: {left} left, {held[sku]} are held"))
    return warned


def _end(tx: Connection, state: State, sale_id: str | None, names: Sequence[str]) -> list[str]:
    """End what is held; return the SKUs."""
    ids = json.dumps(list(names))
    tx.execute(
        """
        UPDATE reservation SET state = ?, sale_id = ?
        WHERE state = 'held' AND reservation_id IN (SELECT value FROM json_each(?))
        """,
        (state, sale_id, ids),
    )
    freed = tx.execute(
        """
        UPDATE reservation_line SET is_held = 0
        WHERE is_held = 1 AND reservation_id IN (SELECT value FROM json_each(?)) RETURNING sku
        """,
        (ids,),
    ).fetchall()
    return sorted({sku for (sku,) in freed})


def _view(row: Any, now_ms: int) -> ReservationView:  # Any: a row of _READ
    name, body, till_id, state, sale_id, made_ms, expires_ms = row
    said = msgspec.json.decode(body, type=Reservation)
    return ReservationView(
        reservation_id=name,
        state=state_of(state, expires_ms=expires_ms, now_ms=now_ms),
        lines=said.lines,
        till_id=till_id,
        made_at=utc(made_ms),
        expires_at=utc(expires_ms),
        left_s=max(0, (expires_ms - now_ms) // 1000) if state == "held" else 0,
        basket_id=said.basket_id,
        member_id=said.member_id,
        sale_id=sale_id,
    )
