"""The drawer of a till: sessions, what goes in and out beside the selling, the count at the end, the closed day. Facts.

    opened ─ movement* ─ closed by one Z report (sync.retail.selling.z_reports), counted blind: what is expected is told after
    the count
    pay_in      cash that is no sale goes in         pay_out    cash that is no return goes out
    cash_drop   cash goes to the safe                no_sale    the drawer opens, no money moves

Not here: who may (hub.duties, [approvals]), sums (sync.retail.selling.z_reports), storage. Source: the design, 3.3 (Days).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.errors import RuleError
from sync.kinds import Column, Entity, Keep, Kind, Named, Priority
from sync.retail.selling.sales import AMOUNT_MAX, Amount, Id, ShortText

What = Literal["pay_in", "pay_out", "cash_drop", "no_sale"]
SIGN: dict[What, int] = {"pay_in": 1, "pay_out": -1, "cash_drop": -1, "no_sale": 0}
KEPT = Keep(days=400)  # as long as the sales they add up
DENOMINATIONS = {
    "HKD": (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000),
    "TWD": (100, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000),
}
"""Coins and notes in minor units, as the two monetary authorities issue them; of other currencies any value is one."""


class Mark(Struct, frozen=True, omit_defaults=True):
    """Up to where a till's sales and returns are counted: by life and seq, and by number of receipt; see
    sync.retail.selling.z_reports.

    `missing`: numbers below the last that nobody has seen yet. `since`: when the till's first session began.
    """

    since: datetime
    sold: dict[str, int] = {}
    returned: dict[str, int] = {}
    numbers: dict[str, int] = {}
    missing: tuple[str, ...] = ()


class DrawerOpened(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="opened"):
    """A session begins with a float. `mark` where no Z report of the till says from where to count."""

    v: int = 1
    session_id: str
    till_id: str
    currency: str
    float_amount: int
    business_date: str
    by: str
    at: datetime
    mark: Mark | None = None


class DrawerMovement(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="movement"):
    """Something beside the selling: `amount` in minor units, 0 for a drawer that was only opened."""

    v: int = 1
    movement_id: str
    session_id: str
    what: What
    amount: int = 0
    reason: str
    by: str
    approval_id: str = ""
    approved_by: str = ""
    at: datetime


class DayClosed(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="kind", tag="day"):
    """A trading day of the store is closed, with all days before it; `z_reports` are those of its sessions."""

    v: int = 1
    close_id: str
    business_date: str
    z_reports: tuple[str, ...] = ()
    by: str
    at: datetime


class Opening(Struct, frozen=True, forbid_unknown_fields=True):
    """What a till says when it opens its drawer: the float that lies in it."""

    session_id: Id
    till_id: Id
    float_amount: Amount


class Moving(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a till says of cash in or out. `reason` is for people; names of customers do not belong there."""

    movement_id: Id
    what: What
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
    amount: Amount = 0
    approval_id: Id | None = None


class Denomination(Struct, frozen=True, array_like=True):
    """Coins or notes of one value (minor units), and how many were counted."""

    value: Annotated[int, Meta(ge=1, le=10**9)]
    count: Annotated[int, Meta(ge=0, le=10**6)]


class Counted(Denomination, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The same as a request says it; one that travels may have more behind it."""


class Counting(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What lies in the drawer, as it was counted before anybody was told what is expected."""

    counted: Annotated[tuple[Counted, ...], Meta(max_length=40)]
    note: ShortText = ""


def check_moving(moving: Moving) -> None:
    """Raise RuleError unless money moves where it has to, and only there."""
    if (moving.what == "no_sale") != (moving.amount == 0):
        said = "moves no money" if moving.what == "no_sale" else "moves an amount"
        raise RuleError("drawer_amount", "/amount", f"{moving.what} {said}")


def count_of(counted: Sequence[Denomination], currency: str) -> int:
    """Return what coins and notes come to; raise RuleError for one that there is not, or that stands twice."""
    known, seen = DENOMINATIONS.get(currency), set()
    for index, each in enumerate(counted):
        if known is not None and each.value not in known:
            raise RuleError("denomination", f"/counted/{index}/0", f"{currency} has no coin or note of {each.value}")
        if each.value in seen:
            raise RuleError("denomination_twice", f"/counted/{index}/0", f"{each.value} stands twice")
        seen.add(each.value)
    amount = sum(each.value * each.count for each in counted)
    if amount > AMOUNT_MAX:
        raise RuleError("denomination", "/counted", f"{amount} is more than a drawer holds")
    return amount


def net_moved(movements: Iterable[DrawerMovement]) -> int:
    """Return what movements have added to a drawer, in minor units."""
    return sum(SIGN[each.what] * each.amount for each in movements)


DRAWER_OPENED = Entity(
    name="drawer_opened",
    stream="drawers",
    kind=Kind.FACT,
    table="drawer_opened",
    row=DrawerOpened,
    doc="A till's drawer was opened for a session, with a float.",
    key=(Column("session_id", path="session_id"),),
    columns=(Column("till_id", path="till_id", is_indexed=True),),
    dated="at",
    keep=KEPT,
    priority=Priority.SOON,
    is_key_of_store=True,
    with_id=True,
)
DRAWER_MOVEMENT = Entity(
    name="drawer_movement",
    stream="drawers",
    kind=Kind.FACT,
    table="drawer_movement",
    row=DrawerMovement,
    doc="Cash in or out of a drawer beside the selling, or a drawer that was only opened.",
    key=(Column("movement_id", path="movement_id"),),
    columns=(Column("session_id", path="session_id", is_indexed=True),),
    names=(Named("session_id", "drawer_opened"),),
    dated="at",
    keep=KEPT,
    priority=Priority.SOON,
    is_key_of_store=True,
    with_id=True,
)
DAY_CLOSED = Entity(
    name="day_closed",
    stream="drawers",
    kind=Kind.FACT,
    table="day_closed",
    row=DayClosed,
    doc="A trading day of the store is closed: what is sold on it and comes later goes to the open one.",
    key=(Column("close_id", path="close_id"),),
    columns=(Column("business_date", path="business_date", is_indexed=True),),
    dated="at",
    keep=KEPT,
    priority=Priority.SOON,
    is_key_of_store=True,
    with_id=True,
)
