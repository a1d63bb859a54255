"""Tax that prices contain: by rate, from what is paid after discount, rounded once a rate. Pure.

    tax of a rate   amounts of that rate x rate / (10000 + rate), halves up; rates are basis points, 500 is 5 %

The cash rounding is no price and is not taxed. Not here: which products have which rate ([tax] of the configuration).
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from sync.retail.money import line_amount
from sync.retail.selling.sales import Sale, TaxPart, amount_of

BASIS_POINTS = 10_000


class TaxRates(Struct, frozen=True):
    """The shop's rate, and those of product categories that have another."""

    rate_bp: int = 0
    categories: dict[str, int] = {}

    def of(self, category: str | None) -> int:
        """Return the rate of a category; goods that have none are taxed at the shop's."""
        return self.rate_bp if category is None else self.categories.get(category, self.rate_bp)


def tax_contained(amounts: Iterable[tuple[int, int]]) -> tuple[TaxPart, ...]:
    """Return the tax in amounts of (rate in basis points, amount), by rate; what is not taxed is not named."""
    by_rate: dict[int, int] = {}
    for rate_bp, amount in amounts:
        by_rate[rate_bp] = by_rate.get(rate_bp, 0) + amount
    return tuple(
        TaxPart(rate_bp, line_amount(amount, rate_bp, BASIS_POINTS + rate_bp))
        for rate_bp, amount in sorted(by_rate.items())
        if rate_bp
    )


def tax_of(sale: Sale, rates: TaxRates, categories: Mapping[str, str | None]) -> tuple[TaxPart, ...]:
    """Return the tax that a sale contains; `categories` are those of the SKUs that are known."""
    if not rates.rate_bp and not rates.categories:
        return ()
    return tax_contained((rates.of(categories.get(line.sku)), amount_of(line)) for line in sale.lines)
