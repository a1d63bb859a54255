"""The reservation: goods that are held for a basket or a customer until somebody comes, or the time is over. A till's words.

It is of this hub only and no fact: it lowers what tills promise, and no right. So a clock may end it: nobody else relies on it.
Not here: storage (hub.store.stock.reservations). Source: the design, section 4.
"""

from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sync.errors import RuleError
from sync.retail.selling.sales import LINES_MAX, QTY_MAX, Id, Sku

HOLD_S_MAX = 30 * 86_400

State = Literal["held", "expired", "sold", "released"]


class ReservationLine(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a SKU is held, in its unit."""

    sku: Sku
    qty: Annotated[int, Meta(ge=1, le=QTY_MAX)]


class Reservation(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Goods for a basket or a member. `hold_s`: for how long, the shop's own time when left out."""

    reservation_id: Id
    lines: Annotated[tuple[ReservationLine, ...], Meta(min_length=1, max_length=LINES_MAX)]
    basket_id: Id | None = None
    member_id: Id | None = None
    hold_s: Annotated[int, Meta(ge=1, le=HOLD_S_MAX)] | None = None


def content_hash(reservation: Reservation) -> bytes:
    """Return the hash of what the till said, whatever the order of the lines."""
    lines = tuple(sorted(reservation.lines, key=lambda line: line.sku))
    said = msgspec.structs.replace(reservation, lines=lines)
    return blake2b(msgspec.json.encode(said), digest_size=16).digest()


def check_reservation(said: Reservation) -> None:
    """Raise RuleError for one that is for nobody, or names a SKU twice."""
    if said.basket_id is None and said.member_id is None:
        raise RuleError("reservation_for_nobody", "/basket_id", "goods are held for a basket or a member: name one")
    known: set[str] = set()
    for index, line in enumerate(said.lines):
        if line.sku in known:
            raise RuleError("sku_held_twice", f"/lines/{index}/sku", f"{line.sku} has two lines: add them up")
        known.add(line.sku)


def state_of(state: State, *, expires_ms: int, now_ms: int) -> State:
    """Return how a reservation stands: what is held is over when its time is."""
    return "expired" if state == "held" and expires_ms <= now_ms else state
