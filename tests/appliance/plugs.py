"""What is plugged into the machine: gadgets of its own kernel, a radio of its own air (guest/), a serial converter of qemu's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from devices.testing.serial_line import VirtualSerialLine
from tests.appliance.machine import Machine

GADGET = "python3 /opt/appliance/guest/gadget.py"
HOLDER = 'import os, time; os.open("/dev/ttyUSB0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK); print("held", flush=True)'
HOLD = f"systemd-run --quiet --unit=holder --collect -p StandardOutput=file:/run/held python3 -c '{HOLDER}; time.sleep(600)'"
RADIO = "PYTHONPATH=/opt/packages python3 /opt/appliance/guest/radio.py"
BEACONS = 12
LET_GO_S = 60.0


class Converter:
    """An FTDI converter (0403:6001) of qemu's, whose serial side is a VirtualSerialLine of this host."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._is_in = False

    async def put_in(self) -> None:
        """Plug it in."""
        options = {"chardev": "converter", "bus": "xhci.0", "port": "4", "always-plugged": True}
        await _once_free(self._machine, "device_add", driver="usb-serial", id="ftdi", **options)
        self._is_in = True

    async def pull_out(self) -> None:
        """Pull it out, whoever has its port open; nothing when it is out."""
        if self._is_in:
            await self._machine.qmp("device_del", id="ftdi")
        self._is_in = False

    @asynccontextmanager
    async def name_taken(self) -> AsyncIterator[None]:
        """Let another program keep ttyUSB0 open, so that what is plugged in anew is ttyUSB1."""
        await self._machine.run("until test -c /dev/ttyUSB0; do sleep 0.1; done")  # its driver may be loaded only now
        await self._machine.run(f"rm -f /run/held; {HOLD}; until grep -q held /run/held; do sleep 0.1; done")
        try:
            yield
        finally:
            await self._machine.run("systemctl stop holder")


@asynccontextmanager
async def converter(machine: Machine, line: VirtualSerialLine) -> AsyncIterator[Converter]:
    """A converter that is plugged in, until the block ends."""
    backend = {"type": "serial", "data": {"device": line.device_path}}
    await machine.qmp("chardev-add", id="converter", backend=backend)
    plug = Converter(machine)
    await plug.put_in()
    try:
        yield plug
    finally:
        await plug.pull_out()
        await machine.run("udevadm settle")
        await _once_free(machine, "chardev-remove", id="converter")


async def _once_free(machine: Machine, command: str, **arguments: Any) -> None:
    """Ask qemu until the line is free: it answers that a converter is out before it has let go of it."""
    async with asyncio.timeout(LET_GO_S):
        while True:
            try:
                await machine.qmp(command, **arguments)
            except AssertionError as err:
                if "in use" not in str(err) and "busy" not in str(err):
                    raise
                await asyncio.sleep(0.05)  # qemu says nothing of it
            else:
                return


@asynccontextmanager
async def radio(machine: Machine) -> AsyncIterator[None]:
    """A Bluetooth adapter that is switched on, with BEACONS in its air (guest/radio.py), until the block ends."""
    await machine.run("modprobe hci_vhci && systemctl start bluetooth")
    await machine.run(f"systemd-run --quiet --unit=radio --collect sh -c '{RADIO} {BEACONS} >/run/radio.log 2>&1'")
    try:
        await machine.run(
            "until grep -q air /run/radio.log; do systemctl is-active -q radio || exit 1; sleep 0.2; done"
        )
        await machine.run("until timeout 10 bluetoothctl power on | grep -q succeeded; do sleep 1; done")
        yield
    finally:
        await machine.run("systemctl stop radio; rm -f /run/beacons")


@asynccontextmanager
async def gadget(machine: Machine, name: str, port: int, serial: str, function: str) -> AsyncIterator[None]:
    """A gadget that is plugged in, until the block ends."""
    await machine.run(f"{GADGET} up {name} {port} {serial} {function}")
    try:
        yield
    finally:
        await machine.run(f"{GADGET} down {name}")
