"""`storehub import products FILE`: read and clean the file, show the report, write in batches.

Over the control socket when a hub runs, else with the folder's lock, so that there is never a second writer.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from hub.api.control import BATCH_MAX
from hub.client import HubClient
from hub.config import HUB_LOCK, Config
from hub.errors import RefusedError
from hub.importing.products import load_products
from hub.importing.report import render
from hub.importing.shapes import parse_mapping
from hub.migrations import MIGRATIONS
from hub.store.identity import identify
from hub.store.model import Entry
from hub.store.products import Put, put_products
from sync.db import Database, open_database
from sync.errors import one_error
from sync.folder import own_folder

Write = Callable[[Sequence[Entry]], Awaitable[Put]]


def import_products(args: argparse.Namespace, config: Config) -> int:
    """Run the command; return 0 when everything that can be a product is one."""
    result = load_products(
        args.file,
        mapping=parse_mapping(args.map) if args.map else None,
        retailer=args.retailer,
        currency=args.currency or config.shop.currency,
        progress=lambda rows: _progress(f"{rows} rows read"),
    )
    _progress("")
    print(render(result.report, args.language))
    _refuse_other_currencies(result.items, config.shop.currency)
    if args.dry_run:
        print("dry run: nothing was written" if args.language == "en" else "試跑：沒有寫入任何資料")
        return 0
    with one_error():
        put = asyncio.run(write_all(config, result.items))
    _progress("")
    print(f"{put.created} created, {put.updated} updated, {put.unchanged} unchanged")
    for gtin, sku, owner in put.gtins_taken:
        print(f"  {gtin} stays with {owner}; {sku} was written without it")
    return 0


def _refuse_other_currencies(items: Sequence[Entry], currency: str) -> None:
    others = {item.price.currency for item in items} - {currency}
    if others:
        detail = (
            f"the file's prices are in {', '.join(sorted(others))}, the shop sells in {currency}; nothing was written. "
        )
        raise RefusedError("currency", f"{detail}Set [store] currency, or name the prices' currency with --currency")


async def write_all(config: Config, items: Sequence[Entry]) -> Put:
    total = Put()
    async with _writing(config) as write:
        for batch in _batches(iter(items)):
            total = _add(total, await write(batch))
            _progress(f"{total.created + total.updated + total.unchanged} of {len(items)} products written")
    return total


@asynccontextmanager
async def _writing(config: Config) -> AsyncIterator[Write]:
    if config.is_running():
        async with HubClient("http://hub", unix_socket=config.control_socket) as client:
            yield client.put_products
    else:
        with own_folder(config.data_dir, HUB_LOCK):
            async with open_database(config.database, migrations=MIGRATIONS, synchronous=config.synchronous) as db:
                yield await _offline_writer(config, db)


async def _offline_writer(config: Config, db: Database) -> Write:
    now_ms = time.time_ns() // 1_000_000
    shop, incarnation = config.shop, secrets.token_hex(8)
    replica = await db.write(lambda tx: identify(tx, shop.store_id, incarnation=incarnation, now_ms=now_ms))
    return lambda entries: db.write(
        lambda tx: put_products(tx, replica, entries, location=shop.location, now_ms=now_ms)
    )


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(islice(entries, BATCH_MAX)):
        yield batch


def _add(one: Put, other: Put) -> Put:
    return Put(
        one.created + other.created,
        one.updated + other.updated,
        one.unchanged + other.unchanged,
        one.gtins_taken + other.gtins_taken,
    )


def _progress(text: str) -> None:
    """Show a line that replaces itself, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
