"""`storehub probe`: what it prints is a configuration that the registry takes, doubts are comments, and asking does no harm."""

import asyncio
import os
import re
import threading
import tomllib
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import WireError
from devices.plug.asking import asked
from devices.plug.attachment import Attached, Match, select
from devices.plug.suggestion import suggestions
from devices.registry import kinds, load, options_for
from devices.testing.printer import SimulatedPrinter

ALL = frozenset({"hid_scanner", "serial_scanner", "escpos_printer", "zpl_printer", "ble_beacons", "toledo_scale"})


def attached(node: str, **changes: Any) -> Attached:
    subsystem = {"tty": "tty", "inp": "input", "usb": "usbmisc"}.get(node.removeprefix("/dev/")[:3], "bluetooth")
    return Attached(**{"subsystem": subsystem, "node": node, "port_path": f"c-usb-{node[-1]}", **changes})


SHOP = [
    attached("hci0", vendor="0a12", product="0001"),
    attached("/dev/input/event3", vendor="05e0", product="1200", serial="K1", label="Symbol Bar Code Scanner"),
    attached("/dev/input/event4", vendor="046d", product="c31c", label="Logitech Keyboard"),
    attached("/dev/ttyACM0", vendor="05e0", product="1701", serial="S1"),
    attached("/dev/ttyUSB0", vendor="0403", product="6001", serial="A1"),
    attached("/dev/ttyUSB1", vendor="0403", product="6001", serial="A1"),
    attached("/dev/ttyS0", port_path=""),
    attached("/dev/usb/lp0", vendor="04b8", product="0202"),
    attached("/dev/usb/lp1", vendor="0a5f", product="0080", serial="Z1"),
]


def test_a_shop_is_written_as_sections_that_name_each_device_for_good() -> None:
    printed = suggestions(SHOP, owners={}, kinds=ALL)
    assert tomllib.loads(printed)["devices"] == {
        "radio1": {"kind": "ble_beacons", "adapters": ["hci0"]},
        "scanner1": {"kind": "hid_scanner", "usb": {"serial": "K1", "vendor": "05e0", "product": "1200"}},
        "scanner2": {"kind": "hid_scanner", "usb": {"vendor": "046d", "product": "c31c", "port_path": "c-usb-4"}},
        "scanner3": {"kind": "serial_scanner", "usb": {"serial": "S1", "vendor": "05e0", "product": "1701"}},
        "scanner4": {"kind": "serial_scanner", "usb": {"vendor": "0403", "product": "6001", "port_path": "c-usb-0"}},
        "scanner5": {"kind": "serial_scanner", "usb": {"vendor": "0403", "product": "6001", "port_path": "c-usb-1"}},
        "printer1": {"kind": "escpos_printer", "usb": {"vendor": "04b8", "product": "0202", "port_path": "c-usb-0"}},
        "labels1": {"kind": "zpl_printer", "usb": {"serial": "Z1", "vendor": "0a5f", "product": "0080"}},
    }
    assert '# [devices.scanner6]\n# kind = "serial_scanner"\n# port = "/dev/ttyS0"\n' in printed
    assert "2 devices say the serial number A1: this one is named by its plug" in printed
    assert "it may be a keyboard" in printed.split("event4")[1].split("[devices")[0]


def test_what_is_configured_or_has_no_driver_is_a_comment() -> None:
    printed = suggestions(SHOP, owners={"/dev/ttyACM0": "lane1"}, kinds={"serial_scanner"})
    assert "# is lane1 already" in printed and "this hub has no driver of the kind zpl_printer" in printed
    assert {each["kind"] for each in tomllib.loads(printed)["devices"].values()} == {"serial_scanner"}


def test_each_section_is_one_that_the_start_takes() -> None:
    """Where a driver knows of `usb`: whoever brings that option finds its kind held to this."""
    for name, section in tomllib.loads(suggestions(SHOP, owners={}, kinds=kinds())).get("devices", {}).items():
        if "usb" in load(section["kind"]).options.__struct_fields__:
            options_for(section["kind"], section, device_id=name)


def test_an_empty_machine_says_so() -> None:
    assert "nothing is" in suggestions([], owners={}, kinds=ALL)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_a_device_says_of_itself_the_page_is_toml_and_names_it(
    serial: str, label: str, port_path: str
) -> None:
    clean = {name: "".join(filter(str.isprintable, said)).strip() for name, said in locals().items() if name != "clean"}
    one = attached("/dev/ttyACM0", vendor="05e0", product="1701", **clean)
    section = tomllib.loads(suggestions([one], owners={}, kinds=ALL))["devices"]["scanner1"]
    if "usb" in section:
        assert select([one], Match(**section["usb"]), subsystem="tty") == one
    else:
        assert section["port"] == one.node and not one.serial and not one.port_path


@contextmanager
def answering(question: bytes, answer: bytes) -> Iterator[str]:
    """A pseudo-terminal behind which somebody answers one question, and nothing else."""
    master, slave = os.openpty()
    tty.setraw(slave)

    def answers() -> None:
        while True:
            try:
                if os.read(master, 64) == question:
                    os.write(master, answer)
            except OSError:
                return

    thread = threading.Thread(target=answers)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join()
        os.close(master)


@pytest.mark.parametrize(
    ("question", "answer", "kind"),
    [
        (b"\x10\x04\x01", b"\x16", "escpos_printer"),
        (b"W\r", b"\x0201.250\r", "toledo_scale"),
        (b"W\r", b"\x02?A\r", "toledo_scale"),
        (b"\x10\x04\x01", b"what?", None),
        (b"nothing", b"", None),
    ],
)
def test_who_answers_is_known(question: bytes, answer: bytes, kind: str | None) -> None:
    with answering(question, answer) as node:
        answer = asked(Attached(subsystem="tty", node=node))
    assert (answer and answer.kind) == kind


@pytest.mark.parametrize(("vendor", "said"), [("0403", {"baudrate": 9600}), ("", {"baudrate": 9600})])
def test_a_printer_that_answered_on_a_serial_line_is_opened_as_it_answered(vendor: str, said: dict[str, int]) -> None:
    with answering(b"\x10\x04\x01", b"\x16") as node:
        one = Attached(subsystem="tty", node=node, vendor=vendor, serial="A1")
        answer = asked(one)
    assert answer is not None
    [section] = tomllib.loads(suggestions([one], owners={}, kinds=ALL, answers={node: answer}))["devices"].values()
    options_for(section["kind"], section, device_id="printer1")

    assert {name: section[name] for name in said} == said


def test_a_port_that_is_not_there_is_told_with_its_remedy() -> None:
    with pytest.raises(WireError, match="is not there"):
        asked(Attached(subsystem="tty", node="/dev/ttyNONE9"))


async def test_the_status_answer_is_the_one_that_a_printer_gives() -> None:
    """Held against the simulated printer, which shares no code with the question."""
    async with SimulatedPrinter() as printer:
        reader, writer = await asyncio.open_connection(*printer.address.rsplit(":", 1))
        writer.write(b"\x10\x04\x01")
        answer = await reader.readexactly(1)
        writer.close()
        await writer.wait_closed()
    with answering(b"\x10\x04\x01", answer) as node:
        found = await asyncio.to_thread(asked, Attached(subsystem="tty", node=node))
    assert found is not None and found.kind == "escpos_printer"


def test_the_page_says_what_it_means_in_every_line() -> None:
    for line in suggestions(SHOP, owners={}, kinds=ALL).splitlines():
        assert re.match(r"$|# |\[devices\.\w+\]$|(kind|usb|port|adapters) = ", line), line
