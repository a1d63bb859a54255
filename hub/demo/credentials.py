"""Who the demo's parts are at the hub: paired once, kept in the data folder, so that a restart is the same till or counter."""

import json
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from devices.testing.mqtt_publisher import LoginRefusedError, MqttPublisher
from hub.client import HubClient, ProblemError
from hub.demo.settings import DOORS, write_private
from hub.store.staff.tills import Scope


class Credentials(Struct, frozen=True):
    """A client of the hub; over MQTT they are user name and password."""

    till_id: str = ""
    token: str = ""


def load_credentials(file: Path) -> Credentials:
    """Return what is kept in a file; empty ones when nothing is."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Credentials(kept["till_id"], kept["token"])
    except (OSError, ValueError, KeyError):
        return Credentials()


async def pair_anew(file: Path, base_url: str, control: HubClient, scope: Scope, name: str) -> Credentials:
    """Pair as a new client and keep that."""
    async with HubClient(base_url) as client:
        paired = await client.pair(await control.make_code(scope), name)
    write_private(file, json.dumps({"token": paired.token, "till_id": paired.till_id}))
    return Credentials(paired.till_id, paired.token)


async def client_credentials(file: Path, base_url: str, control: HubClient, scope: Scope, name: str) -> Credentials:
    """Return what a till or manager is known as; pair when the hub does not know it."""
    kept = load_credentials(file)
    if not kept.token:
        return await pair_anew(file, base_url, control, scope, name)
    async with HubClient(base_url, kept.token) as client:
        try:
            await client.products(limit="1")
        except ProblemError:  # the store began anew
            return await pair_anew(file, base_url, control, scope, name)
    return kept


async def counter_credentials(file: Path, base_url: str, control: HubClient, mqtt_port: int) -> Credentials:
    """Return what the people counters are known as; pair when the broker does not know them."""
    kept = load_credentials(file)
    if kept.token:
        with suppress(LoginRefusedError):  # the store began anew
            async with publisher(mqtt_port, kept, "login"):
                return kept
    return await pair_anew(file, base_url, control, "device", DOORS)


def publisher(mqtt_port: int, known: Credentials, name: str) -> MqttPublisher:
    """Return a connection to the broker, to be entered; `name` tells several of one device apart."""
    client_id = f"{known.till_id or 'nobody'}-{name}"
    return MqttPublisher("127.0.0.1", mqtt_port, client_id=client_id, username=known.till_id, password=known.token)
