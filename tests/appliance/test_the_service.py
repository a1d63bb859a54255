"""The hub's unit under a real systemd: every device used by its own user, what it says without its groups, wrong settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from devices.model import Health
from devices.testing.serial_line import VirtualSerialLine
from tests.appliance.guest_hub import CONFIG, guest_hub, installed
from tests.appliance.machine import Machine
from tests.appliance.plugs import converter, gadget, radio

pytestmark = pytest.mark.asyncio(loop_scope="session")
DEVICES = """
[devices.scanner]
kind = "hid_scanner"
usb = { vendor = "05e0", serial = "S1" }

[devices.receipts]
kind = "escpos_printer"
usb = { vendor = "05e0", serial = "P1" }
confirm = "none"

[devices.gate]
kind = "serial_scanner"
usb = { vendor = "0403", product = "6001" }

[devices.radio]
kind = "ble_beacons"

[devices.radio.zones.desk]
"""
GROUP_OF = {"scanner": "input", "receipts": "lp", "gate": "dialout", "radio": "bluetooth"}
NEEDING = ("scanner", "receipts", "gate")
WHO = "ps -o euser=,supgrp= -p $(systemctl show -P MainPID storehub)"
CAPABILITIES = "grep CapEff /proc/$(systemctl show -P MainPID storehub)/status"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def everything(machine: Machine) -> AsyncIterator[None]:
    """One of each: a scanner, a printer, a serial line, a radio."""
    async with AsyncExitStack() as plugged:
        await plugged.enter_async_context(gadget(machine, "scanner", 0, "S1", "hid"))
        await plugged.enter_async_context(gadget(machine, "receipts", 1, "P1", "printer"))
        await plugged.enter_async_context(converter(machine, await plugged.enter_async_context(VirtualSerialLine())))
        await plugged.enter_async_context(radio(machine))
        yield


@pytest.mark.usefixtures("everything")
async def test_every_device_is_opened_by_a_user_who_is_not_root(machine: Machine) -> None:
    async with guest_hub(machine, DEVICES) as hub:
        for device_id in GROUP_OF:
            await hub.reaches(device_id, Health.READY)
        user, groups = (await machine.run(WHO)).split()
        assert user == "storehub" and set(GROUP_OF.values()) <= set(groups.split(","))
        assert int((await machine.run(CAPABILITIES)).split()[1], 16) == 0


@pytest.mark.usefixtures("everything")
async def test_without_its_groups_each_device_names_the_one_it_needs(machine: Machine) -> None:
    async with guest_hub(machine, DEVICES, drop_in="SupplementaryGroups=\n") as hub:
        for device_id in NEEDING:
            denied = await hub.reaches(device_id, Health.OFFLINE, "permission_denied")
            assert f"group `{GROUP_OF[device_id]}`" in denied.detail
        await hub.reaches("radio", Health.READY)  # Debian's D-Bus policy lets everybody of the machine speak to BlueZ


async def test_a_wrong_configuration_is_said_once_and_not_tried_again(machine: Machine) -> None:
    await installed(machine)
    await machine.run(f"printf '[stor]\\n' > {CONFIG}; ! systemctl start storehub")
    ended = await machine.run("systemctl show -p ExecMainStatus -p NRestarts storehub")
    assert set(ended.split()) == {"ExecMainStatus=78", "NRestarts=0"}
    assert "stor" in await machine.run("journalctl -u storehub --no-pager -o cat -n 5")
    await machine.run("systemctl reset-failed storehub")
