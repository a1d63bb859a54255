"""The cloud end as a process: wires configuration, database, pulls and HTTP, and runs until SIGTERM.

The clock is passed in as a function by the command line. Start: lock the folder, migrate, know who we are, listen, pull.
"""

import asyncio
import gc
import logging
import random
import secrets
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sync import failpoints, lookups
from sync.cloud.allocation.locations import settle_locations
from sync.cloud.arrivals.adopting import adopt, has_untried
from sync.cloud.campaigns.work import CampaignWork
from sync.cloud.collect.listening import serving_context, watch_certificate
from sync.cloud.config import CLOUD_LOCK, CloudConfig
from sync.cloud.databases import open_books
from sync.cloud.exports.nightly import Nightly
from sync.cloud.handing.addresses import Allowed
from sync.cloud.handing.deliverer import Deliverer
from sync.cloud.handing.news import News
from sync.cloud.loyalty.coupons import fill_stores
from sync.cloud.metrics import CloudMetrics
from sync.cloud.persons.work import PeopleWatch
from sync.cloud.rights.contact import Contact
from sync.cloud.scopes import scope_work
from sync.cloud.sinks.opening import pumps
from sync.cloud.store import CloudStore
from sync.cloud.talk.line import Line
from sync.cloud.talk.outgoing import send
from sync.cloud.talk.pull import Puller
from sync.cloud.talk.shops import pushers
from sync.cloud.talk.webhook_http import WebhookHttp
from sync.cloud.web.app import serve
from sync.cloud.web.http import Cloud
from sync.db import Database
from sync.errors import one_error
from sync.folder import own_folder
from sync.store.replicas import identify

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
    async with open_books(config) as db:
        cloud = await open_cloud(config, db, now_ms=now_ms)
        async with serve(cloud) as port, deliverer(cloud) as telling, asyncio.TaskGroup() as group:
            working = [group.create_task(work, name=name) for name, work in _work(cloud, telling)]
            gc.freeze()
            log.info("cloud ready", extra={"rep": cloud.books.replica.rep, "host": config.host, "port": port})
            on_ready(port)
            await stop.wait()
            for task in working:
                task.cancel()
    log.info("cloud stopped")


def _work(cloud: Cloud, telling: Deliverer) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Yield all that a cloud does beside answering, by name: each runs until it is cancelled."""
    config, books, rng = cloud.config, cloud.books, random.Random()  # noqa: S311 - jitter is no secret
    yield from ((f"pull {pull.store}", pull.run()) for pull in pullers(cloud, rng=rng))
    yield "rights", cloud.contact.run()
    yield "revoked tokens", cloud.admission.run()
    if cloud.tls is not None and config.tls is not None:
        yield "certificate", watch_certificate(cloud.tls, config.tls)
    yield "allocation", cloud.allocator.run()
    yield "people", cloud.people.run()
    yield "campaigns", send(cloud.campaigns)
    yield "branch stock", scope_work.share_stock(books, cloud.line)
    if cloud.hear_others is not None:
        yield "other workers", cloud.hear_others()
    yield "webhooks", telling.run()
    yield from ((f"sink {name}", pump.run()) for name, pump in pumps(config.handing.sinks, books, cloud.news, rng=rng))
    if cloud.nightly is not None:
        yield "exports", cloud.nightly.run()
    yield from ((f"levels of {each.channel.name}", each.run()) for each in pushers(cloud.channels, rng=rng))


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
    books.on_grown_of = line.grown_of
    books.on_reborn = line.cut_all
    contact = Contact(books, config.rights, config.allocation)
    contact.show_on(metrics.registry)
    people = PeopleWatch(books)
    books.on_rows = _all(line.rows_of, contact.on_rows, people.on_rows)
    books.on_sealed = line.tell_sealed
    news = _tell_news(books)
    hear_others = _join_others(config, db, books, line) if config.postgres else None
    await scope_work.settle(config, books)
    await db.write(lambda tx: settle_locations(tx, books.replica, config.allocation.locations))
    await db.write(lambda tx: fill_stores(tx, books.replica, config.stores))
    tls, authority = _listening(config, now_ms=begun_ms)
    nightly = Nightly(books, config.handing.exports) if config.handing.exports else None
    return Cloud(
        *(config, books, line, contact),
        news=news,
        people=people,
        campaigns=CampaignWork(books, config.lines, config.zones),
        nightly=nightly,
        hear_others=hear_others,
        tls=tls,
        authority=authority,
    )


def _join_others(
    config: CloudConfig, db: Database, books: CloudStore, line: Line
) -> Callable[[], Coroutine[None, None, None]]:
    """Have the workers on one database tell each other what each keeps in memory; return what listens."""
    from sync.cloud.postgres.news import News as NewsOfOthers

    news = NewsOfOthers(db, config.postgres, books, line, worker=secrets.token_hex(8))
    books.on_grown = news.also(books.on_grown, "grown")
    books.on_rows = news.also(books.on_rows, "rows")
    books.on_sealed = news.also(books.on_sealed, "sealed")
    books.on_reborn = news.also(books.on_reborn, "reborn")
    return news.run


def _listening(config: CloudConfig, *, now_ms: int) -> tuple[ssl.SSLContext | None, Path | None]:
    """Return what the cloud listens with, and its own authority where that signs certificates of stores."""
    if config.tls is None:
        return None, None
    own = None
    if config.tls.client_certificates != "off" and config.tls.client_authority is None:
        from sync.cloud.collect.authority import own_authority  # here: a cloud without one needs no `cryptography`

        own = own_authority(config.data_dir, config.cloud_id, now_ms=now_ms)
    return serving_context(config.tls, own or config.tls.client_authority), own


def _tell_news(books: CloudStore) -> News:
    """Return what readers of feeds wait on: rows of stores, and rows of our own."""
    news, on_rows, on_grown = News(), books.on_rows, books.on_grown

    def grown() -> None:
        on_grown()
        news.tell()

    books.on_rows, books.on_grown = _all(on_rows, lambda _store: news.tell()), grown
    return news


def _all(*each_of: Callable[[str], None]) -> Callable[[str], None]:
    def on_rows(store: str) -> None:
        for each in each_of:
            each(store)

    return on_rows


@asynccontextmanager
async def deliverer(cloud: Cloud) -> AsyncIterator[Deliverer]:
    """Yield what tells subscribers of webhooks."""
    async with WebhookHttp(Allowed(cloud.config.handing.allow)) as http:
        worker, rng = cloud.books.new_incarnation(), random.Random()  # noqa: S311 - jitter is no secret
        yield Deliverer(cloud.books, cloud.news, http.send, worker=worker, rng=rng)


def pullers(cloud: Cloud, *, rng: random.Random) -> list[Puller]:
    """Return what asks the stores that cannot dial."""
    return [Puller(each, cloud.books, cloud.line, rng=rng) for each in cloud.config.pulls]
