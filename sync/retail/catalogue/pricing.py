"""What a SKU costs in a shop at a moment: the catalogue's price, or that of a list, or the one a manager has set. Pure.

    first   the shop's own price of the SKU, set by a manager     store_price
    then    lists of the store, of its region, of head office     price_list, list_price
    last    the catalogue's price                                 price

Of several lists of one scope the higher rank counts, then the smaller id. Only what is valid at the moment counts; by the grace
of a clock that is not sure a list or a shop's price counts where nothing of its kind is valid without it, and it is said.
Not here: promotions (sync.retail.catalogue.promotions), storage.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from msgspec import Struct

from sync.retail.windows import At, Opening, opening_at

PriceScope = Literal["store", "region", "hq"]
Source = Literal["store_price", "price_list", "catalogue"]
_NEAREST: dict[PriceScope, int] = {"store": 0, "region": 1, "hq": 2}


class Listed(Struct, frozen=True, kw_only=True):
    """A SKU's price in a list, with what the list says of itself."""

    list_id: str
    scope: PriceScope
    rank: int = 0
    amount: int
    per: int = 1
    valid_from: date | None = None
    valid_until: date | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


class SetPrice(Struct, frozen=True, kw_only=True):
    """A SKU's price that a manager of the shop has set."""

    amount: int
    per: int = 1
    valid_from: date | None = None
    valid_until: date | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


class Effective(Struct, frozen=True):
    """What a SKU costs, and who says so; `reference` names the list."""

    amount: int
    per: int
    source: Source
    reference: str | None = None
    by_grace: bool = False


def price_at(
    at: At, *, catalogue: tuple[int, int] | None, listed: Iterable[Listed] = (), own: SetPrice | None = None
) -> Effective | None:
    """Return what a SKU costs; None where nobody says. `catalogue` is (amount, per)."""
    if own is not None and (opening := opening_at(own, at)) is not Opening.CLOSED:
        return Effective(own.amount, own.per, "store_price", by_grace=opening is Opening.GRACE)
    found = [(opening_at(each, at), each) for each in listed]
    for wanted in (Opening.OPEN, Opening.GRACE) if found else ():
        valid = [each for opening, each in found if opening is wanted]
        if valid:
            best = min(valid, key=lambda each: (_NEAREST[each.scope], -each.rank, each.list_id))
            return Effective(best.amount, best.per, "price_list", best.list_id, by_grace=wanted is Opening.GRACE)
    return Effective(*catalogue, "catalogue") if catalogue is not None else None
