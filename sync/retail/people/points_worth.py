"""What points are worth when they are burned, where the shop declares it. Pure.

    worth     points x `minor` / `points`, rounded down
    taken     what the discounts of kind `points` and the declared tender come to: as much as the points are worth
    share     at most `max_pct` per cent of what the goods cost before points, rounded down
    points    at least `min`, a multiple of `step`

A quote burns the most points that all bounds allow, and of those with that worth the fewest. Without a declaration the till alone
knows. Not here: whether a member has the points (sync.retail.people.points).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.errors import RuleError
from sync.retail.selling.sales import AMOUNT_MAX, POINTS_MAX, Sale, amount_of

TenderName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,32}\Z")]
PointsCount = Annotated[int, Meta(ge=1, le=POINTS_MAX)]
Fewer = Literal["contested", "balance", "cap", "goods", "share", "step", "min", "coupons", "worth"]
"""Why fewer points are burned than are wanted."""


class PointsWorth(Struct, frozen=True, forbid_unknown_fields=True):
    """`points` are worth `minor` minor units. `tender` carries what they pay; without it discounts on the lines do."""

    points: Annotated[int, Meta(ge=1, le=1_000_000)]
    minor: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]
    min: PointsCount = 1
    step: PointsCount = 1
    max_pct: Annotated[int, Meta(ge=1, le=100)] = 100
    tender: TenderName | None = None


def worth_of(worth: PointsWorth, points: int) -> int:
    """Return the minor units of so many points."""
    return points * worth.minor // worth.points


def most_for(worth: PointsWorth, amount: int) -> int:
    """Return the most points that are worth no more than an amount."""
    return ((amount + 1) * worth.points - 1) // worth.minor


def share_of(worth: PointsWorth, goods: int) -> int:
    """Return what of the goods' sum, before points, points may pay."""
    return goods * worth.max_pct // 100


def against(sale: Sale, worth: PointsWorth) -> Iterator[RuleError]:
    """Yield what is wrong with the points that a sale burns; its sums are checked by now (sync.retail.selling.sales)."""
    at, burned = "/points_burned", sale.points_burned
    by_discount = sum(part.amount for line in sale.lines for part in line.discounts if part.kind == "points")
    taken = by_discount + sum(tender.amount for tender in sale.tenders if tender.type == worth.tender)
    due = worth_of(worth, burned)
    if taken != due:
        yield RuleError("points_worth", at, f"{burned} points are worth {due}, {taken} is taken off for them")
    if not burned:
        return
    if burned < worth.min:
        yield RuleError("points_min", at, f"{burned} points; at least {worth.min} are burned")
    if burned % worth.step:
        yield RuleError("points_step", at, f"{burned} points; they are burned in steps of {worth.step}")
    goods = sum(amount_of(line) for line in sale.lines) + by_discount
    if taken > share_of(worth, goods):
        yield RuleError("points_share", at, f"{taken} of {goods} is paid by points; at most {worth.max_pct} % may be")


def burnable(
    worth: PointsWorth, wanted: int, bounds: Mapping[Fewer, int], *, fits: Callable[[int], bool]
) -> tuple[int, tuple[Fewer, ...]]:
    """Return how many of the wanted points a sale may burn, and why fewer. `bounds`: 0 or more each.

    `fits` says whether a number leaves what else the sale has as it is, as 0 does.
    """
    why = [word for word, bound in bounds.items() if bound < wanted]
    most = min((wanted, *bounds.values()))
    points = most - most % worth.step
    if points < most:
        why.append("step")
    first = _stepped(worth, worth.min)
    if 0 < points < first:
        why.append("min")
        points = 0
    if not fits(points):
        why.append("coupons")
        points = _fitting(worth, first, points, fits)
    due = worth_of(worth, points)
    fewest = max(first, _stepped(worth, -(-due * worth.points // worth.minor))) if due else 0
    if fewest < points:
        why.append("worth")
    return min(points, fewest), tuple(why)


def _stepped(worth: PointsWorth, points: int) -> int:
    """Return the next multiple of the step."""
    return -(-points // worth.step) * worth.step


def _fitting(worth: PointsWorth, first: int, too_many: int, fits: Callable[[int], bool]) -> int:
    """Return a number from `first` on, below one that does not fit, that does; 0 where none is found. By halving."""
    numbers = range(first, too_many, worth.step)
    fitting = bisect_left(numbers, True, key=lambda each: not fits(each))
    return numbers[fitting - 1] if fitting else 0
