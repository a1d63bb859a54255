"""Promotions that may be open at a moment, as this shop's prices need them. Read once for each version of them and each day.

A shop with 200 promotions of 1,000 SKUs each has 3 MB of them: to read that for each product looked up took 8 ms. The version is
a word that the table's triggers make anew with every change (migration 0032), in the transaction of the change: whoever reads a
version reads what it stands for, also the writer amid a job that is undone later.

Not here: prices and what is written (hub.store.catalogue.pricing), whether one is open (sync.retail.windows), what it takes off.
"""

import json
from collections.abc import Collection
from datetime import timedelta
from sqlite3 import Connection
from typing import Any, NamedTuple

from hub.store.model import Shop
from sync.retail.catalogue.price_lists import window_of
from sync.retail.catalogue.promotions import Promotion
from sync.retail.names import Name
from sync.retail.windows import At

LIVE_MAX = 200  # promotions of a day that are looked at, by their ids
DAY = timedelta(days=1)
KEPT_MAX = 4  # versions, days and shops of which the promotions are kept; the one read first goes
_LIVE = f"""
  SELECT promotion_id, name_zh_hant, name_en, does, count, pay_for, amount_minor, rate_bp, skus, categories, members_only,
    valid_from, valid_until, weekdays, hour_from, hour_until
  FROM promotion
  WHERE gone = 0 AND (valid_from = '' OR valid_from <= ?1) AND (valid_until = '' OR valid_until >= ?2)
    AND (scope <> 'store' OR place = ?3)
  ORDER BY promotion_id LIMIT {LIVE_MAX}
"""


class _Asked(NamedTuple):
    version: str
    begun_by: str
    not_over_by: str
    store: str


_kept: dict[_Asked, tuple[Promotion, ...]] = {}


def live_promotions(read: Connection, shop: Shop, at: At, *, skus: Collection[str] | None = None) -> list[Promotion]:
    """Return the promotions for this shop whose dates are not far from the moment: more than LIVE_MAX are not looked at.

    With `skus`, those that name one of them, a category, or nothing: what is for other goods alone is left out.
    """
    slack = DAY if at.is_sure else DAY + timedelta(milliseconds=at.grace_ms)
    (version,) = read.execute("SELECT version FROM promotion_version").fetchone()
    begun_by, not_over_by = (at.moment + slack).date().isoformat(), (at.moment - slack).date().isoformat()
    found = _read(read, _Asked(version, begun_by, not_over_by, shop.store_id))
    if skus is None or not found:
        return list(found)
    return [each for each in found if not each.skus or each.categories or not each.skus.isdisjoint(skus)]


def _read(read: Connection, asked: _Asked) -> tuple[Promotion, ...]:
    """Two threads that ask at one time read the same twice."""
    found = _kept.get(asked)
    if found is None:
        rows = read.execute(_LIVE, asked[1:]).fetchall()
        found = tuple(promotion for row in rows if (promotion := _promotion(*row)) is not None)
        for oldest in list(_kept)[: max(0, len(_kept) + 1 - KEPT_MAX)]:
            _kept.pop(oldest, None)
        _kept[asked] = found
    return found


def _promotion(promotion_id: str, zh_hant: str, en: str, kind: Any, *more: Any) -> Promotion | None:  # Any: columns
    count, pay_for, amount, rate_bp, skus, categories, members_only, *dates, weekdays, hour_from, hour_until = more
    try:
        window = window_of(*dates, weekdays=tuple(json.loads(weekdays)), hour_from=hour_from, hour_until=hour_until)
    except ValueError:
        return None
    return Promotion(
        promotion_id=promotion_id,
        name=Name(zh_hant, en),
        kind=kind,
        count=count,
        pay_for=pay_for,
        amount=amount,
        rate_bp=rate_bp,
        skus=frozenset(json.loads(skus)),
        categories=frozenset(json.loads(categories)),
        members_only=bool(members_only),
        valid_from=window.valid_from,
        valid_until=window.valid_until,
        weekdays=window.weekdays,
        hours=window.hours,
    )
