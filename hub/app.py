"""The daemon: wires configuration, database, devices and API, and runs until SIGTERM. The only reader of the real clock.

Start: lock the folder, migrate, know who we are, settle interrupted prints, listen, open the devices.
Stop: devices closed, tablets told, requests under way answered, waiting write jobs finished, database closed.
"""

import asyncio
import gc
import logging
import random
import secrets
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from sqlite3 import Connection

from devices.codecs.variable_measure import VariableMeasure, variable_measures
from devices.supervision.announcements import Announcements
from devices.supervision.loop_watch import BLOCKED_S, watching_loop
from devices.supervision.outside import DeviceState, Outside
from devices.supervision.supervisor import Supervisor
from hub.announcer import run_announcer
from hub.api.server import serve
from hub.attached.events import Events
from hub.attached.readings import Readings
from hub.bus import Bus
from hub.claims import CLAIM_GRACE_S, Claims
from hub.clock import HubClock, start_clock
from hub.config import HUB_LOCK, Config
from hub.disk.levels import step_of
from hub.disk.reserve import give_to_start
from hub.erasures import Erasures, list_erased
from hub.holders import PEER
from hub.home_assistant import HomeAssistant
from hub.machine import fingerprint
from hub.machine_clock import MachineClock, machine_clock
from hub.metrics import Metrics
from hub.migrations import MIGRATIONS
from hub.monitoring.version import installed_version
from hub.printing.failover import FailOver
from hub.printing.spooler import Spooler
from hub.runtime import Runtime
from hub.service.life import Life
from hub.service.lines import run_line
from hub.store.people.arrivals import unlisted
from hub.store.people.erasure import apply_erasures
from hub.store.people.members import Work
from hub.store.people.point_asks import give_all_back
from hub.store.replica.clock import last_commit_ms, load_clock, save_clock
from hub.store.replica.lives import begin_life, why_new_life
from hub.store.replica.settling import settle
from hub.store.selling import printing
from hub.store.selling.receipt_codes import fresh_incarnation
from hub.store.selling.receipt_links import KEY_BYTES, receipt_key
from hub.store.staff import tills
from hub.store.staff.audit_trail import MACHINE
from hub.store.stock.branches import branch_of, put_branch
from hub.tls.keeper import Tls
from hub.tokens import Tokens
from hub.upkeep import run_upkeep
from sync import failpoints, lookups
from sync.db import Database, open_database
from sync.errors import one_error
from sync.folder import own_folder
from sync.model import Replica
from sync.retail.people.identities import KEY_BYTES as IDENTITY_KEY_BYTES
from sync.store.replicas import identify
from sync.store.rows import adopt_unknown

PRINTERS = ("POSPrinter", "LabelPrinter")  # categories that have a print queue
GC_YOUNG = 5_000  # new objects that are walked together; Python's 700 come every 16 sales with their receipts
log = logging.getLogger(__name__)


def run(config: Config, life: Life) -> None:
    """Run a hub until SIGTERM or SIGINT; raise StartError when it cannot start. `life` is told how it goes."""
    with own_folder(config.data_dir, HUB_LOCK), one_error():
        give_to_start(config.data_dir, step_of(config.disk))
        lookups.run(_main(config, life))


async def _main(config: Config, life: Life) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(life.start(), name="start")
        try:
            await _serve(config, life, starting, stop)
        finally:
            starting.cancel()
    log.info("hub stopped")


async def _serve(config: Config, life: Life, starting: asyncio.Task[None], stop: asyncio.Event) -> None:
    async with open_database(config.database, migrations=MIGRATIONS, synchronous=config.synchronous) as db:
        clock = machine_clock(_now_ms, has_rtc=config.has_rtc)
        hub = await open_hub(config, db, now_ms=_now_ms, machine=fingerprint(), clock=clock)
        supervisor = wire_devices(hub)
        async with (
            serve(hub) as port,
            run_broker(hub) as quiet,
            watch_devices(hub, supervisor),
            asyncio.TaskGroup() as group,
        ):
            tasks = [
                group.create_task(supervisor.run(), name="devices"),
                group.create_task(run_upkeep(hub), name="upkeep"),
                group.create_task(hub.room.run(), name="disk"),
                group.create_task(run_line(hub, rng=random.Random()), name="line"),  # noqa: S311 - jitter is no secret
                group.create_task(hub.clock.run(db), name="clock"),
                group.create_task(run_announcer(hub, port), name="announcer"),
                group.create_task(life.feed(db), name="watchdog"),
            ]
            gc.set_threshold(GC_YOUNG)
            gc.freeze()  # what is there now stays: walking it again and again would hold a sale up for tens of milliseconds
            log.info(
                "hub ready", extra={"rep": hub.replica.rep, "host": config.host, "port": port, "version": hub.version}
            )
            starting.cancel()
            life.ready(port)
            await stop.wait()
            life.stopping()
            await quiet()
            for task in tasks:
                task.cancel()
        await hub.clock.save(db)


async def open_hub(
    config: Config,
    db: Database,
    *,
    now_ms: Callable[[], int],
    machine: str = "",
    clock: MachineClock | None = None,
    claim_grace_s: float = CLAIM_GRACE_S,
) -> Runtime:
    """Return a hub on an open database: identified, its interrupted prints settled.

    Whoever passes `now_ms` alone vouches for it; `clock` says how far the machine's time may be believed.
    """
    if config.synchronous != "full":
        log.warning("synchronous is off: a power cut loses sales; this is for measurements only")
    hub_clock = _start_clock(db, clock or MachineClock(now_ms))
    store_id, begun_ms = config.shop.store_id, hub_clock.now_ms()
    draw = partial(
        fresh_incarnation, db.read, store_id, is_beside=config.follows is not None, draw=partial(secrets.token_hex, 8)
    )
    incarnation = draw()
    replica = await db.write(lambda tx: identify(tx, store_id, incarnation=incarnation, now_ms=begun_ms))
    replica = await on_this_machine(db, replica, machine=machine, now_ms=begun_ms, draw=draw)
    hub_clock.become(replica.rep)
    failpoints.hit("recovery.identified")
    if config.cloud is not None:
        await db.write(lambda tx: put_branch(tx, replica, branch_of(config.shop)))
    await adopt_all(db, replica)
    await _apply_erasures(config, db, replica, hub_clock)
    fresh_key = secrets.token_bytes(KEY_BYTES)

    def settle_all(tx: Connection) -> tuple[int, bytes]:
        give_all_back(tx, replica)
        return printing.settle_interrupted(tx, replica, now_ms=begun_ms), receipt_key(tx, fresh=fresh_key)

    interrupted, own_key = await db.write(settle_all)
    failpoints.hit("recovery.prints_settled")
    if interrupted:
        log.warning("prints were interrupted; look at the paper, then retry or reprint", extra={"jobs": interrupted})
    metrics = Metrics()
    db.on_group, db.on_took = metrics.count_group, metrics.commit_seconds.observe
    bus = Bus(epoch=secrets.token_hex(4))
    return Runtime(
        config=config,
        db=db,
        bus=bus,
        claims=Claims(bus.has_subscriber, grace_s=claim_grace_s),
        replica=replica,
        metrics=metrics,
        now_ms=hub_clock.now_ms,
        clock=hub_clock,
        new_secret=secrets.token_urlsafe,
        new_incarnation=draw,
        new_key=partial(secrets.token_hex, IDENTITY_KEY_BYTES),
        receipt_key=own_key,
        tokens=Tokens(tills.all_tokens(db.read), offered=tills.offered_tokens(db.read)),
        variable_measures=_variable_measures(config),
        tls=_open_tls(config, hub_clock),
        version=installed_version(),
    )


async def _apply_erasures(config: Config, db: Database, replica: Replica, clock: HubClock) -> None:
    """Before it serves, a database that was put back forgets who was erased since."""
    listed = Erasures(config.data_dir).all()
    if not listed and not unlisted(db.read):
        return
    work = Work(
        MACHINE, replica, config.shop.members, clock.stamp(), secrets.token_hex(IDENTITY_KEY_BYTES), clock.now_ms()
    )
    erased = await db.write(lambda tx: apply_erasures(tx, work, listed))
    await list_erased(db, Erasures(config.data_dir))
    if erased:
        log.warning("members who were erased since this copy was taken are erased again", extra={"members": erased})


def _open_tls(config: Config, clock: HubClock) -> Tls | None:
    """Have the certificate ready before somebody listens; a hub for this machine only needs none."""
    if not config.is_on_lan:
        return None
    tls = Tls(
        config.tls_folder,
        store_id=config.shop.store_id,
        host=config.host,
        names=config.tls_names,
        makes_authority=config.follows is None,
        now_ms=clock.now_ms,
        is_sure=lambda: clock.is_sure,
    )
    tls.open()
    return tls


def _start_clock(db: Database, machine: MachineClock) -> HubClock:
    saved, commit_ms = load_clock(db.read, rep=""), last_commit_ms(db.read)
    clock = start_clock(machine, saved, rep="", last_commit_ms=commit_ms)

    def keep() -> None:
        said = clock.saved()
        db.write_soon(lambda tx: save_clock(tx, said), then=lambda _: None)

    clock.on_set = keep
    return clock


async def on_this_machine(
    db: Database,
    replica: Replica,
    *,
    machine: str,
    now_ms: int,
    draw: Callable[[], str],
) -> Replica:
    """Return who writes here: somebody new when the database was put back, or last opened on another machine."""
    incarnation = draw()

    def job(tx: Connection) -> tuple[Replica, str]:
        why = why_new_life(tx, machine)
        if not why:
            return replica, ""
        reborn = begin_life(tx, replica, peer=PEER, incarnation=incarnation, why=why, now_ms=now_ms)
        return reborn.replica if reborn else replica, why

    now, why = await db.write(job)
    if now != replica:
        log.error(
            f"{why}: a new life begins; see that no other machine works with the former one",
            extra={"former": replica.rep, "rep": now.rep},
        )
    return now


async def adopt_all(db: Database, replica: Replica) -> None:
    """Apply rows that an earlier version could not read, a job of them at a time."""

    def job(tx: Connection) -> tuple[int, bool]:
        taken, is_more = adopt_unknown(tx)
        settle(tx, replica, taken)
        return taken.changed, is_more

    adopted, is_more = 0, True
    while is_more:
        changed, is_more = await db.write(job)
        adopted += changed
    if adopted:
        log.info("rows that the former version could not read were applied", extra={"rows": adopted})


@asynccontextmanager
async def run_broker(hub: Runtime) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run the embedded MQTT broker if the configuration has one; yield what to await at a stop, before the devices end."""
    if hub.config.mqtt is None:
        yield _nothing
        return
    from hub.broker.embedded import embedded_broker  # here: a hub without one saves 16 MiB

    counts = any(spec.kind.startswith("mqtt_") for spec in hub.config.devices)
    store_id, tokens, tls = hub.shop.store_id, hub.tokens, hub.tls
    async with embedded_broker(hub.config.mqtt, store_id=store_id, tokens=tokens, awaits_hub=counts, tls=tls) as broker:
        yield broker.quiet


async def _nothing() -> None:
    """A hub without a broker has nothing to bring to its end."""


@asynccontextmanager
async def watch_devices(hub: Runtime, supervisor: Supervisor, *, blocked_s: float = BLOCKED_S) -> AsyncIterator[None]:
    """Where there are devices: hear of what is plugged in, and of a driver that holds everybody up."""
    if not hub.config.devices:
        yield
        return
    with hub.attachments.watching(supervisor), watching_loop(supervisor.blame, supervisor.blocked, blocked_s=blocked_s):
        yield


def wire_devices(hub: Runtime) -> Supervisor:
    """Return the supervisor of the configured devices, their events, status and print jobs tied to the hub."""
    for spec in hub.config.devices:
        if spec.driver.category in PRINTERS:
            hub.spoolers[spec.device_id] = Spooler(
                hub.db,
                lambda: hub.replica,
                spec.device_id,
                now_ms=hub.now_ms,
                monotonic_s=time.monotonic,
                render=hub.render,
                announce=hub.on_print,
            )
    announced = {spec.device_id: Announcements() for spec in hub.config.devices if spec.driver.announces}
    fail_over = FailOver(
        hub.db,
        hub.spoolers,
        hub.config.devices,
        now_ms=hub.now_ms,
        monotonic_s=time.monotonic,
        announce=hub.on_print,
    )

    def on_status(state: DeviceState) -> None:
        hub.on_device_status(state)
        fail_over.on_status(state)

    outside = Outside(
        on_event=Events(hub).hear,
        on_status=on_status,
        now_ms=hub.now_ms,
        monotonic_s=time.monotonic,
        rng=random.Random(),  # noqa: S311 - jitter is no secret
        jobs=hub.spoolers,
        attached=hub.attachments.attached,
        on_readings=Readings(hub).on_readings,
        announcements=announced,
    )
    supervisor = Supervisor(hub.config.devices, outside)
    hub.device_states, hub.tell_device, hub.ask_device = supervisor.states, supervisor.tell, supervisor.ask
    hub.begin_capture, hub.end_capture = supervisor.capture, supervisor.captured
    for said in announced.values():
        home = HomeAssistant(hub, said)
        hub.on_device.append(home.on_device)
        hub.on_footfall.append(home.on_footfall)
        home.begin()
    return supervisor


def _variable_measures(config: Config) -> tuple[VariableMeasure, ...]:
    declared = (getattr(spec.options, "variable_measures", ()) for spec in config.devices)
    return variable_measures(dict.fromkeys(template for templates in declared for template in templates))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
