"""Beacons that move through the shop, heard by the hub's own Bluetooth adapters, category Beacon. docs/beacons.md.

Protocol documents: those of devices.codecs.beacons; BlueZ over D-Bus, by bleak. Whom it follows is listed: wristbands lent to
visitors, trolleys. Everybody else's is counted and forgotten at once. What is heard goes to devices.drivers._beacon_floor.
"""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from devices.driver import DeviceContext, Driver, DriverOptions
from devices.drivers._beacon_floor import Floor, Listed, Watch
from devices.errors import WireError
from devices.zones import Rules, Zone

if TYPE_CHECKING:
    from devices.drivers._ble_radio import Radio

CHECK_S = 5.0  # how soon an adapter that was unplugged or switched off is noticed
SILENCE_MAX_S = 3600.0  # an adapter that stays silent is switched off and on less and less often, down to this
KINDS = ("ibeacon", "altbeacon", "eddystone", "eddystone-url")

Pattern = Annotated[str, Meta(min_length=1, max_length=200)]
Dbm = Annotated[int, Meta(ge=-110, le=-20)]


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

    floor = Floor(ctx, rules_of(options), listed_of(options))
    async with system_bus() as bus, AsyncExitStack() as stack:
        watches = []
        for name in options.adapters:
            watch = Watch(floor.now_ms())
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
    uncaptured="an advertisement names the beacon that somebody wears, and those of strangers who passed by",
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


async def _look_after(options: Options, radio: "Radio", watch: Watch, *, now_ms: int) -> None:
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
