"""The scanner that types, under the real supervisor: a named pipe carries the kernel's own bytes through the reading code.

What only a kernel can do (EVIOCGRAB, ENODEV, SYN_DROPPED of its own) is for a machine with uinput.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devices.drivers.hid_scanner import Options
from devices.model import Health, Scan
from devices.plug.attachment import Attached, Match
from devices.registry import options_for
from devices.testing.hid_keyboard import DROPPED, SYNCHRONISED
from devices.testing.scanners import VirtualHidScanner
from tests.devices.scanner_world import running


@pytest.fixture
async def scanner(tmp_path: Path) -> AsyncIterator[VirtualHidScanner]:
    async with VirtualHidScanner(tmp_path / "event7") as made:
        yield made


def options(scanner: VirtualHidScanner, **given: object) -> Options:
    return Options(path=scanner.device_path, **given)


async def test_a_scan_reaches_the_hub(scanner: VirtualHidScanner) -> None:
    async with running(options(scanner)) as hub:
        await hub.reaches(Health.READY)
        await scanner.scan("]E05901234123457")
        assert await hub.scans.get() == Scan(label="5901234123457", symbology="EAN-13", gtin="05901234123457")


async def test_what_is_under_way_when_the_device_is_opened_is_no_label(scanner: VirtualHidScanner) -> None:
    await scanner.send(
        b"".join(scanner.events("5901234123457")[12:])
    )  # the first keys went to whoever was there before
    async with running(options(scanner)) as hub:
        await hub.reaches(Health.READY)
        await scanner.scan("96385074")
        assert (await hub.scans.get()).label == "96385074"
        assert hub.counters == {"labels_cut": 1, "labels": 1}


async def test_gs1_data_reaches_the_hub_with_its_separators(tmp_path: Path) -> None:
    async with (
        VirtualHidScanner(tmp_path / "event7", layout="german", group_separator="alt") as scanner,
        running(options(scanner, layout="german")) as hub,
    ):
        await hub.reaches(Health.READY)
        await scanner.scan("]d2010703206980498810L1\x1d17261231")
        assert (await hub.scans.get()).ais == {"01": "07032069804988", "10": "L1", "17": "261231"}


async def test_a_member_code_of_a_qr_code_comes_whole(scanner: VirtualHidScanner) -> None:
    async with running(options(scanner)) as hub:
        await hub.reaches(Health.READY)
        await scanner.scan("urn:storehub:member:3f2a-Q")
        assert (await hub.scans.get()).label == "urn:storehub:member:3f2a-Q"


async def test_without_a_suffix_silence_ends_a_label(scanner: VirtualHidScanner) -> None:
    async with running(options(scanner, suffix="none", idle_flush_ms=10)) as hub:
        await hub.reaches(Health.READY)
        await scanner.send(b"".join(scanner.events("96385074")[:-2]))  # all but Enter
        assert (await hub.scans.get()).label == "96385074"


async def test_a_label_that_lost_events_is_refused_and_the_next_one_is_whole(scanner: VirtualHidScanner) -> None:
    async with running(options(scanner)) as hub:
        await hub.reaches(Health.READY)
        keys = scanner.events("5901234123457")
        await scanner.send(b"".join([*keys[:9], DROPPED, keys[9], SYNCHRONISED, *keys[20:]]))
        assert await hub.scans.get() == Scan(label="", error="cut")
        await scanner.scan("96385074")
        assert (await hub.scans.get()).label == "96385074"
        assert hub.counters == {"labels_cut": 1, "labels": 1}


async def test_labels_are_never_logged(scanner: VirtualHidScanner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running(options(scanner, idle_flush_ms=10)) as hub:
            await hub.reaches(Health.READY)
            await scanner.scan("SECRET-CARD")
            await hub.scans.get()
            await scanner.scan("SECRET-CARD", "torn")
            await hub.scans.get()
    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert logged and not any("SECRET" in line for line in logged)


async def test_a_plug_pulled_half_way_is_reported_and_comes_back(scanner: VirtualHidScanner) -> None:
    async with running(options(scanner, idle_flush_ms=10_000)) as hub:
        await hub.reaches(Health.READY)
        await scanner.scan("96385074")
        await hub.scans.get()
        await scanner.send(b"".join(scanner.events("5901234123457")[:9]))
        scanner.unplug()
        gone = await hub.reaches(Health.OFFLINE)
        assert gone.reason == "not_attached" and "is gone" in gone.detail
        await scanner.scan("5901234123457")
        scanner.replug()
        await hub.reaches(Health.READY)
        await scanner.scan("96385074")
        assert (await hub.scans.get()).label == "96385074"
        assert hub.counters["labels_cut"] == 1 and hub.counters["labels"] == 2


async def test_a_hub_that_does_not_read_slows_the_scanner_and_loses_nothing(scanner: VirtualHidScanner) -> None:
    async with running(options(scanner)) as hub:
        hub.scans = asyncio.Queue(1)
        await hub.reaches(Health.READY)
        sent = [f"M{number:05}" for number in range(500)]
        async with asyncio.TaskGroup() as group:
            group.create_task(_scan_all(scanner, sent), name="device")
            assert [(await hub.scans.get()).label for _ in sent] == sent


async def _scan_all(scanner: VirtualHidScanner, labels: list[str]) -> None:
    for label in labels:
        await scanner.scan(label)


async def test_twins_are_told_apart_by_their_plug(scanner: VirtualHidScanner) -> None:
    twins = [
        Attached(subsystem="input", node=node, vendor="05e0", product="1200", port_path=port)
        for node, port in (("/dev/null", "pci-usb-1"), (scanner.device_path, "pci-usb-2"))
    ]
    match = Match(vendor="05E0", product="1200", port_path="pci-usb-2")
    async with running(Options(usb=match), prepare=lambda hub: hub.attached.extend(twins)) as hub:
        await hub.reaches(Health.READY)
        await scanner.scan("96385074")
        assert (await hub.scans.get()).label == "96385074"
    async with running(Options(usb=Match(vendor="05e0")), prepare=lambda hub: hub.attached.extend(twins)) as hub:
        state = await hub.reaches(Health.OFFLINE)
        assert state.reason == "ambiguous" and "say `port_path` as well" in state.detail


async def test_a_missing_device_is_reported_with_its_remedy(tmp_path: Path) -> None:
    async with running(Options(path=str(tmp_path / "event7"))) as hub:
        state = await hub.reaches(Health.OFFLINE)
        assert state.reason == "not_attached" and "is not there: plug it in" in state.detail


async def test_a_hub_without_evdev_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)  # what Python does for a module that is not there
    async with running(Options(path="/dev/null")) as hub:
        state = await hub.reaches(Health.OFFLINE)
        assert state.reason == "no_library" and "pip install 'store-hub[hid]'" in state.detail


async def test_a_file_that_is_no_input_device_is_reported() -> None:
    pytest.importorskip("evdev", reason="evdev is not installed")
    async with running(Options(path=os.devnull)) as hub:
        assert (await hub.reaches(Health.OFFLINE)).reason == "wrong_node"


def test_options_are_refused_with_the_remedy() -> None:
    with pytest.raises(Exception, match=r"lane1: say where the device is, once"):
        options_for("hid_scanner", {"kind": "hid_scanner"}, device_id="lane1")
    with pytest.raises(Exception, match=r"lane1: option 'layout': invalid enum value 'french'"):
        options_for("hid_scanner", {"path": "/dev/x", "layout": "french"}, device_id="lane1")
