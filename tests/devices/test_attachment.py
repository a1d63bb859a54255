"""What is attached, by the records that udev gives, and which of it a configuration means. Records: Debian 12, as captured."""

from typing import Any

import msgspec
import pytest

from devices.driver import DriverOptions
from devices.errors import OptionError
from devices.plug.attachment import (
    Attached,
    AttachmentError,
    Match,
    UdevNode,
    attached_of,
    node_to_open,
    only_one_place,
    select,
    wakes,
)
from devices.testing.context import RecordingContext

# `udevadm info --export-db` of one composite device (HID keyboard, usblp, CDC-ACM) on a dummy_hcd, beside a UART and a console
EXPORTED = """\
P: /devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.2/tty/ttyACM0
N: ttyACM0
S: serial/by-id/usb-Test_Maker_Test_Scanner_VM0001-if02
E: DEVPATH=/devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.2/tty/ttyACM0
E: DEVNAME=/dev/ttyACM0
E: SUBSYSTEM=tty
E: ID_BUS=usb
E: ID_PATH=platform-dummy_hcd.0-usb-0:1:1.2
E: DEVLINKS=/dev/serial/by-path/platform-dummy_hcd.0-usb-0:1:1.2 /dev/serial/by-id/usb-Test_Maker_Test_Scanner_VM0001-if02

P: /devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.0/0003:05E0:1200.0001/input/input3/event3
N: input/event3
E: DEVPATH=/devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.0/0003:05E0:1200.0001/input/input3/event3
E: DEVNAME=/dev/input/event3
E: SUBSYSTEM=input
E: ID_INPUT=1
E: ID_INPUT_KEY=1
E: ID_INPUT_KEYBOARD=1

P: /devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.1/usbmisc/lp0
N: usb/lp0
E: DEVPATH=/devices/platform/dummy_hcd.0/usb1/1-1/1-1:1.1/usbmisc/lp0
E: DEVNAME=/dev/usb/lp0
E: SUBSYSTEM=usbmisc

P: /devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/bluetooth/hci0
E: DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/bluetooth/hci0
E: SUBSYSTEM=bluetooth

P: /devices/virtual/tty/tty3
N: tty3
E: DEVPATH=/devices/virtual/tty/tty3
E: DEVNAME=/dev/tty3
E: SUBSYSTEM=tty

P: /devices/LNXSYSTM:00/LNXPWRBN:00/input/input0/event0
N: input/event0
E: DEVPATH=/devices/LNXSYSTM:00/LNXPWRBN:00/input/input0/event0
E: DEVNAME=/dev/input/event0
E: SUBSYSTEM=input
E: ID_INPUT=1
E: ID_INPUT_KEY=1
"""
USB = {
    "idVendor": "05e0",
    "idProduct": "1200",
    "serial": "VM0001",
    "manufacturer": "Test Maker",
    "product": "Test Scanner",
    "bInterfaceNumber": "02",
}


def exported() -> list[UdevNode]:
    nodes = []
    for record in EXPORTED.strip().split("\n\n"):
        said = dict(line[3:].split("=", 1) for line in record.splitlines() if line.startswith("E: "))
        nodes.append(UdevNode(said["SUBSYSTEM"], said["DEVPATH"], said, usb=USB if "/usb1/" in said["DEVPATH"] else {}))
    return nodes


def scanner(**changes: Any) -> Attached:
    told = {
        "subsystem": "tty",
        "node": "/dev/ttyACM0",
        "vendor": "05e0",
        "product": "1200",
        "serial": "S1",
        "port_path": "0000:00:14.0-usb-1.2",
        "interface": "00",
        "label": "Zebra DS2208",
    }
    return Attached(**{**told, **changes})


def test_what_a_shop_can_use_is_named_and_nothing_else_is() -> None:
    found = [attached for node in exported() if (attached := attached_of(node))]
    assert [(each.subsystem, each.node, each.port_path) for each in found] == [
        ("tty", "/dev/ttyACM0", "dummy_hcd.0-usb-1"),
        ("input", "/dev/input/event3", "dummy_hcd.0-usb-1"),
        ("usbmisc", "/dev/usb/lp0", "dummy_hcd.0-usb-1"),
        ("bluetooth", "hci0", "0000:00:14.0-usb-4.2"),
    ]
    assert {(each.vendor, each.product, each.serial, each.label) for each in found} == {
        ("05e0", "1200", "VM0001", "Test Maker Test Scanner")
    }


def test_a_uart_that_the_kernel_only_reserved_is_no_port() -> None:
    path = "/devices/platform/serial8250/tty/ttyS1"
    said = {"DEVNAME": "/dev/ttyS1"}
    assert attached_of(UdevNode("tty", path, said, {"type": "0"})) is None
    assert attached_of(UdevNode("tty", path, said, {"type": "4"})) is not None


def test_control_characters_in_what_a_device_says_are_left_out() -> None:
    node = exported()[0]
    node = msgspec.structs.replace(node, usb={**USB, "serial": "A\x1b[2J\n1" + "x" * 500, "product": "\x00Scan"})
    attached = attached_of(node)
    assert attached is not None and attached.serial.startswith("A[2J1x") and len(attached.serial) == 200
    assert attached.label == "Test Maker Scan"


@pytest.mark.parametrize(
    "said", [{"serial": "S2"}, {"port_path": "0000:00:14.0-usb-1.3"}, {"vendor": "05E0", "serial": "s2"}]
)
def test_one_of_two_is_picked_by_what_is_said(said: dict[str, str]) -> None:
    other = scanner(node="/dev/ttyACM1", serial="S2", port_path="0000:00:14.0-usb-1.3")
    assert select([scanner(), other], Match(**said), subsystem="tty") == other


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"serial": "S2", "port_path": "x"}, "say `serial` as well"),
        ({"port_path": "x"}, "they all have the same serial number: say `port_path` as well"),
        ({"interface": "02"}, "say `interface` as well"),
        ({}, "say the node instead of `usb`"),
    ],
)
def test_twins_are_refused_with_what_tells_them_apart(changes: dict[str, str], remedy: str) -> None:
    twins = [scanner(), scanner(node="/dev/ttyACM1", **changes)]
    with pytest.raises(AttachmentError, match="2 devices match vendor 05e0") as caught:
        select(twins, Match(vendor="05e0"), subsystem="tty")
    assert caught.value.reason == "ambiguous" and remedy in str(caught.value) and "/dev/ttyACM1" in str(caught.value)


def test_twins_without_a_serial_number_are_told_apart_by_their_plug() -> None:
    twins = [scanner(serial=""), scanner(serial="", node="/dev/ttyACM1", port_path="x")]
    with pytest.raises(AttachmentError, match="say `port_path` as well"):
        select(twins, Match(vendor="05e0"), subsystem="tty")


def test_what_is_away_is_named_beside_what_is_there() -> None:
    with pytest.raises(
        AttachmentError, match=r"no tty device with serial S9 is attached.*ttyACM0 Zebra DS2208"
    ) as caught:
        select(
            [scanner(), scanner(subsystem="usbmisc", node="/dev/usb/lp0", serial="S9")],
            Match(serial="S9"),
            subsystem="tty",
        )
    assert caught.value.reason == "not_attached"


def test_a_port_that_came_back_under_another_number_is_found_again() -> None:
    ctx = RecordingContext()
    ctx.devices = [scanner(node="/dev/ttyACM1")]
    assert node_to_open(ctx, None, Match(serial="S1"), subsystem="tty") == "/dev/ttyACM1"
    assert node_to_open(ctx, "/dev/ttyS0", None, subsystem="tty") == "/dev/ttyS0"


@pytest.mark.parametrize(("port", "usb"), [(None, None), ("/dev/ttyS0", Match(serial="S1"))])
def test_a_device_is_in_one_place(port: str | None, usb: Match | None) -> None:
    with pytest.raises(OptionError, match="`port = "):
        only_one_place(port, usb, name="port")


def test_a_match_says_something() -> None:
    with pytest.raises(OptionError, match="means every device"):
        Match()


def test_who_waits_for_a_device_is_woken_by_it_alone() -> None:
    class Options(DriverOptions, frozen=True):
        port: str | None = None
        usb: Match | None = None
        adapters: tuple[str, ...] = ()

    plugged = scanner(links=("/dev/serial/by-id/usb-x",))
    waits = [Options(usb=Match(serial="S1")), Options(port="/dev/ttyACM0"), Options(port="/dev/serial/by-id/usb-x")]
    waits.append(Options(adapters=("hci0", "/dev/ttyACM0")))
    others = [Options(usb=Match(serial="S2")), Options(port="/dev/ttyACM1"), DriverOptions()]
    assert all(wakes(options, plugged) for options in waits)
    assert not any(wakes(options, plugged) for options in others)
