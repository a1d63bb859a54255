"""A shop's machine on a disk that forgets, and ways to switch it on: cold, or awake from one moment that was kept.

Only what loses power is in it. Tills, door and paper stand on this host: qemu leads two ports of this host to the
machine's LAN, where systemd's socket proxy stands before the hub, and its second serial line to the printer.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from devices.model import Health
from devices.testing.mqtt_publisher import MqttPublisher
from devices.testing.printer import SimulatedPrinter
from hub.client import HubClient
from hub.machine_client import MachineClient
from tests.appliance.guest_hub import CONFIG, DATA, FOLDER, PATIENCE_S, PORT, SLOWLY, STORE, GuestHub, installed
from tests.appliance.machine import HERE, Machine, built, free_port, powered, said
from tests.appliance.shift import BASELINE, DOOR, TOPIC, Outside, total, windows
from tests.appliance.volatile_disk import VolatileDisk
from tests.faults.tills import open_shop

MQTT_PORT = 1883
SHOP = f"""
[mqtt]
port = {MQTT_PORT}
username = "hub"
password = "hub-secret"

[receipt]
printer = "p1"

[devices.p1]
kind = "escpos_printer"
port = "/dev/ttyS1"

[devices.doors]
kind = "mqtt_counter"
store = "hk01"
address = "127.0.0.1:{MQTT_PORT}"
username = "hub"
password = "hub-secret"
"""
LAN_SOCKET = "[Socket]\nListenStream=10.0.2.15:%i\nFreeBind=yes\n[Install]\nWantedBy=sockets.target\n"
LAN_SERVICE = "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:%i\n"
UNITS = "/etc/systemd/system"
OTHER_HUB = f"""#!/bin/sh
PYTHONPATH={FOLDER}/lib:/opt/packages exec python3 {FOLDER}/other_hub.py "$@"
"""
RUNS_IT = f"[Service]\nExecStart=\nExecStart={FOLDER}/bin/other_hub run --config {CONFIG}\n"
PRINTER_LINES_PER_S = 20.0  # a receipt takes a second or two: most cuts find one on its way
FROZEN_TIMEOUT_S = 120.0
ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Frozen:
    """A shop that is open at one moment: the machine's memory and disk as they were, and how its clients reach it."""

    image: Path
    memory: Path
    disk: Path
    outside: Outside
    ports: dict[int, int]

    async def copy_of_disk(self, to: Path) -> Path:
        """Copy the disk; what is empty takes no room."""
        return await copied(self.disk, to)


@asynccontextmanager
async def switched_on(
    image: Path, folder: Path, disk: VolatileDisk, printer: SimulatedPrinter, ports: dict[int, int], *more: str
) -> AsyncIterator[Machine]:
    """Give a machine power, its disk and its printer; at the end it has lost its power."""
    socket = folder / "disk.sock"
    host, _, port = printer.address.rpartition(":")
    paper = ("-chardev", f"socket,id=paper,host={host},port={port}", "-device", "pci-serial,chardev=paper")
    async with (
        disk.served(socket),
        powered(image, folder, f"nbd:unix:{socket},format=raw", *paper, *more, ports=ports) as machine,
    ):
        yield machine


@asynccontextmanager
async def awake(frozen: Frozen, folder: Path, disk: VolatileDisk, printer: SimulatedPrinter) -> AsyncIterator[Machine]:
    """Go on from the frozen moment, on a copy of its disk."""
    incoming = ("-incoming", f"exec:cat {frozen.memory}")
    async with switched_on(frozen.image, folder, disk, printer, frozen.ports, *incoming) as machine:
        await _until_status(machine, "paused")
        await machine.qmp("cont")
        yield machine


async def found_shop(folder: Path) -> Frozen:
    """Boot the image on a disk that forgets, install a hub, open a shop, and freeze it."""
    image, api, mqtt = await built(), free_port(), free_port()
    ports = {api: PORT, mqtt: MQTT_PORT}
    disk_file = await copied(image / "root.img", folder / "shop.raw")
    async with SimulatedPrinter() as printer:
        disk = VolatileDisk(disk_file)
        async with switched_on(image, folder, disk, printer, ports) as machine:
            await machine.is_up()
            await _install(machine)
            outside = await _opened(machine, f"http://127.0.0.1:{api}", mqtt)
            return await _freeze(machine, Frozen(image, folder / "shop.ram", disk_file, outside, ports), disk)


async def at_another_hub(frozen: Frozen, folder: Path, program: str) -> Frozen:
    """Return the same shop at a hub that is the product but for what guest/{program}.py changes."""
    disk_file = await frozen.copy_of_disk(folder / f"{program}.raw")
    async with SimulatedPrinter() as printer:
        disk = VolatileDisk(disk_file)
        async with awake(frozen, folder, disk, printer) as machine:
            await machine.run(f"cat > {FOLDER}/other_hub.py", given=(HERE / f"guest/{program}.py").read_bytes())
            await machine.run(f"install -m 755 /dev/stdin {FOLDER}/bin/other_hub", given=OTHER_HUB.encode())
            await machine.run(f"cat > {UNITS}/storehub.service.d/other_hub.conf", given=RUNS_IT.encode())
            await machine.run("systemctl daemon-reload && systemctl restart storehub")
            await ready(frozen.outside.url)
            kept = Frozen(frozen.image, folder / f"{program}.ram", disk_file, frozen.outside, frozen.ports)
            return await _freeze(machine, kept, disk)


async def ready(url: str) -> None:
    """Return when a hub says that it can sell."""
    timeout = aiohttp.ClientTimeout(total=2)  # a machine that boots swallows what comes before its network is up
    async with asyncio.timeout(FROZEN_TIMEOUT_S * 2), aiohttp.ClientSession(url, timeout=timeout) as session:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get("/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(ASK_AGAIN_S)


async def copied(file: Path, to: Path) -> Path:
    """Copy a disk's image; what is empty takes no room."""
    await said("cp", "--sparse=always", str(file), str(to))
    return to


def paper_of(printer: SimulatedPrinter) -> list[str]:
    """Return all lines that came out, those of a receipt that was cut off as well."""
    printer.lines_per_s = 0
    return [line for receipt in printer.receipts for line in receipt.lines()] + printer.uncut.lines()


async def _install(machine: Machine) -> None:
    """Install the hub as in a shop, to start with the machine; and what leads from the LAN to it."""
    await installed(machine)
    await machine.run(f"install -m 640 -g storehub /dev/stdin {CONFIG}", given=(STORE + SHOP).encode())
    await machine.run(f"install -D -m 644 /dev/stdin {UNITS}/storehub.service.d/slowly.conf", given=SLOWLY.encode())
    for kind, unit in (("socket", LAN_SOCKET), ("service", LAN_SERVICE)):
        await machine.run(f"cat > {UNITS}/lan@.{kind}", given=unit.encode())
    lan = f"lan@{PORT}.socket lan@{MQTT_PORT}.socket"
    await machine.run(f"systemctl daemon-reload && systemctl -q enable --now storehub {lan}")


async def _opened(machine: Machine, url: str, mqtt_port: int) -> Outside:
    """Put goods on the shelf, pair everybody, and wait for the devices."""
    socket = f"http://127.0.0.1:{await machine.forward(f'{DATA}/hub.sock')}"
    async with MachineClient(socket) as control, HubClient(url) as client, HubClient(url) as office:
        tills = await open_shop(control, url)
        manager = await office.pair(await control.make_code("manager"), "Office")
        hub = GuestHub(url, manager.token, office, control)
        for device_id in ("p1", "doors"):
            await hub.reaches(device_id, Health.READY)
        door = await client.pair(await control.make_code("device"), DOOR)
        async with office.events() as events:
            await anext(events)  # hello
            async with MqttPublisher(
                "127.0.0.1", mqtt_port, client_id=DOOR, username=door.till_id, password=door.token
            ) as wire:
                for entered in range(BASELINE + 1):
                    await wire.publish(TOPIC, total(entered))
            async with asyncio.timeout(PATIENCE_S):
                async for event in events:
                    if told := windows(event):
                        return Outside(url, mqtt_port, tills, manager.token, (door.till_id, door.token), told)
    raise AssertionError("the hub closed the socket")


async def _freeze(machine: Machine, frozen: Frozen, disk: VolatileDisk) -> Frozen:
    """Keep a machine's memory in a file and lose its power; its disk is the file that it was."""
    await machine.run("sync")  # who boots from this disk finds the shop as it was set up
    await machine.run_here("-O", "exit")
    await machine.qmp("stop")
    await machine.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 33})
    await machine.qmp("migrate", uri=f"exec:cat > {frozen.memory}")
    async with asyncio.timeout(FROZEN_TIMEOUT_S):
        while (state := await machine.qmp("query-migrate"))["status"] != "completed":
            assert state["status"] != "failed", state
            await asyncio.sleep(ASK_AGAIN_S)
    machine.lose_power()
    assert disk.unflushed == 0, "a machine that stops flushes its disk"
    return frozen


async def _until_status(machine: Machine, wanted: str) -> None:
    async with asyncio.timeout(FROZEN_TIMEOUT_S):
        while True:
            with suppress(OSError, json.JSONDecodeError):  # it does not listen yet
                if (await machine.qmp("query-status"))["status"] == wanted:
                    return
            await asyncio.sleep(ASK_AGAIN_S)


def drawn(seed: int, cut: int) -> random.Random:
    """Return the chance of one cut, so that each can be repeated by itself."""
    return random.Random(f"{seed}/{cut}")
