"""A discount on a whole sale, shared out to its lines: largest remainder, so that the parts add up to the last minor unit. Pure.

    part of a line   amount x line / lines, rounded down; what is left goes, one unit each, to the largest fractions, the line
                     that comes first among equals

No part is more than its line. Not here: which discounts there are, whether a line's add up (sync.retail.selling.sales).
"""

from collections.abc import Sequence

from msgspec.structs import replace

from sync.errors import RuleError
from sync.retail.selling.sales import DISCOUNTS_MAX, Discount, SaleLine, amount_of


def spread(amount: int, over: Sequence[int]) -> tuple[int, ...]:
    """Return the parts of an amount in proportion to `over` (0 or more each); raise ValueError if it is more than their sum."""
    whole = sum(over)
    if not 0 <= amount <= whole:
        raise ValueError(f"{amount} cannot be shared out over {whole}")
    if not amount:
        return (0,) * len(over)
    parts = [amount * each // whole for each in over]
    by_fraction = sorted(range(len(over)), key=lambda index: (-(amount * over[index] % whole), index))
    for index in by_fraction[: amount - sum(parts)]:
        parts[index] += 1
    return tuple(parts)


def with_sale_discount(
    lines: Sequence[SaleLine], amount: int, *, reference: str | None = None, reason: str | None = None
) -> tuple[SaleLine, ...]:
    """Return the lines with a discount on the whole sale shared out over what they cost; `per` is known by now.

    Raise RuleError (discount_above_amount) where it is more than all of them cost.
    """
    costs = [amount_of(line) for line in lines]
    if amount > sum(costs):
        raise RuleError("discount_above_amount", "/discount", f"{amount} is more than the lines cost, {sum(costs)}")
    return shared_out(lines, Discount(amount, "sale", reference, reason), over=costs)


def shared_out(lines: Sequence[SaleLine], discount: Discount, *, over: Sequence[int]) -> tuple[SaleLine, ...]:
    """Return the lines, each with its part of a discount in proportion to `over`; raise ValueError if that is less."""
    return tuple(
        discounted(line, replace(discount, amount=part)) if part else line
        for line, part in zip(lines, spread(discount.amount, over), strict=True)
    )


def room(lines: Sequence[SaleLine]) -> list[int]:
    """Return what a further discount may take off each line: nothing of one that has as many as a line can."""
    return [amount_of(line) if len(line.discounts) < DISCOUNTS_MAX else 0 for line in lines]


def discounted(line: SaleLine, discount: Discount) -> SaleLine:
    """Return a line with a further discount. What it had without a word on what it was made of is said to be `manual`."""
    known = line.discounts or ((Discount(line.discount, "manual"),) if line.discount else ())
    return replace(line, discount=line.discount + discount.amount, discounts=(*known, discount))
