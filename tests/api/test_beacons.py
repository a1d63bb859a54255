"""A wristband through the hub's own wiring: bluetoothd's part, bleak, the driver, the books, the figures. No log names it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from devices.testing.beacons import ibeacon
from devices.testing.bluez import FakeBlueZ
from devices.testing.private_bus import has_dbus_daemon, private_bus

BRAND = UUID("5b8e2d7a-91c4-4f0e-a3d6-127c9e50f4b8")
RADIO = {
    "kind": "ble_beacons",
    "visitors": [f"ibeacon:{BRAND}"],
    "zones": {"entrance": {"enter_dbm": -70}},
    "enter_s": 0.5,
    "gone_s": 2,
}


@pytest.fixture
async def bluez(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBlueZ]:
    """On the air until the hub has stopped: a test names it before the hub."""
    if not has_dbus_daemon():
        pytest.skip("dbus-daemon is not installed")
    async with private_bus() as address, FakeBlueZ(address) as service:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield service


async def test_a_wristband_in_the_air_is_a_visitor_in_the_figures(
    bluez: FakeBlueZ,
    start_hub: Callable[..., Awaitable[Any]],
    pair_till: Callable[..., Awaitable[Any]],
    until: Callable[..., Awaitable[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    hub = await start_hub(devices={"radio": RADIO})
    manager = await pair_till(hub, scope="manager")
    await until(lambda: manager.get("/v1/devices"), lambda answer: answer.json["items"][0]["health"] == "ready")

    async def counters() -> Any:
        bluez.advertise("C0:00:00:00:00:01", manufacturer=ibeacon(BRAND, 1, 1), rssi=-50)
        return (await manager.get("/v1/devices")).json["items"][0]["counters"]

    async with manager.events() as ws:
        await until(counters, lambda counted: "zone_changes" in counted)
        told: list[dict[str, Any]] = []
        while not told or told[-1]["type"] != "zone":
            told.append(await ws.receive_json())
    found = await until(lambda: manager.get("/v1/insights/dwells"), lambda answer: answer.json["zones"])
    [zone] = found.json["zones"]
    assert (zone["zone"], zone["visits"], zone["visitors"]) == ("entrance", 1, 1)
    assert told[-1]["data"]["entered"] == "entrance"
    assert str(BRAND) not in caplog.text and str(BRAND).replace("-", "") not in caplog.text
    assert str(BRAND) not in str(told)
