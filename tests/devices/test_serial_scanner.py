"""The serial scanner on real pseudo-terminals under the real supervisor: labels, damage, and the plug pulled."""

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devices.drivers.serial_scanner import Options
from devices.model import Health, Scan
from devices.testing.serial_line import VirtualSerialLine
from tests.devices.scanner_world import running


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[VirtualSerialLine]:
    async with VirtualSerialLine(tmp_path / "scanner", tmp_path / "outside") as made:
        yield made


def options(line: VirtualSerialLine, **given: object) -> Options:
    return Options(port=line.device_path, **given)


async def test_a_scan_reaches_the_hub(line: VirtualSerialLine) -> None:
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"]E05901234123457\r\n")
        assert await hub.scans.get() == Scan(label="5901234123457", symbology="EAN-13", gtin="05901234123457")


async def test_a_line_that_is_never_silent_is_read_all_the_same(
    line: VirtualSerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.drivers._scanner.SETTLE_MAX_S", 0.2)
    async with running(options(line)) as hub, asyncio.TaskGroup() as group:
        noise = group.create_task(_chatter(line), name="noise")
        await hub.reaches(Health.READY)
        assert (await hub.scans.get()).label
        noise.cancel()


async def _chatter(line: VirtualSerialLine) -> None:
    while True:
        await line.write(b"96385074\r")
        await asyncio.sleep(0.01)


async def test_anyone_may_open_and_close_the_outside_end(line: VirtualSerialLine) -> None:
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        for label in ("96385074", "5901234123457"):
            outside = os.open(line.outside_path, os.O_WRONLY | os.O_NOCTTY)
            os.write(outside, label.encode() + b"\r")
            os.close(outside)
            assert (await hub.scans.get()).label == label
        assert hub.states.empty(), "the hub's end must not notice"


async def test_a_store_template_gives_weight(line: VirtualSerialLine) -> None:
    async with running(options(line, variable_measures=("23IIIIIIWWWWC",))) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"2302148210869\r")
        scan = await hub.scans.get()
        assert scan.gtin == "02302148200006" and scan.measure is not None and scan.measure.value == 1086


async def test_without_a_suffix_silence_ends_a_label(line: VirtualSerialLine) -> None:
    async with running(options(line, suffix="none", idle_flush_ms=10)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"5901234123457")
        assert (await hub.scans.get()).gtin == "05901234123457"


async def test_a_cut_label_is_refused_and_the_next_one_is_whole(line: VirtualSerialLine) -> None:
    async with running(options(line, idle_flush_ms=10)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"590123")
        assert await hub.scans.get() == Scan(label="", error="cut")
        await line.write(b"96385074\r")
        assert (await hub.scans.get()).gtin == "00000096385074"


async def test_a_doubled_label_is_two_scans(line: VirtualSerialLine) -> None:
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"96385074\r96385074\r")
        assert await hub.scans.get() == await hub.scans.get()


async def test_a_line_of_1_mb_is_one_refusal_and_one_log_line(
    line: VirtualSerialLine, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"7" * 1_000_000 + b"\r96385074\r")
        assert await hub.scans.get() == Scan(label="", error="too_long")
        assert (await hub.scans.get()).label == "96385074"
        assert hub.counters == {"labels_too_long": 1, "labels": 1}
    assert [record.message for record in caplog.records].count("label refused; check baudrate, prefix and suffix") == 1


async def test_a_burst_of_junk_is_counted_whole_but_told_once(
    line: VirtualSerialLine, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(options(line, idle_flush_ms=10_000)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"\xff\x00\xfe\r" * 500 + b"96385074\r")
        assert await hub.scans.get() == Scan(label="", error="not_text")
        assert (await hub.scans.get()).label == "96385074"
        assert hub.counters == {"labels_not_text": 500, "labels": 1}
    assert len([record for record in caplog.records if record.name.endswith("_scanner")]) == 1


async def test_three_scans_that_nobody_can_read_are_a_setting_and_a_good_label_says_otherwise(
    line: VirtualSerialLine,
) -> None:
    """As with a wrong baudrate: the scanner is there, and what it sends is nonsense."""
    async with running(options(line, idle_flush_ms=10)) as hub:
        await hub.reaches(Health.READY)
        heard = 0
        while heard < 3:  # what comes without a pause is one scan: the next is sent once it was quiet
            await line.write(b"\xff\x00\xfe\r")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    assert (await hub.scans.get()).error == "not_text"
                    heard += 1
        degraded = await hub.reaches(Health.DEGRADED)
        assert degraded.reason == "unreadable" and "check baudrate, prefix and suffix" in degraded.detail
        await line.write(b"96385074\r")
        await hub.reaches(Health.READY)


async def test_a_wrong_check_digit_is_told_to_the_till(line: VirtualSerialLine) -> None:
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"5901234123458\r")
        assert await hub.scans.get() == Scan(label="5901234123458", error="check_digit")


async def test_labels_are_never_logged(line: VirtualSerialLine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running(options(line, idle_flush_ms=10)) as hub:
            await hub.reaches(Health.READY)
            await line.write(b"SECRET-CARD\rSECRET\x00CARD\r")
            await hub.scans.get()
            await hub.scans.get()
    logged = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert logged and not any("SECRET" in line for line in logged)


async def test_a_plug_pulled_half_way_is_reported_and_comes_back(line: VirtualSerialLine) -> None:
    async with running(options(line, idle_flush_ms=10_000)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"5901234123457\r59012")
        await hub.scans.get()
        line.unplug()
        gone = await hub.reaches(Health.OFFLINE)
        assert gone.reason == "not_attached" and "is gone" in gone.detail
        line.replug()
        await hub.reaches(Health.READY)
        await line.write(b"96385074\r")
        assert (await hub.scans.get()).label == "96385074"
        assert hub.counters["labels_cut"] <= 1 and hub.counters["labels"] == 2


async def test_a_plug_pulled_while_the_device_writes_ends_the_write_and_the_line_works_again(
    line: VirtualSerialLine,
) -> None:
    async with asyncio.TaskGroup() as group:
        for name in ("device", "another writer"):
            group.create_task(line.write(b"5" * 300_000), name=name)  # nobody reads: the line is full
        await asyncio.sleep(0)
        line.unplug()
    line.replug()
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"96385074\r")
        assert (await hub.scans.get()).label == "96385074"


async def test_what_is_sent_while_unplugged_is_lost_and_not_late(line: VirtualSerialLine) -> None:
    async with running(options(line)) as hub:
        await hub.reaches(Health.READY)
        line.unplug()
        await hub.reaches(Health.OFFLINE)
        await line.write(b"5901234123457\r" * 2000)
        line.replug()
        await hub.reaches(Health.READY)
        await line.write(b"96385074\r")
        assert (await hub.scans.get()).label == "96385074"


async def test_a_missing_port_is_reported_with_its_remedy(tmp_path: Path) -> None:
    async with running(Options(port=str(tmp_path / "scanner"))) as hub:
        state = await hub.reaches(Health.OFFLINE)
        assert state.detail.startswith(f"{tmp_path}/scanner is not there: plug it in, or correct its place")


async def test_a_port_in_use_is_reported_with_its_remedy(line: VirtualSerialLine) -> None:
    other = os.open(line.device_path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        async with running(options(line)) as hub:
            assert "is in use by another program" in (await hub.reaches(Health.OFFLINE)).detail
    finally:
        os.close(other)


async def test_a_file_that_is_no_serial_port_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    async with running(Options(port=str(tmp_path / "file"))) as hub:
        assert "is no such device" in (await hub.reaches(Health.OFFLINE)).detail


async def test_a_hub_that_does_not_read_slows_the_scanner_and_loses_nothing(line: VirtualSerialLine) -> None:
    async with running(options(line)) as hub:
        hub.scans = asyncio.Queue(1)
        await hub.reaches(Health.READY)
        sent = [f"M{number:05}" for number in range(3000)]
        async with asyncio.TaskGroup() as group:
            group.create_task(line.write("\r".join([*sent, ""]).encode()), name="device")
            assert [(await hub.scans.get()).label for _ in sent] == sent
