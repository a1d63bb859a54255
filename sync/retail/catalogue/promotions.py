"""Promotions: what each takes off a basket, and which of them each line gets: one a line, the best for the customer. Pure.

    kind             of the lines that it is for                                       takes off
    n_for_amount     any `count` pieces for `amount`, the dearest pieces first         what they cost beyond it
    n_for_price_of   of each `count` pieces, dearest first, `pay_for` are paid         the cheapest of each group
    percent_off      everything                                                        rate_bp of each line, halves up
    amount_off       everything sold by the piece                                      `amount` a piece, at most the piece

A line belongs to at most one promotion. Which one is the choice whose sum is largest; of equal ones the first by promotion_id,
lines in their order. All choices are tried while that is little work (WORK_MAX); beyond it one promotion at a time takes its
lines, the largest saving first. What a group saves is shared out over its pieces by what they cost, by largest remainder, so that
a return of one of them is fair. Groups are of pieces whose price is for one. A line whose price was set by hand, and an open
item, take no part.

Not here: prices (sync.retail.catalogue.pricing), coupons, storage.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import product
from math import prod
from typing import Literal

from msgspec import Struct

from sync.retail.money import line_amount
from sync.retail.names import Name
from sync.retail.selling.discounts import spread
from sync.retail.selling.tax import BASIS_POINTS
from sync.retail.windows import At, Opening, opening_at

WORK_MAX = 20_000  # choices times pieces: some ten milliseconds of the one writer, which sales wait for
PIECES_MAX = 1000  # of one promotion's groups; a basket with more is wholesale, the rest of it pays in full
PromotionKind = Literal["n_for_amount", "n_for_price_of", "percent_off", "amount_off"]
Why = Literal["applied", "window", "members", "nothing", "beaten"]
_GROUPED = ("n_for_amount", "n_for_price_of")


class Promotion(Struct, frozen=True, kw_only=True):
    """A promotion for these SKUs and categories; for everything where none are named."""

    promotion_id: str
    name: Name
    kind: PromotionKind
    count: int = 0
    pay_for: int = 0
    amount: int = 0
    rate_bp: int = 0
    skus: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    members_only: bool = False
    valid_from: date | None = None
    valid_until: date | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


class BasketLine(Struct, frozen=True, kw_only=True):
    """A line as promotions look at it. `is_fixed`: its price was set by hand, or nobody knows the goods."""

    line: int
    sku: str
    category: str | None
    qty: int
    unit_price: int
    per: int = 1
    unit: str = "each"
    is_fixed: bool = False

    @property
    def cost(self) -> int:
        """What it costs without any promotion."""
        return line_amount(self.unit_price, self.qty, self.per)


class Considered(Struct, frozen=True, omit_defaults=True):
    """What became of a promotion that is for something in the basket, and what it saved by line."""

    promotion_id: str
    why: Why
    saved: dict[int, int] = {}
    by_grace: bool = False


Lines = Sequence[BasketLine]


def apply_promotions(
    lines: Lines, promotions: Sequence[Promotion], *, at: At, is_member: bool
) -> tuple[Considered, ...]:
    """Return what became of each promotion, in the order of their ids."""
    offers = sorted(promotions, key=lambda each: each.promotion_id)
    takers = {each.promotion_id: [line for line in lines if takes_part(each, line)] for each in offers}
    refused = {each.promotion_id: _refusal(each, at, is_member=is_member) for each in offers}
    open_ = [each for each in offers if refused[each.promotion_id] is None and takers[each.promotion_id]]
    alone = {each.promotion_id: saving(each, takers[each.promotion_id]) for each in open_}
    useful = [each for each in open_ if alone[each.promotion_id]]
    saved = _best(useful, takers)
    return tuple(
        Considered(
            promotion.promotion_id,
            why := refused[promotion.promotion_id]
            or ("applied" if saved.get(promotion.promotion_id) else _beaten(alone, promotion)),
            saved.get(promotion.promotion_id, {}),
            by_grace=why == "applied" and opening_at(promotion, at) is Opening.GRACE,
        )
        for promotion in offers
        if takers[promotion.promotion_id]
    )


def takes_part(promotion: Promotion, line: BasketLine) -> bool:
    """Say whether a promotion is for a line."""
    if line.is_fixed or (promotion.kind == "amount_off" and line.unit != "each"):
        return False
    if promotion.kind in _GROUPED and (promotion.count < 1 or line.unit != "each" or line.per != 1):
        return False
    if not promotion.skus and not promotion.categories:
        return True
    return line.sku in promotion.skus or line.category in promotion.categories


def saving(promotion: Promotion, lines: Lines) -> dict[int, int]:
    """Return line -> what a promotion takes off it when these lines, and no others, take part; nothing where it saves nothing."""
    if promotion.kind == "percent_off":
        found = {line.line: line_amount(line.cost, promotion.rate_bp, BASIS_POINTS) for line in lines}
    elif promotion.kind == "amount_off":
        found = {line.line: min(promotion.amount * line.qty, line.cost) for line in lines}
    else:
        found = _grouped(promotion, lines)
    return {line: amount for line, amount in found.items() if amount}


def _refusal(promotion: Promotion, at: At, *, is_member: bool) -> Why | None:
    if opening_at(promotion, at) is Opening.CLOSED:
        return "window"
    return "members" if promotion.members_only and not is_member else None


def _beaten(alone: Mapping[str, dict[int, int]], promotion: Promotion) -> Why:
    return "beaten" if alone.get(promotion.promotion_id) else "nothing"


def _best(offers: Sequence[Promotion], takers: Mapping[str, Lines]) -> dict[str, dict[int, int]]:
    """Return promotion -> line -> what it takes off, each line in one promotion at most."""
    lines = {line.line: line for offer in offers for line in takers[offer.promotion_id]}
    choices = {
        number: [offer for offer in offers if any(line.line == number for line in takers[offer.promotion_id])]
        for number in sorted(lines)
    }
    pieces = sum(min(line.qty, PIECES_MAX) if line.unit == "each" else 1 for line in lines.values())
    if pieces * prod(len(each) for each in choices.values()) > WORK_MAX:
        return _one_at_a_time(offers, takers)
    best: dict[str, dict[int, int]] = {}
    most = -1
    for chosen in product(*choices.values()):
        given: dict[str, list[BasketLine]] = {}
        for number, offer in zip(choices, chosen, strict=True):
            given.setdefault(offer.promotion_id, []).append(lines[number])
        saved = {offer.promotion_id: saving(offer, given.get(offer.promotion_id, [])) for offer in offers}
        total = sum(sum(each.values()) for each in saved.values())
        if total > most:
            best, most = saved, total
    return best


def _one_at_a_time(offers: Sequence[Promotion], takers: Mapping[str, Lines]) -> dict[str, dict[int, int]]:
    left = {line.line for offer in offers for line in takers[offer.promotion_id]}
    free = {offer.promotion_id: saving(offer, takers[offer.promotion_id]) for offer in offers}
    found: dict[str, dict[int, int]] = {}
    while any(free.values()):
        best = max(free, key=lambda each: sum(free[each].values()))
        found[best] = free.pop(best)
        left -= set(found[best])
        for offer in offers:
            takes = takers[offer.promotion_id]
            if offer.promotion_id in free and any(line.line in found[best] for line in takes):
                free[offer.promotion_id] = saving(offer, [line for line in takes if line.line in left])
    return found


def _grouped(promotion: Promotion, lines: Lines) -> dict[int, int]:
    """Return what groups of pieces save, over all pieces of groups that save something."""
    pieces = list(_pieces(lines))
    saved, in_groups = 0, 0
    for first in range(0, len(pieces) - promotion.count + 1, promotion.count):
        group = [price for price, _ in pieces[first : first + promotion.count]]
        gain = sum(group) - promotion.amount if promotion.kind == "n_for_amount" else sum(group[promotion.pay_for :])
        if gain <= 0:
            break
        saved, in_groups = saved + gain, first + promotion.count
    cost: dict[int, int] = {}
    for price, line in pieces[:in_groups]:
        cost[line] = cost.get(line, 0) + price
    return dict(zip(cost, spread(saved, list(cost.values())), strict=True)) if saved else {}


def _pieces(lines: Lines) -> Iterator[tuple[int, int]]:
    """Yield (price, line) of each piece, the dearest first, lines in their order."""
    room = PIECES_MAX
    for line in sorted(lines, key=lambda line: (-line.unit_price, line.line)):
        for _ in range(min(line.qty, room)):
            yield line.unit_price, line.line
        room -= min(line.qty, room)
