"""Debian's mosquitto with the role's configuration and a hub's accounts, asked by paho.

TLS by the store's CA, topics of one's own.
"""

import asyncio
import io
import queue
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from hub.commands.mqtt import write_accounts

WAIT_S = 30.0
DOORS = {"kind": "mqtt_counter", "store": "hk01", "address": "127.0.0.1:9", "username": "hub", "password": "hub-secret"}
FOLDER = "/etc/mosquitto/store-hub"

pytestmark = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")


@asynccontextmanager
async def mosquitto(rendered: Path, files: Path, plain: int, tls: int) -> AsyncIterator[None]:
    """The role's configuration, its folder and its ports exchanged for the test's."""
    text = (rendered / "mosquitto.conf").read_text()
    for given, ours in (
        (FOLDER, str(files)),
        ("listener 1883", f"listener {plain}"),
        ("listener 8883", f"listener {tls}"),
    ):
        assert given in text
        text = text.replace(given, ours)
    (files / "mosquitto.conf").write_text(f"user root\npersistence_location {files}/\n{text}")
    process = await asyncio.create_subprocess_exec(
        "mosquitto", "-c", str(files / "mosquitto.conf"), stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(WAIT_S):
        while not await answers(tls):
            assert process.returncode is None, "mosquitto did not start"
            await asyncio.sleep(0.02)  # another process: nothing tells us
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@contextmanager
def client(port: int, ca: Path, username: str, password: str) -> Iterator[tuple[mqtt.Client, "queue.Queue[Any]"]]:
    """A client by TLS, and what it is told: reason codes, and messages."""
    said: queue.Queue[Any] = queue.Queue()
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"test-{username}")
    made.username_pw_set(username, password)
    made.tls_set(ca_certs=str(ca))
    made.on_connect = lambda *given: said.put(given[3].is_failure)
    made.on_subscribe = lambda *given: said.put(given[3][0].value)
    made.on_message = lambda *given: said.put(given[2].payload)
    made.connect("localhost", port)
    made.loop_start()
    try:
        yield made, said
    finally:
        made.disconnect()
        made.loop_stop()


async def test_a_device_publishes_its_own_by_tls_and_nothing_else(
    start_hub: Any, pair_till: Any, rendered: Path, free_port: Callable[[], int], tmp_path: Path
) -> None:
    hub = await start_hub(devices={"doors": DOORS}, api={"host": "0.0.0.0", "port": 0})
    door = await pair_till(hub, "device", "door")
    files = tmp_path / "mosquitto"
    files.mkdir()
    told = {"readers": ["homeassistant"], "has_certificate": True}
    first, second = [await asyncio.to_thread(written, hub.config, files, told) for _ in range(2)]
    assert "1 devices, 1 of the hub, 1 readers; new: passwords, acl, server.pem" in first
    assert "nothing is new" in second, "a broker that is told nothing new is not reloaded"
    assert {path.stat().st_mode & 0o777 for path in files.iterdir()} == {0o640}
    ca = tmp_path / "ca.pem"
    ca.write_text(hub.runtime.tls.authority.pem)
    password = first.split("\t")[1].split()[0]
    plain, tls = free_port(), free_port()
    async with mosquitto(rendered, files, plain, tls):
        await asyncio.to_thread(speak, tls, ca, ("homeassistant", password), (door.till_id, door.token))


def written(config: Any, files: Path, told: dict[str, Any]) -> str:
    """Return what the command says."""
    with redirect_stdout(io.StringIO()) as out:
        assert write_accounts(config, files, **told) == 0
    return out.getvalue()


def speak(port: int, ca: Path, reader: tuple[str, str], door: tuple[str, str]) -> None:
    with client(port, ca, *reader) as (listener, heard), client(port, ca, *door) as (sensor, told):
        assert (heard.get(timeout=WAIT_S), told.get(timeout=WAIT_S)) == (False, False)
        listener.subscribe("store/hk01/#", qos=1)
        assert heard.get(timeout=WAIT_S) == 1
        for topic, payload in (("counter/other/count", b"another's"), ("counter/door/count", b"its own")):
            sensor.publish(f"store/hk01/{topic}", payload, qos=1).wait_for_publish(WAIT_S)
        assert heard.get(timeout=WAIT_S) == b"its own", "what is not its own is dropped"
    with client(port, ca, door[0], "a wrong token") as (_, told):
        assert told.get(timeout=WAIT_S) is True
