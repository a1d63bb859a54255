"""Beacons that move through the shop, heard by the hub's own Bluetooth adapters, category Beacon. docs/beacons.md.

Protocol documents: those of devices.codecs.beacons; BlueZ over D-Bus, by bleak. Whom it follows is listed: wristbands lent to
visitors, trolleys. Everybody else's is counted and forgotten at once.

    callback   keeps the latest advertisement of each address, and wakes the driver
    driver     reads what is new, asks devices.zones, emits what moved, records stays; looks after the adapters
"""

import asyncio
import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from devices.codecs.beacons import Frame, Named, parse_manufacturer_data, parse_service_data
from devices.driver import DeviceContext, Driver, DriverOptions
from devices.errors import BeaconError, NotRecordedError, WireError
from devices.model import Carrier, Dwell, Health, StatusUpdate, ZoneChange
from devices.zones import Moved, Rules, Stay, Told, Zone, Zones, levelled

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from devices.drivers._ble_radio import Radio

DRAIN_S = 0.25  # what comes within it is read at once: of one address only the latest
TICK_S = 1.0  # how soon after `gone_s` a silent beacon is told
CHECK_S = 5.0  # how soon an adapter that was unplugged or switched off is noticed
ADDRESSES_MAX = (
    4096  # senders remembered, and such with an unread advertisement; the one heard longest ago is forgotten
)
DWELLS_MAX = 4096  # stays that wait for a hub that cannot write; the oldest is dropped, and counted
DWELLS_BATCH_MAX = 256
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 30.0
SILENCE_MAX_S = 3600.0  # an adapter that stays silent is switched off and on less and less often, down to this
CLOSE_TIMEOUT_S = 2.0  # one commit; who stops a hub does not wait longer for visitors
NOT_HEARD_DBM = -127
KINDS = ("ibeacon", "altbeacon", "eddystone", "eddystone-url")
SHOWN_MAX = 4

Pattern = Annotated[str, Meta(min_length=1, max_length=200)]
Dbm = Annotated[int, Meta(ge=-110, le=-20)]
Listed = Carrier | Literal["staff", "fixed"]


class ZoneOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What is near an adapter: a beacon is in at `enter_dbm`, and out below `leave_dbm` (8 dB less if it is not given)."""

    enter_dbm: Dbm = -75
    leave_dbm: Dbm | None = None
    receiver: str = ""


class Options(DriverOptions, frozen=True):
    """Patterns are beginnings of identities, the longest one decides. `silence_s` 0: an adapter is never taken for stuck."""

    zones: dict[Annotated[str, Meta(min_length=1, max_length=64)], ZoneOptions]
    adapters: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^hci[0-9]{1,2}\Z")], ...], Meta(min_length=1, max_length=8)
    ] = ("hci0",)
    visitors: tuple[Pattern, ...] = ()
    things: tuple[Pattern, ...] = ()
    staff: tuple[Pattern, ...] = ()
    fixed: tuple[Pattern, ...] = ()
    enter_s: Annotated[float, Meta(ge=0.5, le=300)] = 3
    leave_s: Annotated[float, Meta(ge=0.5, le=300)] = 10
    gone_s: Annotated[float, Meta(ge=2, le=600)] = 30
    cut_s: Annotated[float, Meta(ge=60, le=3600)] = 900
    silence_s: Annotated[float, Meta(ge=0, le=3600)] = 120
    power_cycles: bool = True
    scanning: Literal["active", "passive"] = "active"

    def __post_init__(self) -> None:
        rules_of(self)
        listed_of(self)


def rules_of(options: Options) -> Rules:
    """Return the rules of devices.zones; raise ValueError with the remedy."""
    zones = []
    for name, zone in options.zones.items():
        leave_dbm = zone.enter_dbm - 8 if zone.leave_dbm is None else zone.leave_dbm
        receiver = zone.receiver or options.adapters[0]
        if leave_dbm > zone.enter_dbm:
            raise ValueError(
                f"zones.{name}: leave_dbm {leave_dbm} is above enter_dbm; a beacon would come and go at once"
            )
        if receiver not in options.adapters:
            raise ValueError(f"zones.{name}: receiver {receiver!r} is none of adapters: {', '.join(options.adapters)}")
        zones.append(Zone(name, receiver, zone.enter_dbm, leave_dbm))
    if not zones:
        raise ValueError("zones: there is none; write a section [devices.NAME.zones.entrance]")
    times = (options.enter_s, options.leave_s, options.gone_s, options.cut_s)
    return Rules(tuple(zones), *(round(1000 * time_s) for time_s in times))


def listed_of(options: Options) -> dict[str, Listed]:
    """Return whose the beacons of each pattern are; raise ValueError with the remedy."""
    found: dict[str, Listed] = {}
    lists: tuple[tuple[Listed, tuple[str, ...]], ...] = (
        ("visitor", options.visitors),
        ("thing", options.things),
        ("staff", options.staff),
        ("fixed", options.fixed),
    )
    for whose, patterns in lists:
        for pattern in patterns:
            kind, _, rest = pattern.partition(":")
            if kind not in KINDS or not rest:
                raise ValueError(f"pattern {pattern!r} begins with none of {', '.join(f'{kind}:' for kind in KINDS)}")
            key = pattern if kind == "eddystone-url" else pattern.lower()
            if found.setdefault(key, whose) != whose:
                raise ValueError(f"pattern {pattern!r} is listed twice; whose is it?")
    return found


async def run(ctx: DeviceContext, options: Options) -> None:
    """Listen until an adapter goes away for good; raise WireError then. What has ended by then is recorded."""
    await _load_bleak()
    from devices.drivers._ble_radio import Radio, system_bus  # here: a hub without beacons has no use for bleak

    floor = _Floor(ctx, options)
    async with system_bus() as bus, AsyncExitStack() as stack:
        watches = []
        for name in options.adapters:
            watch = _Watch(floor.now_ms())
            radio = Radio(ctx, bus, name, partial(floor.hear, name, watch), scanning=options.scanning)
            stack.push_async_callback(radio.stop)
            await radio.start()
            watches.append((radio, watch))
        checked_ms = floor.now_ms()
        try:
            while True:
                ctx.heartbeat()
                await floor.work()
                if floor.now_ms() - checked_ms >= 1000 * CHECK_S:
                    checked_ms = floor.now_ms()
                    for radio, watch in watches:
                        await _look_after(options, radio, watch, now_ms=checked_ms)
                floor.report([radio.name for radio, watch in watches if watch.is_silent])
                await floor.wait()
        finally:
            await floor.close()


DRIVER = Driver(
    category="Beacon",
    summary="beacons (iBeacon, Eddystone, AltBeacon) heard by the hub's Bluetooth adapters: zones and dwell",
    document="iBeacon R1; Eddystone; AltBeacon 1.0; BlueZ 5.66 D-Bus API",
    options=Options,
    run=run,
)


class NoBleakError(WireError):
    """The library is missing; nothing was opened. It helps to install it and start the hub again."""

    reason = "no_bleak"


async def _load_bleak() -> None:
    """Import bleak in a thread: a tenth of a second, and on a Pi some more, is too long for tills to wait."""
    try:
        await asyncio.to_thread(import_module, "devices.drivers._ble_radio")
    except ModuleNotFoundError as err:
        raise NoBleakError(f"{err.name} is not installed: pip install 'store-hub[ble]', then restart the hub") from err


class _Watch:
    """Whether an adapter hears anything."""

    def __init__(self, now_ms: int) -> None:
        self.heard_ms = now_ms
        self.has_heard = self.is_silent = False
        self.limit_ms = 0.0


async def _look_after(options: Options, radio: "Radio", watch: _Watch, *, now_ms: int) -> None:
    """Switch an adapter off and on that has heard something and hears nothing any more; raise WireError when it is away."""
    await radio.check()
    silent_ms = now_ms - watch.heard_ms
    if not options.silence_s or not watch.has_heard or silent_ms < 1000 * options.silence_s:
        watch.is_silent, watch.limit_ms = False, 1000 * options.silence_s
        return
    watch.is_silent = True
    if options.power_cycles and silent_ms >= watch.limit_ms:
        watch.limit_ms = silent_ms + min(silent_ms, 1000 * SILENCE_MAX_S)
        await radio.restart()


class _Sender(Struct, frozen=True):
    """What an address has sent, read: it sends the same again and again."""

    manufacturer: dict[int, bytes]
    service: dict[str, bytes]
    beacon: str | None
    power_dbm: int
    listed: Listed | None


class _Floor:
    """What is heard, where everybody is, and what the hub has not taken yet. No log holds a beacon's name."""

    def __init__(self, ctx: DeviceContext, options: Options) -> None:
        self._ctx = ctx
        self._zones = Zones(rules_of(options))
        self._listed = listed_of(options)
        self._is_following = bool(options.visitors or options.things)
        self._unread: dict[tuple[str, str], tuple[AdvertisementData, int]] = {}
        self._senders: OrderedDict[str, _Sender] = OrderedDict()
        self._families: dict[str, None] = {}
        self._dwells: deque[tuple[str, Stay]] = deque()
        self._counts: Counter[str] = Counter()
        self._life, self._n = secrets.token_hex(8), 0  # a dwell's id differs from those of the driver's earlier runs
        self._retry_s, self._retry_ms = RETRY_FIRST_S, 0
        self._is_refused = False
        self._heard = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def now_ms(self) -> int:
        """Return the time since some moment; it never runs back."""
        return int(self._loop.time() * 1000)

    def hear(self, receiver: str, watch: _Watch, device: "BLEDevice", advertisement: "AdvertisementData") -> None:
        """bleak's callback: keep the latest of each address."""
        now_ms = self.now_ms()
        watch.heard_ms, watch.has_heard = now_ms, True
        self._counts["adverts"] += 1
        if advertisement.rssi <= NOT_HEARD_DBM:
            return
        key = (receiver, device.address)
        if self._unread.pop(key, None) is not None:
            self._counts["adverts_replaced"] += 1
        elif len(self._unread) >= ADDRESSES_MAX:
            del self._unread[next(iter(self._unread))]
            self._counts["adverts_dropped"] += 1
        self._unread[key] = (advertisement, now_ms)
        if not self._heard.is_set():
            self._heard.set()

    async def wait(self) -> None:
        """Return when there is something to do, and not at once, so that it is worth it."""
        try:
            async with asyncio.timeout(TICK_S):
                await self._heard.wait()
        except TimeoutError:
            return
        self._heard.clear()
        await asyncio.sleep(DRAIN_S)

    async def work(self) -> None:
        """Read what was heard; hand on who moved, and what they stayed."""
        unread, self._unread = self._unread, {}
        moved = []
        for (receiver, address), (advertisement, at_ms) in unread.items():
            moved += self._keep(self._read(receiver, address, advertisement, at_ms))
        moved += self._keep(self._zones.tick(self.now_ms()))
        for what, amount in self._counts.items():
            self._ctx.count(what, amount)
        self._counts.clear()
        for each in moved:
            self._ctx.count("zone_changes")
            await self._ctx.emit(each)
        await self._record()

    async def close(self) -> None:
        """Nobody is heard any more: record what they stayed, if the hub takes it at once."""
        self._keep(self._zones.close())
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                while self._dwells:
                    await self._hand_in()
        except (NotRecordedError, TimeoutError):
            self._ctx.count("dwells_dropped", len(self._dwells))

    def report(self, silent: Sequence[str]) -> None:
        """Say how it is; the supervisor swallows repeats."""
        if self._is_refused:
            update = StatusUpdate(
                Health.DEGRADED, "not_recorded", f"{len(self._dwells)} stays wait for the hub to write"
            )
        elif silent:
            what = f"{', '.join(silent)} heard beacons before and hears nothing: if some are near, unplug it, or reboot"
            update = StatusUpdate(Health.DEGRADED, "adapter_silent", what)
        elif not self._is_following:
            heard = ", ".join(self._families) or "no beacon yet"
            update = StatusUpdate(
                Health.READY, "nobody_listed", f"list whom to follow in visitors or things; heard: {heard}"
            )
        else:
            update = StatusUpdate(Health.READY)
        self._ctx.status(update)

    def _read(self, receiver: str, address: str, advertisement: "AdvertisementData", at_ms: int) -> list[Told]:
        sender = self._senders.get(address)
        manufacturer, service = advertisement.manufacturer_data, advertisement.service_data
        if sender is None or sender.manufacturer != manufacturer or sender.service != service:
            sender = self._senders[address] = self._sender(manufacturer, service)
            if len(self._senders) > ADDRESSES_MAX:
                self._senders.popitem(last=False)
        self._senders.move_to_end(address)
        if sender.beacon is None or sender.listed not in ("visitor", "thing"):
            return []
        return self._zones.hear(sender.beacon, receiver, levelled(advertisement.rssi, sender.power_dbm), at_ms)

    def _sender(self, manufacturer: dict[int, bytes], service: dict[str, bytes]) -> _Sender:
        for frame in self._frames(manufacturer, service):
            if isinstance(frame, Named):
                beacon = frame.identity
                listed = whose(self._listed, beacon)
                self._counts[f"beacons_{listed or 'unlisted'}"] += 1
                if len(self._families) < SHOWN_MAX:
                    self._families[":".join(beacon.split(":")[:2])] = None
                return _Sender(manufacturer, service, beacon, frame.power_dbm, listed)
        return _Sender(manufacturer, service, None, 0, None)

    def _frames(self, manufacturer: dict[int, bytes], service: dict[str, bytes]) -> Iterator[Frame]:
        parts: list[Callable[[], Frame]] = [partial(parse_manufacturer_data, *part) for part in manufacturer.items()]
        parts += [partial(parse_service_data, *part) for part in service.items()]
        for parse in parts:
            try:
                yield parse()
            except BeaconError as err:
                if err.reason != "not_a_beacon":
                    self._counts[f"refused_{err.reason}"] += 1

    def _keep(self, told: list[Told]) -> list[ZoneChange]:
        """Queue the stays; return who moved."""
        moved = []
        for each in told:
            if isinstance(each, Moved):
                moved.append(ZoneChange(each.beacon, self._carrier(each.beacon), each.left, each.entered))
                continue
            if len(self._dwells) >= DWELLS_MAX:
                self._dwells.popleft()
                self._counts["dwells_dropped"] += 1
            self._n += 1
            self._dwells.append((f"{self._life}-{self._n}", each))
        return moved

    async def _record(self) -> None:
        """Hand stays in, the oldest first; what the hub refuses waits for a while."""
        try:
            while self._dwells and self.now_ms() >= self._retry_ms:
                await self._hand_in()
        except NotRecordedError:
            self._ctx.count("not_recorded")
            self._is_refused = True
            self._retry_ms = self.now_ms() + int(1000 * self._retry_s)
            self._retry_s = min(RETRY_MAX_S, 2 * self._retry_s)

    async def _hand_in(self) -> None:
        batch = [self._dwells[n] for n in range(min(DWELLS_BATCH_MAX, len(self._dwells)))]
        now_ms = self.now_ms()
        await self._ctx.record([self._dwell(dwell_id, stay, now_ms) for dwell_id, stay in batch])
        for _ in batch:
            self._dwells.popleft()
        self._ctx.count("dwells", len(batch))
        self._is_refused, self._retry_s = False, RETRY_FIRST_S

    def _dwell(self, dwell_id: str, stay: Stay, now_ms: int) -> Dwell:
        return Dwell(
            dwell_id=dwell_id,
            zone=stay.zone,
            beacon=stay.beacon,
            carrier=self._carrier(stay.beacon),
            lasted_ms=stay.ended_ms - stay.begun_ms,
            ended_ago_ms=now_ms - stay.ended_ms,
            goes_on=stay.goes_on,
        )

    def _carrier(self, beacon: str) -> Carrier:
        return "thing" if whose(self._listed, beacon) == "thing" else "visitor"


def whose(listed: Mapping[str, Listed], beacon: str) -> Listed | None:
    """Return whose a beacon is, by the longest pattern that is the beginning of its identity, part by part."""
    while beacon not in listed:
        beacon, colon, _ = beacon.rpartition(":")
        if not colon:
            return None
    return listed[beacon]
