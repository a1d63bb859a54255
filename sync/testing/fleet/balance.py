"""Whether the cloud's books come to what the shops wrote: sales by count, money and digest, pieces by levels."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from sync.cloud.web.views import feed_rows, store_figures
from sync.db import Database
from sync.model import Stream
from sync.testing.fleet.shop import CURRENCY, Shop

PAGE_ROWS = 5000


async def unbalanced(db: Database, shops: Iterable[Shop]) -> tuple[str, ...]:
    """Return the stores whose books differ; none when all that was sold is there once."""
    figures, issued = store_figures(db.read), await _issued(db)
    wrong = []
    for shop in shops:
        here = figures.get(shop.store)
        ends = (
            [each for each in here["streams"] if (each["rep"], each["stream"]) == (shop.rep, Stream.SALES)]
            if here
            else []
        )
        found = (
            (here["sales"]["count"], here["sales"]["total"].get(CURRENCY, 0), ends[0]["last"], ends[0]["digest"])
            if here and ends
            else (0, 0, 0, bytes(8).hex())
        )
        if (*found, issued[shop.store]) != (shop.sold, shop.total, shop.end.last, shop.end.digest.hex(), shop.issued):
            wrong.append(shop.store)
    return tuple(wrong)


async def _issued(db: Database) -> Counter[str]:
    """Return how many pieces have left each store, by its tallies."""
    issued: Counter[str] = Counter()
    after = 0
    while rows := await feed_rows(db, Stream.LEVELS, after=after, limit=PAGE_ROWS):
        for row in rows[:PAGE_ROWS]:
            issued[row.store] += msgspec.json.decode(row.body)["issued"]
        after = rows[:PAGE_ROWS][-1].n
    return issued
