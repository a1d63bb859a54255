"""`storehub import products FILE`: read and clean the file, show the report, write in batches to whoever holds the authority.

the store            products and prices                    opening stock
stands alone         the hub: over its control socket when it runs, else with the folder's lock (never a second writer)
is joined            the cloud, with [cloud] import_token   the running hub
--cloud URL          the cloud at URL                       not booked, and said so
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hub.client import HubClient
from hub.config import HUB_LOCK, Config
from hub.errors import RefusedError
from hub.importing.authority import add, batches, book_openings, check_joined, openings, send_products
from hub.importing.products import load_products
from hub.importing.report import render
from hub.importing.shapes import parse_mapping
from hub.migrations import MIGRATIONS
from hub.store.catalogue.products import Put, put_products
from hub.store.model import Entry
from sync.db import Database, open_database
from sync.errors import ConfigError, one_error
from sync.folder import own_folder
from sync.store.replicas import identify

Write = Callable[[Sequence[Entry]], Awaitable[Put]]


def import_products(args: argparse.Namespace, load: Callable[[Path], Config]) -> int:
    """Run the command; return 0 when everything that can be a product is one."""
    config = load(args.config) if args.cloud is None else None
    token = _token_in(args.cloud_token_file) if config is None else ""
    result = load_products(
        args.file,
        mapping=parse_mapping(args.map) if args.map else None,
        retailer=args.retailer,
        currency=args.currency or (config.shop.currency if config else None),
        progress=lambda rows: _progress(f"{rows} rows read"),
    )
    _progress("")
    print(render(result.report, args.language))
    if config is not None:
        _refuse_other_currencies(result.items, config.shop.currency)
    if args.dry_run:
        print("dry run: nothing was written" if args.language == "en" else "試跑：沒有寫入任何資料")
        return 0
    with one_error():
        if config is None:
            put = asyncio.run(_write_to(args.cloud, token, result.items))
        else:
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
    """Write a file's products, prices and opening stock, each to whoever holds it; say what is still on its way."""
    if config.cloud is not None:
        return await _write_joined(config, items)
    total = Put()
    async with _writing(config) as write:
        for batch in batches(items):
            total = add(total, await write(batch))
            _progress(f"{total.created + total.updated + total.unchanged} of {len(items)} products written")
    return total


async def _write_joined(config: Config, items: Sequence[Entry]) -> Put:
    check_joined(config, items)
    assert config.cloud is not None and config.cloud.url is not None
    put = await send_products(config.cloud.url, config.cloud.import_token, items, progress=_progress)
    _progress("")
    print(f"{len(items)} products went to the cloud, which keeps them; they come down to the store by themselves")
    wanted = len(openings(items))
    if wanted:
        booked = await book_openings(config, items)
        print(
            f"opening stock of {booked} products was booked here; {wanted - booked} had moved before and stay as they are"
        )
    return put


async def _write_to(url: str, token: str, items: Sequence[Entry]) -> Put:
    """Write to a cloud that this machine has no store of."""
    put = await send_products(url, token, items, progress=_progress)
    _progress("")
    print(f"{len(items)} products went to {url}; they come down to the stores by themselves")
    if wanted := len(openings(items)):
        print(f"opening stock of {wanted} products was not booked: import the file at the store that has the goods")
    return put


def _token_in(token_file: Path | None) -> str:
    if token_file is None:
        raise ConfigError("--cloud needs --cloud-token-file: a file with an office token of that cloud")
    try:
        return token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{token_file}: {err}; name a file with an office token with --cloud-token-file") from err


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


def _progress(text: str) -> None:
    """Show a line that replaces itself, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
