"""A broker that is stopped loses nothing that it acknowledged; one that is killed at most what its last save did not have.

Each with the real broker in a process of its own: mosquitto, and a hub with the embedded one. The publisher is the tests' own.
"""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from hub.client import HubClient

COUNT = "store/hk01/counter/door/count"
AT = 1_790_000_000_000
WAIT_S = 60.0
CONFIG = """
[store]
id = "hk01"
name_zh_hant = "店"
name_en = "Shop"
currency = "HKD"
[api]
port = {port}
[mqtt]
port = {mqtt}
username = "hub"
password = "hub-secret"
[devices.doors]
kind = "mqtt_counter"
store = "hk01"
address = "127.0.0.1:{mqtt}"
username = "hub"
password = "hub-secret"
"""


def delta(number: int) -> bytes:
    return b'{"in_delta":1,"id":%d,"boot":"b"}' % number


def total(number: int) -> bytes:
    return b'{"in":%d,"out":0,"at":%d}' % (number, AT + number)


@pytest.mark.usefixtures("mosquitto_installed")
async def test_a_stopped_mosquitto_brings_everything_that_it_acknowledged(
    hub_side: Any, mosquitto: Any, connect_to: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    broker = mosquitto(free_port(), tmp_path)
    await broker.start()
    async with hub_side.driver(broker.port):  # its session is known from here on
        await hub_side.ready()
    sensor = await connect_to(broker.port)
    for number in range(500):
        await sensor.publish(COUNT, delta(number))
    await broker.stop()
    await broker.start()
    async with hub_side.driver(broker.port):
        await hub_side.wait_for(lambda: hub_side.sums() == {"door": (500, 0)})
    await broker.stop()


@pytest.mark.usefixtures("mosquitto_installed")
async def test_a_killed_mosquitto_loses_what_came_after_its_last_save_and_running_totals_heal_it(
    hub_side: Any, mosquitto: Any, connect_to: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    broker = mosquitto(free_port(), tmp_path, extra="autosave_interval 1\n")
    await broker.start()
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect_to(broker.port)
        await sensor.publish(COUNT, total(0))
        await hub_side.wait_for(lambda: len(hub_side.taken) == 1)
    for number in range(100):
        await sensor.publish("store/hk01/counter/door/deltas/count", delta(number))
    await saved(tmp_path / "mosquitto.db")
    for number in range(100, 120):  # within the second that may be lost
        await sensor.publish("store/hk01/counter/door/deltas/count", delta(number))
    await sensor.publish(COUNT, total(40))
    await broker.kill()
    await broker.start()
    async with hub_side.driver(broker.port):
        await hub_side.ready()
        sensor = await connect_to(broker.port, client_id="again")
        await sensor.publish(COUNT, total(41))
        await hub_side.wait_for(lambda: hub_side.taken[-1].in_total == 41)
    sums = hub_side.sums()
    assert sums["door"] == (41, 0), "the next total has all of them"
    assert 100 <= sums["door/deltas"][0] <= 120, "what was saved is there"
    await broker.stop()


async def saved(file: Path) -> None:
    """Return when mosquitto has saved once more: what was acknowledged before the call is in it, mosquitto has one thread."""

    def stamp() -> int:
        return file.stat().st_mtime_ns if file.exists() else 0

    before = stamp()
    async with asyncio.timeout(WAIT_S):
        while stamp() == before:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


@asynccontextmanager
async def hub_process(folder: Path, port: int, mqtt: int) -> AsyncIterator[asyncio.subprocess.Process]:
    config = folder / "hub.toml"
    config.write_text(CONFIG.format(port=port, mqtt=mqtt), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "run", "--config", str(config)), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_stopped_hub_has_counted_everything_that_its_own_broker_acknowledged(
    connect_to: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    """It is stopped in the middle of a flood: what was not acknowledged is the counter's to send again."""
    port, mqtt = free_port(), free_port()
    acked = 0
    async with hub_process(tmp_path, port, mqtt) as process:
        known = await paired(tmp_path, port)
        sensor = await connect_to(mqtt, known.till_id, known.token)
        for number in range(3000):
            sensor.publish_soon(COUNT, delta(number))
        for _ in range(300):
            await sensor.acknowledged(1)
            acked += 1
        process.send_signal(signal.SIGTERM)
        while (await sensor.receive())[0]:
            acked += 1
            assert await process.wait() == 0
    with closing(sqlite3.connect(tmp_path / "hub.db")) as read:
        (counted,) = read.execute("SELECT coalesce(sum(entered), 0) FROM footfall").fetchone()
    print(f"{acked} acknowledged, {counted} counted")
    assert acked <= counted <= 3000 and acked < 3000


async def paired(folder: Path, port: int) -> Any:
    """Pair a counter named `door` with a hub that starts."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                async with HubClient("http://hub", unix_socket=folder / "hub.sock") as control:
                    code = await control.make_code("device")
                async with HubClient(f"http://127.0.0.1:{port}") as client:
                    return await client.pair(code, "door")
            except OSError:
                await asyncio.sleep(0.02)
