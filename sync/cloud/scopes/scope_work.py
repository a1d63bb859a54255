"""The scopes of a running cloud: settled when it starts, other branches' stock summed behind the selling.

Not here: what is written (sync.cloud.scopes.scopes and its neighbours), to whom it is sent (sync.session).
"""

import asyncio
import logging
from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from sqlite3 import Connection

from sync.cloud.config import CloudConfig
from sync.cloud.loyalty.member_points import POINTS, fill_points
from sync.cloud.pricing import share_pricing
from sync.cloud.scopes.scope_branches import (
    BRANCHES,
    CONTACT_EVERY_MS,
    FOLD_EVERY_MS,
    LEVELS,
    fill_branches,
    fill_levels,
    fold_levels,
    has_marked,
    tell_contact,
)
from sync.cloud.scopes.scope_catalogue import fill_catalogue
from sync.cloud.scopes.scope_members import MEMBERS, PEOPLE, ensure_keys, fill_members, fill_people, rotate
from sync.cloud.scopes.scopes import settle_scopes
from sync.cloud.store import CloudStore
from sync.cloud.talk.line import Line
from sync.errors import SyncError
from sync.model import Stream
from sync.retail.people.identities import IdentityKeyRow, new_key

FILL = {
    Stream.CATALOGUE: fill_catalogue,
    BRANCHES: fill_branches,
    LEVELS: fill_levels,
    MEMBERS: fill_members,
    PEOPLE: fill_people,
    POINTS: fill_points,
}

log = logging.getLogger(__name__)


async def settle(config: CloudConfig, books: CloudStore) -> None:
    """Serve what the configuration says, in a write job, and one a store: nobody is connected yet."""

    fresh = chains_key(books)

    def job(tx: Connection) -> None:
        settle_scopes(tx, books.replica, config.scopes, stores=config.stores, fill=FILL)
        ensure_keys(tx, books.replica, stores_with_members(config), fresh=fresh)

    await books.db.write(job)
    await share_prices(books, config)


async def share_prices(books: CloudStore, config: CloudConfig) -> None:
    """Bring the scope of each store to what is for it."""
    is_grown = False
    for store in config.stores:
        share = partial(share_pricing, own=books.replica, store=store, region=config.regions.get(store, ""))
        is_grown |= await books.db.write(share)
    if is_grown:
        books.on_grown()


def stores_with_members(config: CloudConfig) -> list[str]:
    """Return the stores that share members with a region."""
    return [each.store for each in config.scopes if each.base == MEMBERS]


def chains_key(books: CloudStore) -> IdentityKeyRow:
    """Return a new key, of 256 random bits."""
    secret = "".join(books.new_incarnation() for _ in range(4))
    begun_at = datetime.fromtimestamp(books.now_ms() / 1000, UTC)
    return new_key(secret, is_chains=True, begun_at=begun_at)


async def rotate_key(config: CloudConfig, books: CloudStore) -> IdentityKeyRow:
    """Give the stores that share members a new key; the former ones still find."""
    fresh, stores = chains_key(books), stores_with_members(config)
    await books.db.write(lambda tx: rotate(tx, books.replica, stores, fresh=fresh))
    books.on_grown()
    return fresh


async def fold(books: CloudStore) -> None:
    """Sum all levels that wait, in small jobs, and tell the stores."""
    is_grown = False
    while has_marked(books.db.read):
        await books.db.write(lambda tx: fold_levels(tx, books.replica))
        is_grown = True
    if is_grown:
        books.on_grown()


async def note_contact(books: CloudStore, stores: Collection[str]) -> None:
    """Tell the other branches that these stores are in contact."""
    now_ms = books.now_ms()
    is_told = await books.db.write(lambda tx: tell_contact(tx, books.replica, stores, now_ms=now_ms))
    if is_told:
        books.on_grown()


async def share_stock(books: CloudStore, line: Line) -> None:
    """Fold and note contacts until cancelled."""
    told_ms = 0
    while True:
        await asyncio.sleep(FOLD_EVERY_MS / 1000)
        try:
            await fold(books)
            if books.now_ms() - told_ms >= CONTACT_EVERY_MS:
                told_ms = books.now_ms()
                await note_contact(books, {each.store for each in line.connections})
        except SyncError as err:  # a full disk, a writer with too much to do: figures of others can wait
            log.debug("other branches' stock was not summed", extra={"error": str(err)})
