"""The beacon driver through bleak, D-Bus and a bluetoothd of our own: what it hears and what it makes of it."""

import asyncio
import random
from typing import Any

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from devices import registry
from devices.drivers import _beacon_floor
from devices.drivers._beacon_floor import Floor, Watch, whose
from devices.drivers.ble_beacons import ZoneOptions, listed_of, rules_of
from devices.errors import OptionError
from devices.model import Dwell, Health, ZoneChange
from devices.testing.bluez import BURST_MAX, FakeBlueZ
from devices.testing.context import RecordingContext
from tests.devices.ble.conftest import (
    APPLE,
    BAND,
    BRAND,
    EDDYSTONE,
    NEEDS_BUS,
    WAIT_S,
    failure,
    ibeacon,
    listening,
    options,
    say,
    soon,
)

pytestmark = NEEDS_BUS


async def test_a_beacon_enters_leaves_and_its_stay_is_recorded(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))
        await ctx.wait_for(lambda: bool(ctx.readings))
    name = f"ibeacon:{BRAND}:1:1"
    assert ctx.events == [ZoneChange(name, "visitor", None, "entrance"), ZoneChange(name, "visitor", "entrance", None)]
    [dwell] = ctx.readings
    assert isinstance(dwell, Dwell)
    assert (dwell.zone, dwell.beacon, dwell.carrier, dwell.goes_on) == ("entrance", name, "visitor", False)
    assert dwell.lasted_ms >= 500 and dwell.ended_ago_ms >= 2000
    assert ctx.statuses[0].health is Health.READY


async def test_every_kind_of_beacon_is_heard_and_weak_ones_are_somewhere_else(
    bluez: FakeBlueZ, ctx: RecordingContext
) -> None:
    weak = {0x118: b"\xbe\xac" + b"\x12" * 20 + b"\xc5\x00"}
    things = (
        "altbeacon:" + "11" * 20,
        "altbeacon:" + "12" * 20,
        "eddystone:" + "22" * 10,
        "eddystone-url:https://a.hk",
    )
    given = options(visitors=(), things=things)
    async with listening(bluez, ctx, given):
        sent: list[dict[str, Any]] = [
            {"address": "C0:00:00:00:00:02", "manufacturer": {0x118: b"\xbe\xac" + b"\x11" * 20 + b"\xc5\x00"}},
            {
                "address": "C0:00:00:00:00:03",
                "service": {EDDYSTONE: b"\x00\xee" + b"\x22" * 10 + b"\x33" * 6 + b"\x00\x00"},
            },
            {"address": "C0:00:00:00:00:04", "service": {EDDYSTONE: b"\x10\xee\x03a.hk"}},
            {"address": "C0:00:00:00:00:05", "service": {EDDYSTONE: b"\x30\xee" + b"\x44" * 8}},
            {"address": "C0:00:00:00:00:06", "service": {EDDYSTONE: b"\x10\xee\x03"}},
        ]
        async with asyncio.timeout(WAIT_S):
            while len(ctx.events) < 3:
                for advertisement in sent:
                    bluez.advertise(rssi=-50, **advertisement)
                bluez.advertise("C0:00:00:00:00:07", manufacturer=weak, rssi=-99)
                await asyncio.sleep(0.1)
        await ctx.wait_for(lambda: ctx.counters["refused_truncated"] == 1)
    assert {event.beacon for event in ctx.events if isinstance(event, ZoneChange)} == {
        "altbeacon:" + "11" * 20,
        "eddystone:" + "22" * 10 + ":" + "33" * 6,
        "eddystone-url:https://a.hk",
    }
    assert all(event.carrier == "thing" for event in ctx.events if isinstance(event, ZoneChange))


async def test_staff_fixed_and_unlisted_beacons_are_nowhere(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    # who is forgotten meanwhile, on a busy machine, is counted again
    given = options(staff=(f"ibeacon:{BRAND}:7",), fixed=(f"ibeacon:{BRAND}:1:9",), gone_s=600)
    async with listening(bluez, ctx, given):
        for address, manufacturer in (
            ("2", ibeacon(7, 1)),
            ("3", ibeacon(1, 9)),
            ("4", {APPLE: b"\x10\x05" + b"\0" * 5}),
        ):
            bluez.advertise(f"C0:00:00:00:00:0{address}", manufacturer=manufacturer, rssi=-40)
        bluez.advertise("C0:00:00:00:00:08", service={EDDYSTONE: b"\x00\xee" + b"\x55" * 16}, rssi=-40)
        await say(bluez, lambda: bool(ctx.events))
        others = [(7, 1), (1, 9)] * 8
        for n, (major, minor) in enumerate(others):
            bluez.advertise(f"C0:00:00:00:00:0{2 + n % 2}", manufacturer=ibeacon(major, minor), rssi=-40)
            await asyncio.sleep(0.1)
    assert {event.beacon for event in ctx.events if isinstance(event, ZoneChange)} == {f"ibeacon:{BRAND}:1:1"}
    assert [ctx.counters[f"beacons_{who}"] for who in ("staff", "fixed", "unlisted", "visitor")] == [1, 1, 1, 1]


async def test_a_radio_that_follows_nobody_says_what_it_hears(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    async with listening(bluez, ctx, options(visitors=())):
        bluez.advertise(BAND, manufacturer=ibeacon(1, 1))
        await ctx.wait_for(lambda: ctx.last_status is not None and str(BRAND) in ctx.last_status.detail)
    assert ctx.last_status is not None
    assert (ctx.last_status.reason, ctx.last_status.health) == ("nobody_listed", Health.READY)
    assert ":1" not in ctx.last_status.detail, "whose it is, is nobody's business"


async def test_what_the_hub_could_not_write_is_handed_in_again_as_it_was(
    bluez: FakeBlueZ, ctx: RecordingContext
) -> None:
    ctx.refuses_readings = True
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))
        await ctx.wait_for(lambda: bool(ctx.refused) and ctx.last_status is not None and not ctx.readings)
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "not_recorded")
        ctx.refuses_readings = False
        await ctx.wait_for(lambda: bool(ctx.readings))
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.health is Health.READY)
    [refused], [dwell] = ctx.refused[0], ctx.readings
    assert isinstance(refused, Dwell) and isinstance(dwell, Dwell)
    assert (refused.dwell_id, refused.lasted_ms) == (dwell.dwell_id, dwell.lasted_ms)
    assert dwell.ended_ago_ms > refused.ended_ago_ms


async def test_a_hub_that_stops_records_who_is_still_there(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    async with listening(bluez, ctx, options()):
        await say(bluez, lambda: bool(ctx.events))
    assert [dwell.zone for dwell in ctx.readings if isinstance(dwell, Dwell)] == ["entrance"]
    assert not bluez.adapters["hci0"].is_discovering


async def test_two_adapters_tell_two_places_apart(bus: str, ctx: RecordingContext) -> None:
    zones = {"entrance": ZoneOptions(receiver="hci0"), "desk": ZoneOptions(receiver="hci1")}
    given = options(zones=zones, adapters=("hci0", "hci1"))
    async with FakeBlueZ(bus, ("hci0", "hci1")) as bluez, listening(bluez, ctx, given), asyncio.timeout(WAIT_S):
        while not ctx.events:
            bluez.advertise(BAND, manufacturer=ibeacon(1, 1), rssi=-70, adapter="hci0")
            bluez.advertise(BAND, manufacturer=ibeacon(1, 1), rssi=-50, adapter="hci1")
            await asyncio.sleep(0.1)
    assert [event.entered for event in ctx.events if isinstance(event, ZoneChange)] == ["desk"]


async def test_passive_scanning_registers_a_monitor(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    async with listening(bluez, ctx, options(scanning="passive")):
        await say(bluez, lambda: bool(ctx.events))
        assert len(bluez.adapters["hci0"].monitors) == 1
    assert bluez.calls["StartDiscovery"] == 0
    await soon(lambda: not bluez.adapters["hci0"].monitors)
    bluez.refuse("RegisterMonitor", "org.freedesktop.DBus.Error.UnknownMethod")
    assert await failure(ctx, scanning="passive") == "passive_unsupported"


async def test_any_bytes_in_the_air_leave_the_driver_standing(bluez: FakeBlueZ, ctx: RecordingContext) -> None:
    rng = random.Random(7)
    async with listening(bluez, ctx, options()) as task:
        for n in range(600):
            head = rng.choice((b"", b"\x02\x15", b"\xbe\xac", b"\x00", b"\x10", b"\x20\x00", b"\x30"))
            payload = head + rng.randbytes(rng.randrange(40))
            part: dict[str, Any] = {"manufacturer": {rng.choice((APPLE, rng.randrange(65536))): payload}}
            if n % 2:
                part = {"service": {rng.choice((EDDYSTONE, "180f", "")): payload}}
            bluez.advertise(f"C0:00:00:00:{n % 256:02X}:01", rssi=rng.randrange(-128, 21), **part)
            if n % BURST_MAX == 0:
                await bluez.settle()
        await say(bluez, lambda: bool(ctx.events))
        assert not task.done()
    assert ctx.counters["adverts"] >= 600
    refused = ("truncated", "bad_url", "unknown_frame", "unknown_version")
    assert sum(ctx.counters[f"refused_{why}"] for why in refused) > 20


async def test_only_the_latest_of_each_address_waits_and_addresses_are_bounded(
    bluez: FakeBlueZ, ctx: RecordingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback alone, as fast as it goes: nothing but a bounded number of advertisements is kept."""
    monkeypatch.setattr(_beacon_floor, "ADDRESSES_MAX", 50)
    floor = Floor(ctx, rules_of(options()), listed_of(options()))
    watch = Watch(0)
    for n in range(2000):
        heard = AdvertisementData(None, ibeacon(1, n % 100), {}, [], None, -50, ())
        floor.hear("hci0", watch, BLEDevice(f"{n % 100:012X}", None, None), heard)
        floor.hear("hci0", watch, BLEDevice(f"{n % 100:012X}", None, None), heard)
    assert len(floor._unread) == 50
    await floor.work()
    assert len(floor._senders) == 50
    assert [ctx.counters[f"adverts{what}"] for what in ("", "_replaced", "_dropped")] == [4000, 2000, 1950]


@pytest.mark.parametrize(
    ("beacon", "expected"),
    [
        (f"ibeacon:{BRAND}:1:1", "visitor"),
        (f"ibeacon:{BRAND}:7:1", "staff"),
        (f"ibeacon:{BRAND}:7:3", "thing"),
        (f"ibeacon:{BRAND}:77:3", "visitor"),
        ("ibeacon:other:1:1", None),
    ],
)
def test_the_longest_pattern_says_whose_it_is(beacon: str, expected: str | None) -> None:
    patterns = {f"ibeacon:{BRAND}": "visitor", f"ibeacon:{BRAND}:7": "staff", f"ibeacon:{BRAND}:7:3": "thing"}
    assert whose(patterns, beacon) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "option 'zones' is missing"),
        ({"zones": {}}, "zones: there is none"),
        ({"zones": {"a": {"enter_dbm": -70, "leave_dbm": -60}}}, "leave_dbm -60 is above enter_dbm"),
        ({"zones": {"a": {"receiver": "hci1"}}}, "receiver 'hci1' is none of adapters: hci0"),
        ({"zones": {"a": {}}, "adapter": ["hci1"]}, "unknown option 'adapter'.*did you mean 'adapters'"),
        ({"zones": {"a": {}}, "visitors": ["C0:00:00:00:00:01"]}, "begins with none of ibeacon:, altbeacon:"),
        ({"zones": {"a": {}}, "visitors": ["ibeacon:A"], "staff": ["ibeacon:a"]}, "'ibeacon:a' is listed twice"),
        ({"zones": {"a": {}}, "adapters": ["usb0"]}, "adapters"),
        ({"zones": {"a": {}}, "enter_s": 0}, "enter_s"),
    ],
)
def test_a_wrong_section_stops_the_start_with_its_remedy(section: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=f"radio: .*{words}"):
        registry.options_for("ble_beacons", section, device_id="radio")
