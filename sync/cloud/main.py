"""The cloud end as a process: wires configuration, database, pulls and HTTP, and runs until SIGTERM.

The clock is passed in as a function by the command line. Start: lock the folder, migrate, know who we are, listen, pull.
"""

import asyncio
import gc
import logging
import random
import secrets
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from sync import failpoints, lookups
from sync.cloud.arrivals.adopting import adopt, has_untried
from sync.cloud.config import CLOUD_LOCK, CloudConfig
from sync.cloud.metrics import CloudMetrics
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.people.coupons import fill_stores
from sync.cloud.rights.contact import Contact
from sync.cloud.scopes import scope_work
from sync.cloud.store import CloudStore
from sync.cloud.talk.line import Line
from sync.cloud.talk.pull import Puller
from sync.cloud.web.app import serve
from sync.cloud.web.http import Cloud
from sync.db import Database, open_database
from sync.errors import StartError, one_error
from sync.folder import own_folder
from sync.store.replicas import identify

PAGE_BYTES = 4096  # no card to spare here: a sale takes half the time and space that it takes in the hub's small pages

log = logging.getLogger(__name__)
Ready = Callable[[int], None]


def run(config: CloudConfig, on_ready: Ready, *, clock_ns: Callable[[], int]) -> None:
    """Run the cloud end until SIGTERM or SIGINT; raise StartError when it cannot start. `on_ready` gets the port."""
    with own_folder(config.data_dir, CLOUD_LOCK), one_error():
        lookups.run(_main(config, on_ready, lambda: clock_ns() // 1_000_000))


async def _main(config: CloudConfig, on_ready: Ready, now_ms: Callable[[], int]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    begin_file(config.database)
    async with open_database(config.database, migrations=MIGRATIONS) as db:
        cloud = await open_cloud(config, db, now_ms=now_ms)
        pulls = pullers(cloud, rng=random.Random())  # noqa: S311 - jitter is no secret
        async with serve(cloud) as port, asyncio.TaskGroup() as group:
            pulling = [group.create_task(pull.run(), name=f"pull {pull.store}") for pull in pulls]
            pulling.append(group.create_task(cloud.contact.run(), name="rights"))
            pulling.append(group.create_task(scope_work.share_stock(cloud.books, cloud.line), name="branch stock"))
            gc.freeze()
            log.info("cloud ready", extra={"rep": cloud.books.replica.rep, "host": config.host, "port": port})
            on_ready(port)
            await stop.wait()
            for task in pulling:
                task.cancel()
    log.info("cloud stopped")


def begin_file(path: Path) -> None:
    """Give a new database the cloud's page size, which a file keeps for life; raise StartError when it cannot be written."""
    if path.exists():
        return
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            file.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as err:
        raise StartError(f"{path}: {err}; make room or choose another [cloud] dir") from err


async def open_cloud(config: CloudConfig, db: Database, *, now_ms: Callable[[], int]) -> Cloud:
    """Return the cloud on an open database, identified."""
    new_incarnation, begun_ms = partial(secrets.token_hex, 8), now_ms()
    incarnation = new_incarnation()
    replica = await db.write(lambda tx: identify(tx, config.cloud_id, incarnation=incarnation, now_ms=begun_ms))
    failpoints.hit("cloud.identified")
    adopted = 0
    while has_untried(db.read):
        adopted += await db.write(lambda tx: adopt(tx, replica, now_ms=begun_ms))
    if adopted:
        log.info("rows that the former version could not read were applied", extra={"rows": adopted})
    metrics = CloudMetrics()
    metrics.expect(config.stores, now_ms=begun_ms)
    db.on_group = metrics.count_group
    books = CloudStore(db, replica, metrics=metrics, now_ms=now_ms, new_incarnation=new_incarnation)
    line = Line(metrics=metrics, now_ms=now_ms)
    books.on_grown = line.grown
    books.on_reborn = line.cut_all
    contact = Contact(books, config.rights)
    contact.show_on(metrics.registry)
    books.on_rows = _both(line.rows_of, contact.on_rows)
    books.on_sealed = line.tell_sealed
    await scope_work.settle(config, books)
    await db.write(lambda tx: fill_stores(tx, books.replica, config.stores))
    return Cloud(config, books, line, contact)


def _both(one: Callable[[str], None], other: Callable[[str], None]) -> Callable[[str], None]:
    def on_rows(store: str) -> None:
        one(store)
        other(store)

    return on_rows


def pullers(cloud: Cloud, *, rng: random.Random) -> list[Puller]:
    """Return what asks the stores that cannot dial."""
    return [Puller(each, cloud.books, cloud.line, rng=rng) for each in cloud.config.pulls]
