"""What radios hear of beacons, for a driver: read, placed in zones, handed on. No log and no status holds a beacon's name.

    callback   keeps the latest advertisement of each address, and wakes the driver
    work       reads what is new, asks devices.zones, emits what moved, records stays

Not here: adapters (devices.drivers._ble_radio), options and health of adapters (devices.drivers.ble_beacons).
"""

import asyncio
import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from devices.codecs.beacons import Frame, Named, parse_manufacturer_data, parse_service_data
from devices.driver import DeviceContext
from devices.errors import BeaconError, NotRecordedError
from devices.model import Carrier, Dwell, Health, StatusUpdate, ZoneChange
from devices.zones import Moved, Rules, Stay, Told, Zones, levelled

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

DRAIN_S = 0.25  # what comes within it is read at once: of one address only the latest
TICK_S = 1.0  # how soon after `gone_s` a silent beacon is told
ADDRESSES_MAX = (
    4096  # senders remembered, and such with an unread advertisement; the one heard longest ago is forgotten
)
DWELLS_MAX = 4096  # stays that wait for a hub that cannot write; the oldest is dropped, and counted
DWELLS_BATCH_MAX = 256
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 30.0
CLOSE_TIMEOUT_S = 2.0  # one commit; who stops a hub does not wait longer for visitors
NOT_HEARD_DBM = -127
SHOWN_MAX = 4  # families of beacons that a radio names that follows nobody
Listed = Carrier | Literal["staff", "fixed"]
_FOLLOWED: frozenset[Listed] = frozenset({"visitor", "thing"})


class Watch:
    """Whether an adapter hears anything."""

    def __init__(self, now_ms: int) -> None:
        self.heard_ms = now_ms
        self.has_heard = self.is_silent = False
        self.limit_ms = 0.0


class Sender(Struct, frozen=True):
    """What an address has sent, read: it sends the same again and again."""

    manufacturer: dict[int, bytes]
    service: dict[str, bytes]
    beacon: str | None
    power_dbm: int
    listed: Listed | None


class Floor:
    """What is heard, where everybody is, and what the hub has not taken yet. No log holds a beacon's name."""

    def __init__(self, ctx: DeviceContext, rules: Rules, listed: Mapping[str, Listed]) -> None:
        self._ctx = ctx
        self._zones = Zones(rules)
        self._listed = listed
        self._is_following = not _FOLLOWED.isdisjoint(listed.values())
        self._unread: dict[tuple[str, str], tuple[AdvertisementData, int]] = {}
        self._senders: OrderedDict[str, Sender] = OrderedDict()
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

    def hear(self, receiver: str, watch: Watch, device: "BLEDevice", advertisement: "AdvertisementData") -> None:
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
        if sender.beacon is None or sender.listed not in _FOLLOWED:
            return []
        return self._zones.hear(sender.beacon, receiver, levelled(advertisement.rssi, sender.power_dbm), at_ms)

    def _sender(self, manufacturer: dict[int, bytes], service: dict[str, bytes]) -> Sender:
        for frame in self._frames(manufacturer, service):
            if isinstance(frame, Named):
                beacon = frame.identity
                listed = whose(self._listed, beacon)
                self._counts[f"beacons_{listed or 'unlisted'}"] += 1
                if len(self._families) < SHOWN_MAX:
                    self._families[":".join(beacon.split(":")[:2])] = None
                return Sender(manufacturer, service, beacon, frame.power_dbm, listed)
        return Sender(manufacturer, service, None, 0, None)

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
