"""What a replay draws, by its seed alone: which place an invoice belongs to, which week it is off line, what is delivered.

Inputs of both the shops and the judge, so no part of what is proved. Pure; nothing of the product. Dates of the set are moved
SHIFT on, by whole weeks: hubs hold a clock that says 2010 to be one that was never set.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

SHIFT = timedelta(weeks=782)
PLACES = ("shop-1", "shop-2", "shop-3", "shop-4", "web")
DELIVERY_WEEKS = 4  # each place gets goods for so many weeks at once
SHORT_PCT = 10  # of the SKUs get half of what will be sold, so that the shelf goes below zero, knowingly
LINES_MAX = 500  # of a sale and of a document: an invoice with more lines is several sales


@dataclass(frozen=True)
class Plan:
    """One draw. `share_pct` of the customers, and of the invoices that name none, take part."""

    seed: int
    share_pct: int = 100

    def takes_part(self, invoice: str, customer: str) -> bool:
        """Whether the rows of this invoice are replayed."""
        return self._draw("share", customer or invoice) % 100 < self.share_pct

    def place_of(self, invoice: str, customer: str) -> str:
        """Where an invoice was made; a customer always comes to the same place."""
        return PLACES[self._draw("place", customer or invoice) % len(PLACES)]

    def off_week(self, place: str, weeks: Sequence[int]) -> int:
        """Which of the weeks in which a place sells it has no line."""
        return random.Random(f"{self.seed} {place}").choice(weeks)

    def delivered(self, place: str, sku: str, period: int, wanted: int) -> int:
        """How much of a SKU comes to a place of which so much will be sold."""
        is_short = self._draw("short", f"{place} {sku} {period}") % 100 < SHORT_PCT
        return wanted // 2 if is_short else wanted

    def _draw(self, what: str, key: str) -> int:
        return int.from_bytes(blake2b(f"{self.seed} {what} {key}".encode(), digest_size=8).digest())


def week_of(at: datetime) -> int:
    """The number of the week, from a Monday to the next."""
    return (at.date().toordinal() - 1) // 7
