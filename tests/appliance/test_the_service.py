"""The hub's units under a real systemd: every device used by a user who may nothing else, hung, given up, wrong settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from devices.model import Health
from devices.testing.serial_line import VirtualSerialLine
from tests.appliance.guest_hub import CONFIG, PORT, guest_hub, installed
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
GROUP_OF = {"scanner": "input", "receipts": "lp", "gate": "dialout"}
LINKS = {
    "/dev/store-hub/scanner-S1-if00": "/dev/input/event",
    "/dev/store-hub/printer-P1-if00": "/dev/usb/lp",
    "/dev/store-hub/serial-at-*": "/dev/ttyUSB",
}
PID = "$(systemctl show -P MainPID storehub)"
STATUS = f"/proc/{PID}/status"
WHO = f"ps -o euser=,egroup=,supgrp= -p {PID}"
RULES = "/usr/lib/udev/rules.d/70-storehub.rules"
KINDS = "--subsystem-match=input --subsystem-match=tty --subsystem-match=usbmisc"
AGAIN = f"udevadm control --reload && udevadm trigger --settle --action=add {KINDS}"  # a change leaves the former group
OUTSIDE, INSIDE = "203.0.113.1", "192.168.77.1"
REACH = f"""
import socket, sys
with socket.socket() as client:
    client.bind((sys.argv[1], 0))
    client.settimeout(5)
    try:
        client.connect(("10.0.2.15", {PORT}))
        print("reached")
    except TimeoutError:
        print("refused")
"""
NETWORKS = "/etc/systemd/system/storehub.slice.d/networks.conf"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def everything(machine: Machine) -> AsyncIterator[None]:
    """One of each: a scanner, a printer, a serial line, a radio."""
    async with AsyncExitStack() as plugged:
        await plugged.enter_async_context(gadget(machine, "scanner", 0, "S1", "hid"))
        await plugged.enter_async_context(gadget(machine, "receipts", 1, "P1", "printer"))
        await plugged.enter_async_context(converter(machine, await plugged.enter_async_context(VirtualSerialLine())))
        await plugged.enter_async_context(radio(machine))
        yield


async def test_a_converter_whose_driver_was_not_loaded_when_the_hub_started_is_used(machine: Machine) -> None:
    """What a unit may open is resolved at its start: a driver's name would not be known yet, its number is.

    First of these tests: `everything` has a converter of its own.
    """
    await machine.run("modprobe -r ftdi_sio usbserial; ! grep -q ttyUSB /proc/devices")
    section = '[devices.gate]\nkind = "serial_scanner"\nusb = { vendor = "0403", product = "6001" }\n'
    async with VirtualSerialLine() as line, guest_hub(machine, section) as hub:
        await hub.reaches("gate", Health.OFFLINE)
        async with converter(machine, line):
            await hub.reaches("gate", Health.READY)


@pytest.mark.usefixtures("everything")
async def test_every_device_is_opened_by_a_user_who_may_nothing_else(machine: Machine) -> None:
    async with guest_hub(machine, DEVICES) as hub:
        for device_id in (*GROUP_OF, "radio"):
            await hub.reaches(device_id, Health.READY)
        user, *groups = (await machine.run(WHO)).split()
        said = dict(line.split(":\t") for line in (await machine.run(f"cat {STATUS}")).splitlines() if ":\t" in line)
        for link, node in LINKS.items():
            assert (await machine.run(f"readlink -f {link}")).startswith(node)
        exposure = await machine.run("systemd-analyze security --no-pager --threshold=15 storehub | tail -n 1")

    assert user == "storehub" and set(groups) == {"storehub"}
    assert all(int(said[each], 16) == 0 for each in ("CapEff", "CapPrm", "CapBnd", "CapAmb"))
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    print(exposure)


@pytest.mark.usefixtures("everything")
async def test_without_its_rules_each_device_names_the_group_that_may(machine: Machine) -> None:
    await machine.run(f"mv {RULES} /run/aside && {AGAIN}")
    try:
        async with guest_hub(machine, DEVICES) as hub:
            for device_id, group in GROUP_OF.items():
                denied = await hub.reaches(device_id, Health.OFFLINE, "permission_denied")
                assert f"group `{group}`" in denied.detail
            await hub.reaches(
                "radio", Health.READY
            )  # Debian's D-Bus policy lets everybody of the machine speak to BlueZ
    finally:
        await machine.run(f"mv /run/aside {RULES} && {AGAIN}")


@pytest.mark.parametrize("hang", ["STOP", "commit"])
async def test_the_watchdog_kills_a_hung_hub_and_it_is_back(machine: Machine, hang: str) -> None:
    """One that stands still altogether, and one whose loop turns while a commit does not come back."""
    failpoint = "Environment=STOREHUB_FAILPOINT=commit.before:60:hang\n" if hang == "commit" else ""
    async with guest_hub(machine, "", drop_in=f"WatchdogSec=12\n{failpoint}") as hub:
        before = (await machine.run(f"echo {PID}")).strip()
        if hang == "STOP":
            await machine.run("systemctl kill --kill-whom=main --signal=STOP storehub")
        await machine.run(f"until p={PID}; [ $p != {before} ] && [ $p != 0 ]; do sleep 1; done")
        await machine.run("until systemctl is-active -q storehub; do sleep 1; done")
        status, _ = await hub.ask("GET", "/v1/devices")
        said = await machine.run("journalctl -u storehub --no-pager -o cat -n 200")

    assert status == 200, "the pairing of before is good"
    assert "Watchdog timeout" in said
    assert hang == "STOP" or "failpoints.py" in said, "its end names the place"


async def test_a_hub_that_gave_up_is_begun_again_and_one_with_a_wrong_configuration_is_not(machine: Machine) -> None:
    """Ten failures: it is looked at, and a timer begins again. What the timer does is done here at once."""
    await installed(machine)
    failing = "[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=100ms\n"
    drop_in = "/run/systemd/system/storehub.service.d/failing.conf"
    await machine.run(f"install -D -m 644 /dev/stdin {drop_in} && systemctl daemon-reload", given=failing.encode())
    await machine.run("systemctl start storehub || true; until systemctl is-failed -q storehub; do sleep 1; done")
    ended = await machine.run("systemctl show -P NRestarts storehub; systemctl is-active storehub-again.timer")
    await machine.run(f"printf '[Service]\nExecStart=\nExecStart=/bin/sh -c \"exit 78\"\n' > {drop_in}")
    await machine.run("systemctl daemon-reload; systemctl start storehub-again")
    await machine.run("until test $(systemctl show -P ExecMainStatus storehub) = 78; do sleep 1; done")
    again = await machine.run("systemctl start storehub-again; systemctl show -P InvocationID -P ActiveState storehub")
    await machine.run(f"rm {drop_in}; systemctl daemon-reload; systemctl stop storehub-again.timer")
    await machine.run("systemctl reset-failed")

    assert ended.split() == ["10", "active"]
    assert "failed" in again


async def test_a_hub_that_may_not_ask_the_kernel_is_sure_of_the_time_by_timesyncds_word(machine: Machine) -> None:
    await machine.run("mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized")
    try:
        async with guest_hub(machine, "") as hub:
            _, clock = await hub.ask("GET", "/v1/clock")
    finally:
        await machine.run("rm -r /run/systemd/timesync")

    assert (clock["sure"], clock["source"]) == (True, "machine")


async def test_it_is_reached_from_the_shops_networks_and_from_others_when_they_are_named(machine: Machine) -> None:
    """The same list holds for both ways; the cloud's addresses are named for the slice."""
    await machine.run(
        f"modprobe dummy; ip link add shop type dummy && ip link set shop up && "
        f"ip address add {OUTSIDE}/24 dev shop && ip address add {INSIDE}/24 dev shop"
    )
    try:
        async with guest_hub(machine, "", on_lan=True):
            at_first = [await reaches(machine, source) for source in (INSIDE, OUTSIDE)]
            allowed = f"[Slice]\nIPAddressAllow={OUTSIDE}/32\n"
            await machine.run(f"install -D -m 644 /dev/stdin {NETWORKS}", given=allowed.encode())
            await machine.run("systemctl daemon-reload && systemctl restart storehub")
            named = await reaches(machine, OUTSIDE)
    finally:
        await machine.run(f"rm -f {NETWORKS}; ip link del shop; systemctl daemon-reload")

    assert at_first == ["reached", "refused"]
    assert named == "reached"


async def reaches(machine: Machine, source: str) -> str:
    """Say whether the hub answers somebody at this address of the machine's."""
    return (await machine.run(f"python3 - {source}", given=REACH.encode())).strip()


async def test_the_nightly_backup_and_the_daily_look_run_beside_the_hub(machine: Machine) -> None:
    """The medium is mounted after the hub has started; who made the hub's card out is read by the hub's group."""
    key = (await machine.run("rm -f /root/k; storehub backup new-key /root/k")).strip()
    section = f'[backup]\nto = "/media/backup"\n{key}\n'
    async with guest_hub(machine, section):
        await machine.run("mkdir -p /media/backup && mount -t tmpfs -o uid=storehub,mode=700 none /media/backup")
        try:
            await machine.run("systemctl start storehub-backup")
            made = await machine.run("stat -c %U /media/backup/*")
            await machine.run("systemctl start storehub-doctor || true")
            said = await machine.run("journalctl -u storehub-doctor --no-pager -o cat -n 60")
            timers = await machine.run(
                "systemctl enable -q --now storehub-backup.timer storehub-doctor.timer; systemctl list-timers --no-pager"
            )
        finally:
            await machine.run("systemctl disable -q --now storehub-backup.timer storehub-doctor.timer")
            await machine.run("umount /media/backup; systemctl reset-failed")
    uuid = "setpriv --reuid=storehub --regid=storehub --clear-groups cat /sys/class/dmi/id/product_uuid"
    board = await machine.run(uuid)

    assert made.split() == ["storehub"]
    assert "hub" in said and "looked at" in said
    assert "storehub-backup.timer" in timers and "storehub-doctor.timer" in timers
    assert len(board.strip()) == 36


async def test_a_wrong_configuration_is_said_once_and_not_tried_again(machine: Machine) -> None:
    await installed(machine)
    await machine.run(f"printf '[stor]\\n' > {CONFIG}; ! systemctl start storehub")
    ended = await machine.run("systemctl show -p ExecMainStatus -p NRestarts storehub")
    assert set(ended.split()) == {"ExecMainStatus=78", "NRestarts=0"}
    assert "stor" in await machine.run("journalctl -u storehub --no-pager -o cat -n 5")
    await machine.run("systemctl reset-failed storehub")
