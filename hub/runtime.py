"""What a running hub is made of, for the API and the device side to work on. Wired by hub.app, imports no I/O library."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from devices.codecs.variable_measure import VariableMeasure
from devices.document import Document
from devices.errors import CommandError
from devices.model import Health
from devices.plug.capture import Trace
from devices.supervision.commands import Command
from devices.supervision.outside import DeviceState
from devices.supervision.requests import DeviceRequest
from hub.attached.pseudonyms import Pseudonyms
from hub.attached.weight_view import WeightView
from hub.attachments import Attachments
from hub.bus import Bus
from hub.claims import Claims
from hub.clock import SURE, UNSURE, HubClock
from hub.config import Config
from hub.coupons import Coupons
from hub.disk.room import DiskView, Room
from hub.erasures import Erasures, list_erased
from hub.errors import NotFoundError
from hub.metrics import Metrics
from hub.monitoring import trail
from hub.orders import Orders
from hub.pins import Pins
from hub.point_holds import PointHolds
from hub.printing.spooler import Spooler
from hub.replication import Replication, SyncView
from hub.rights import Rights
from hub.standby.hubs import HubList, Hubs
from hub.store.catalogue import products
from hub.store.model import Shop, utc
from hub.store.people.members import Work
from hub.store.replica.lives import Reborn
from hub.store.selling.printing import OpenJob, PrintJobView
from hub.store.selling.receipts import marked, receipt, without_pulse
from hub.store.selling.sold import Sold, sold
from hub.store.staff import tills
from hub.store.staff.tills import Paired
from hub.store.stock.availability import Shelf
from hub.store.stock.requests import open_versions
from hub.tls.addresses import bracketed, outward_address
from hub.tls.keeper import Tls
from hub.tokens import Tokens
from sync.db import Database
from sync.model import Replica, Stream
from sync.retail.names import Name
from sync.retail.selling.days import business_date

DRAWER_FRESH_MS = 15_000  # a drawer that opens later than this opens when nobody expects it

log = logging.getLogger(__name__)


async def no_device(device_id: str, _command: Command) -> None:
    """Nobody is told anything before the devices are wired."""
    raise CommandError("device_offline", f"{device_id} is not wired yet")


def _no_capture(device_id: str, _salt: bytes = b"") -> Trace | None:
    raise KeyError(device_id)


def _no_device(device_id: str, _request: DeviceRequest) -> bool:
    raise KeyError(device_id)


@dataclass(slots=True, eq=False)
class Runtime:
    """The hub's parts. `now_ms` (the clock's, corrected) and the `new_…` are the only ways to time and to randomness."""

    config: Config
    db: Database
    bus: Bus
    claims: Claims
    replica: Replica
    metrics: Metrics
    now_ms: Callable[[], int]
    clock: HubClock
    new_secret: Callable[[int], str]
    new_incarnation: Callable[[], str]
    new_key: Callable[[], str]
    receipt_key: bytes = field(repr=False)
    variable_measures: tuple[VariableMeasure, ...] = ()
    device_states: Callable[[], list[DeviceState]] = list
    tell_device: Callable[[str, Command], Awaitable[None]] = no_device
    weights: dict[str, WeightView] = field(default_factory=dict)
    begin_capture: Callable[[str], object] = field(default=_no_capture)
    end_capture: Callable[[str, bytes], Trace | None] = field(default=_no_capture)
    ask_device: Callable[[str, DeviceRequest], bool] = field(default=_no_device)
    on_footfall: list[Callable[[], None]] = field(default_factory=list)  # called at most once a second
    on_device: list[Callable[[DeviceState], None]] = field(default_factory=list)
    tokens: Tokens = field(default_factory=Tokens)
    spoolers: dict[str, Spooler] = field(default_factory=dict)
    tls: Tls | None = None
    port: int = 0  # where it listens, once it does
    version: str = ""
    started_ms: int = field(init=False)
    attachments: Attachments = field(init=False)
    room: Room = field(init=False)
    erasures: Erasures = field(init=False)
    replication: Replication = field(init=False)
    hubs: Hubs = field(init=False)
    rights: Rights = field(init=False)
    coupons: Coupons = field(init=False)
    orders: Orders = field(init=False)
    point_holds: PointHolds = field(init=False)
    requests_told: frozenset[tuple[str, int]] = field(init=False)  # what everybody knows to be asked for
    pins: Pins = field(init=False)
    pseudonyms: Pseudonyms = field(init=False)

    def __post_init__(self) -> None:
        self.started_ms = self.now_ms()
        self.erasures = Erasures(self.config.data_dir)
        self.attachments = Attachments(self.db, self.config.devices, now_ms=self.now_ms, tell=self.tell)
        self.room = Room(self.db, self.config.database, self.config.disk, now_ms=self.now_ms, on_change=self.on_disk)
        mode = self.config.cloud.mode if self.config.cloud else "alone"
        self.replication = Replication(
            self.db,
            self.replica,
            mode=mode,
            currency=self.shop.currency,
            now_ms=self.now_ms,
            new_incarnation=self.new_incarnation,
            announce=self.on_sync,
            on_catalogue=self.on_catalogue,
            on_reborn=self.on_reborn,
            clock=self.clock,
        )
        self.replication.books.admit_rows = self.room.admit_rows
        self.hubs = Hubs(
            self.db,
            self.config,
            self.replication,
            self.tokens,
            own_urls=self.urls,
            own_ca=self.ca_fingerprint,
            on_change=self.on_hubs,
        )
        self.replication.books.on_members = partial(list_erased, self.db, self.erasures)
        self.clock.on_change = self.on_clock
        self.tokens.on_first_use = self.on_token_used
        self.pins = Pins(self.new_secret)
        self.pseudonyms = Pseudonyms(self.new_secret)
        rule = self.config.rights
        self.rights = Rights(self.db, self.shop, rule, own=lambda: self.replica, now_ms=self.now_ms)
        self.orders = Orders(
            self.db, self.config.orders, self.shop, own=lambda: self.replica, clock=self.clock, tell=self.tell
        )
        self.replication.on_contact = self.on_contact
        self.requests_told = open_versions(self.db.read, store=self.shop.store_id)
        self.replication.books.on_rows = self.on_rows
        self.coupons = Coupons(
            self.db,
            self.config.coupons,
            own=lambda: self.replica,
            is_up=lambda: self.replication.carries_at_once,
            is_alone=mode == "alone",
        )

        self.point_holds = PointHolds(
            self.db,
            self.shop.members.ask_timeout_s,
            own=lambda: self.replica,
            is_up=lambda: self.replication.carries_at_once,
            held=lambda: self.replication.books.holders.cloud.get(Stream.SALES, 0),
        )

    @property
    def shop(self) -> Shop:
        """The shop this hub serves."""
        return self.config.shop

    def ca_fingerprint(self) -> str:
        """Return the SHA-256 of the store's CA, 64 hex digits; "" where there is none."""
        return self.tls.authority.sha256 if self.tls and self.tls.authority else ""

    def urls(self) -> tuple[str, ...]:
        """Return where others reach this hub, the best address first: by TLS on the network, else on this machine only."""
        if self.tls is None:
            return (f"http://{bracketed(self.config.host)}:{self.port}",)
        addresses = self.tls.lan_addresses()
        best = outward_address(addresses)
        ordered = sorted(addresses, key=lambda each: each != best)
        return tuple(f"https://{bracketed(str(each))}:{self.port}" for each in ordered)

    @property
    def now(self) -> datetime:
        """What time it is, by the corrected clock."""
        return utc(self.now_ms())

    @property
    def today(self) -> str:
        """The trading day of now."""
        return business_date(self.now, self.shop.zone, cut_over_hour=self.shop.cut_over_hour)

    @property
    def shelf(self) -> Shelf:
        """This shop's shelf as it is looked at now."""
        config = self.config
        return Shelf(self.replica, self.shop.location, self.rights.rule, config.safety_stock, self.now_ms())

    def member_work(self, actor: str) -> Work:
        """Return what a job about members needs; the key is taken by a hub that has none."""
        return Work(
            actor,
            self.replica,
            self.shop.members,
            self.clock.stamp(),
            self.new_key(),
            self.now_ms(),
        )

    def spooler(self, printer_id: str) -> Spooler:
        """Return a printer's spooler; raise NotFoundError naming the printers there are."""
        try:
            return self.spoolers[printer_id]
        except KeyError:
            known = ", ".join(sorted(self.spoolers)) or "none"
            raise NotFoundError("printer", f"no printer {printer_id!r}; printers: {known}") from None

    def on_device_status(self, state: DeviceState) -> None:
        """Tell everybody how a device is."""
        self.metrics.devices.labels(state.device_id).set(state.health is Health.READY)
        if state.health is Health.OFFLINE:
            self.weights.pop(state.device_id, None)
        for tell in self.on_device:
            tell(state)
        data = {"health": state.health, "reason": state.reason, "detail": state.detail}
        self.bus.publish("device", data, now_ms=self.now_ms(), device=state.device_id)

    def tell(self, event_type: str, data: dict[str, Any]) -> None:
        """Tell everybody something. Any: JSON."""
        self.bus.publish(event_type, data, now_ms=self.now_ms())

    async def on_contact(self, cloud: str) -> None:
        """Do what is due while the cloud is in contact."""
        await self.rights.on_contact(cloud)
        await self.orders.on_contact()

    def on_rows(self) -> None:
        """Rows have come from elsewhere: tell of what they are about."""
        self.orders.heard()
        self.tell_requests()

    def tell_requests(self) -> None:
        """Tell everybody how many transfers head office asks for, where these are others than before."""
        now = open_versions(self.db.read, store=self.shop.store_id)
        if now != self.requests_told:
            self.requests_told = now
            self.tell("transfer_requests", {"open": len(now)})

    def on_sync(self, view: SyncView) -> None:
        """Tell everybody how the hub stands to the cloud, and what is safe."""
        self.bus.publish("sync", view, now_ms=self.now_ms())

    def on_hubs(self, hubs: HubList) -> None:
        """Tell everybody where the store's hubs are, and at which one to be."""
        self.bus.publish("hubs", hubs, now_ms=self.now_ms())

    def on_catalogue(self, changed: int) -> None:
        """Tell everybody that products or prices came down."""
        self.bus.publish("catalogue", {"changed": changed}, now_ms=self.now_ms())

    def on_reborn(self, reborn: Reborn) -> None:
        """Write as somebody else from now on, and tell everybody: tills send again what is not safe."""
        self.replica = reborn.replica
        self.clock.become(reborn.replica.rep)
        data = {
            "code": "new_life",
            "former": reborn.former.rep,
            "rep": reborn.replica.rep,
            "rewritten": reborn.rewritten,
        }
        self.bus.publish("alarm", data, now_ms=self.now_ms())

    def on_disk(self, view: DiskView) -> None:
        """Tell everybody that room is scarce, or there again."""
        self.bus.publish("disk", view, now_ms=self.now_ms())

    def on_clock(self) -> None:
        """Tell everybody that this hub has become sure, or unsure, of the time."""
        code = SURE if self.clock.is_sure else UNSURE
        self.bus.publish("alarm", {"code": code, "source": self.clock.view.source}, now_ms=self.now_ms())

    def on_token_used(self, client: Paired, token_hash: bytes) -> None:
        """Write down which token a client uses now; lost in a crash, the one before is good until this one is used again."""
        till_id, now_ms = client.till_id, self.now_ms()
        self.db.write_soon(lambda tx: tills.take_over(tx, till_id, token_hash, now_ms=now_ms), then=lambda _: None)

    def on_print(self, job: PrintJobView) -> None:
        """Tell everybody what became of a print job, after the commit."""
        self.metrics.count_print(job.printer_id, job.state)
        if job.sale_id is not None and job.state in ("printed", "failed", "unknown"):
            took_ms = job.changed_ms - job.created_ms
            said = {"sale": job.sale_id, "job": job.job_id, "printer": job.printer_id, "state": job.state}
            trail.say("receipt ended", **said, reason=job.reason, took_ms=took_ms)
        self.bus.publish("print", job, now_ms=job.changed_ms, device=job.printer_id)

    def standing(self, job: PrintJobView) -> PrintJobView:
        """Return a job of the ledger as it is: what is on paper is printed before the ledger says so."""
        spooler = self.spoolers.get(job.printer_id)
        return spooler.standing(job) if spooler else job

    def render(self, job: OpenJob, at_hand: Sold | None = None) -> Document:
        """Return what a job prints; after DRAWER_FRESH_MS in the queue, or at another printer, it opens no drawer."""
        document = self._content(job, at_hand)
        is_fresh = self.now_ms() - job.created_ms <= DRAWER_FRESH_MS
        return document if is_fresh and not job.is_moved else without_pulse(document)

    def _content(self, job: OpenJob, at_hand: Sold | None) -> Document:
        """Return a job's own document, or the receipt of its sale, which is read from the books where it is not at hand."""
        if job.document is not None:
            return marked(job.document, job.mark)
        assert job.sale_id is not None
        view, names, back = at_hand or sold(self.db.read, job.sale_id)[0]
        return receipt(self.shop, view.fact, names.get, receipt_code=view.receipt_code, mark=job.mark, back=back)

    def name_of(self, sku: str) -> Name | None:
        """Return a product's name."""
        return products.name_of(self.db.read, sku)
