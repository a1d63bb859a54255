"""The accountant beside two tills: what went over the counter as plain numbers, exact fractions that are rounded once.

Shares no code with the product. Used by test_z_day.py.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

TILLS, FLOAT = ("t1", "t2"), 50_000
NUMBERS = (
    *("sales", "offline", "gross", "discounts", "rounding", "total", "returns", "refunds", "voids", "voided"),
    *("unstated", "exchanges", "rounding_back"),
)
GOODS: dict[str, tuple[Any, int, int, int]] = {
    "TEA": ("each", 1090, 1, 500),
    "BOOK": ("each", 12_345, 1, 0),
    "HAM": ("g", 999, 100, 1000),
    "PEN": ("each", 33, 1, 500),
}
"""SKU -> unit, price, for how many, rate of its tax."""


def half_up(exact: Fraction) -> int:
    return int((exact * 2 + 1) // 2)


def to_coins(amount: int) -> int:
    """What cash pays of an amount: the nearest ten cents, halves up."""
    return half_up(Fraction(amount, 10)) * 10


def day_at(moment: datetime, zone: str) -> str:
    """The trading day: before five in the morning it is still yesterday."""
    local = moment.astimezone(ZoneInfo(zone))
    day = local.date() - timedelta(days=1) if local.hour < 5 else local.date()
    return day.isoformat()


def tax_in(costs: Counter[int]) -> Counter[int]:
    """Tax that is contained in what goods of each rate cost."""
    return Counter({rate: half_up(Fraction(cost * rate, 10_000 + rate)) for rate, cost in costs.items() if rate})


@dataclass
class Sold:
    """A sale as the customer remembers it."""

    sale_id: str
    till: str
    lines: list[tuple[str, int, int]]  # SKU, qty, discount
    tenders: list[tuple[str, int]]
    day: str
    is_exchanged: bool = False
    back: Counter[int] = field(default_factory=Counter)
    paid_back: Counter[str] = field(default_factory=Counter)

    def cost(self, at: int) -> int:
        sku, qty, discount = self.lines[at]
        _, price, per, _ = GOODS[sku]
        return half_up(Fraction(price * qty, per)) - discount

    def due(self, at: int, qty: int) -> int:
        """What is due when so much of a line is back in all."""
        return half_up(Fraction(self.cost(at) * qty, self.lines[at][1]))

    def tax(self, back: Counter[int] | None = None) -> Counter[int]:
        costs: Counter[int] = Counter()
        for at, (sku, _, _) in enumerate(self.lines):
            costs[GOODS[sku][3]] += self.cost(at) if back is None else self.due(at, back[at])
        return tax_in(costs)


def empty() -> dict[str, Any]:
    numbers = dict.fromkeys(NUMBERS, 0)
    tables = {name: Counter() for name in ("tax", "tax_back", "taken", "paid_back", "count", "days", "moved")}
    return numbers | tables | {"late": set(), "late_returns": set()}


class Ledger:
    """What an accountant writes down at each drawer since its last report."""

    def __init__(self) -> None:
        self.drawers = {till: empty() for till in TILLS}

    def sale(self, till: str, sold: Sold, *, rounding: int, late_from: str, offline: bool) -> None:
        book = self.drawers[till]
        cost = sum(sold.cost(at) for at in range(len(sold.lines)))
        off = sum(discount for _, _, discount in sold.lines)
        for name, amount in (("sales", 1), ("offline", offline), ("gross", cost + off), ("discounts", off)):
            book[name] += amount
        book["rounding"] += rounding
        book["total"] += cost + rounding
        book["tax"] += sold.tax()
        book["days"][sold.day] += cost + rounding
        for kind, amount in sold.tenders:
            book["taken"][kind] += amount
            book["count"][kind] += 1
        if late_from:
            book["late"].add((sold.sale_id, late_from))

    def back(
        self,
        till: str,
        name: str,
        refund: int,
        tenders: list[tuple[str, int]],
        *,
        tax: Counter[int],
        day: tuple[str, str],
        kind: str,
    ) -> None:
        book = self.drawers[till]
        if day[1]:
            book["late_returns"].add((name, day[1]))
        counted, summed = ("voids", "voided") if kind == "void" else ("returns", "refunds")
        book[counted] += 1
        book[summed] += refund
        book["exchanges"] += kind == "exchange"
        book["tax_back"] += tax
        book["days"][day[0]] -= refund
        for tender, amount in tenders:
            book["paid_back"][tender] += amount
        if tenders:
            book["rounding_back"] += sum(amount for _, amount in tenders) - refund
        else:
            book["unstated"] += refund


def check(told: dict[str, Any], book: dict[str, Any], suspended: set[str]) -> None:
    """Hold a Z report's figures against the accountant's."""
    for name in (
        "sales",
        "offline",
        "gross",
        "discounts",
        "rounding",
        "total",
        "returns",
        "refunds",
        "voids",
        "voided",
    ):
        assert told.get(name, 0) == book[name], name
    for name in ("unstated", "exchanges", "rounding_back"):
        assert told.get(name, 0) == book[name], name
    assert {rate: amount for rate, amount in told.get("tax", []) if amount} == _there(book["tax"])
    assert {rate: amount for rate, amount in told.get("tax_back", []) if amount} == _there(book["tax_back"])
    tenders = {kind: (count, taken, back) for kind, count, taken, back in told.get("tenders", [])}
    kinds = {*book["count"], *book["paid_back"]}
    assert tenders == {kind: (book["count"][kind], book["taken"][kind], book["paid_back"][kind]) for kind in kinds}
    assert _there({day: total - back for day, _, total, back in told.get("days", [])}) == _there(book["days"])
    assert {(sale, day) for sale, _, day in told.get("late", [])} == book["late"]
    assert {tuple(each) for each in told.get("late_returns", [])} == book["late_returns"]
    assert {sale for sale, _ in told.get("suspended", [])} == suspended
    assert _there({what: amount for what, _, amount in told.get("movements", [])}) == _there(book["moved"])
    moved = book["moved"]["pay_in"] - book["moved"]["pay_out"] - book["moved"]["cash_drop"]
    assert told["expected_cash"] == FLOAT + book["taken"]["cash"] - book["paid_back"]["cash"] + moved
    net = book["total"] - book["refunds"] - book["voided"] - book["rounding_back"]
    assert net == sum(book["taken"].values()) - sum(book["paid_back"].values()) - book["unstated"]
    assert book["taken"]["exchange"] == book["paid_back"]["exchange"]


def _there(amounts: Any) -> dict[Any, int]:
    return {name: amount for name, amount in amounts.items() if amount}
