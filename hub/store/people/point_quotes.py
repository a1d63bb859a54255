"""What points take off a basket that is being quoted, after all else: as the sale that follows is held against. Reads only.

    bounds        what it is
    contested     its members contradict each other: none
    balance, cap  what may be burned (hub.store.people.points); where the cloud can be asked the sale asks it, not the quote
    goods, share  what is left to pay, and what of it points may
    coupons       what leaves those of the basket good
    step, min     as points are burned, and no more of them than that amount needs (`worth`)

Not here: the arithmetic (sync.retail.people.points_worth).
"""

from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Literal

from msgspec import Struct

from hub.errors import RefusedError
from hub.store.model import Shop
from hub.store.people.points import Standing, standing
from sync.retail.people.points import Burn, Where
from sync.retail.people.points_worth import Fewer, PointsWorth, burnable, most_for, share_of, worth_of
from sync.retail.selling.discounts import room, shared_out
from sync.retail.selling.sales import POINTS_MAX, Discount, SaleLine, amount_of

Wanted = int | Literal["max"]
Lines = tuple[SaleLine, ...]


class QuotedPoints(Struct, frozen=True):
    """`burned` of the member's points take `amount` off `goods`, what the lines come to without them; `against`: why no more.

    `tender` carries the amount, where the shop has declared one; else it stands in the lines. `verdict`: allowed, ask (the cloud,
    by the sale), conditional, or refused where none are burned. `balance` is what is known here.
    """

    burned: int
    amount: int
    goods: int
    balance: int
    verdict: Literal["allowed", "ask", "conditional", "refused"]
    tender: str | None
    against: tuple[Fewer, ...]


@dataclass(frozen=True)
class PointDesk:
    """Where points are shown: the books, the trading day, and whether the cloud can be asked."""

    read: Connection
    shop: Shop
    business_date: str
    is_line_up: bool

    def take(
        self, lines: Lines, wanted: Wanted, member_id: str | None, *, keeps: Callable[[Lines], bool]
    ) -> tuple[Lines, QuotedPoints]:
        """Return the lines less what the points take off them, and what became of the points; raise RefusedError.

        `keeps` says whether lines leave the basket's coupons good.
        """
        worth = self.shop.members.points_worth
        _check(lines, worth, member_id)
        assert worth is not None and member_id is not None
        stands = self._standing(member_id)
        goods = sum(map(amount_of, lines))
        points, against = burnable(
            worth,
            min(POINTS_MAX, max(1, stands.balance)) if wanted == "max" else wanted,
            {**_bounds(stands), **_limits(worth, lines, goods)},
            fits=lambda each: worth.tender is not None or keeps(_less(lines, worth_of(worth, each))),
        )
        amount = worth_of(worth, points)
        quoted = QuotedPoints(
            burned=points,
            amount=amount,
            goods=goods,
            balance=stands.balance,
            verdict=_VERDICTS[stands.verdict(points)] if points else "refused",
            tender=worth.tender,
            against=against,
        )
        return lines if worth.tender is not None else _less(lines, amount), quoted

    def _standing(self, member_id: str) -> Standing:
        rules = self.shop.members
        where = Where.HUB_ON_LINE if self.is_line_up else Where.HUB_OFF_LINE
        at = where if rules.has_cloud else Where.CLOUD
        return standing(self.read, rules, member_id, day=self.business_date, where=at)


_VERDICTS: dict[Burn, Literal["allowed", "ask", "conditional"]] = {
    Burn.ALLOWED: "allowed",
    Burn.ASK: "ask",
    Burn.CONDITIONAL: "conditional",
}


def _check(lines: Lines, worth: PointsWorth | None, member_id: str | None) -> None:
    if worth is None:
        detail = "[members] points_worth does not say what points are worth"
        raise RefusedError("points_undeclared", detail, pointer="/points")
    if member_id is None:
        raise RefusedError("points_member", "points are quoted, and no member is named", pointer="/points")
    for index, line in enumerate(lines):
        if any(part.kind == "points" for part in line.discounts):
            detail = f"line {line.line} has a discount for points already"
            raise RefusedError("points_twice", detail, pointer=f"/lines/{index}/discounts")


def _bounds(stands: Standing) -> dict[Fewer, int]:
    """Return what the person may burn, by what bounds it."""
    bounds: dict[Fewer, int] = {"balance": max(0, stands.balance)}
    if stands.is_contested:
        bounds["contested"] = 0
    if stands.where is Where.HUB_OFF_LINE:
        bounds["cap"] = max(0, stands.off_line_max - stands.burned_off_line)
    return bounds


def _limits(worth: PointsWorth, lines: Lines, goods: int) -> dict[Fewer, int]:
    """Return what the basket can bear, by what limits it."""
    left = goods if worth.tender is not None else sum(room(lines))
    return {"goods": most_for(worth, left), "share": most_for(worth, share_of(worth, goods))}


def _less(lines: Lines, amount: int) -> Lines:
    return shared_out(lines, Discount(amount, "points"), over=room(lines))
