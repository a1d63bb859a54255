"""Traces: every one in traces/ is what its driver still makes of it; and how one comes about on a running device."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from devices import registry
from devices.driver import Capture
from devices.drivers.hid_scanner import Options as HidOptions
from devices.drivers.serial_scanner import Options
from devices.errors import OptionError
from devices.model import Health
from devices.plug.capture import CAPTURE_MAX_BYTES, CAPTURE_MAX_S, Tap, Trace, told
from devices.plug.masking import masked_labels
from devices.registry import load
from devices.testing.serial_line import VirtualSerialLine
from hub.commands.capture import with_events
from tests.devices.scanner_world import running

TRACES = sorted((Path(__file__).parent / "traces").glob("*.json"))
SALT = b"s" * 32


@pytest.mark.parametrize("file", TRACES, ids=lambda file: file.stem)
async def test_a_trace_is_still_read_as_it_was(file: Path) -> None:
    trace = msgspec.json.decode(file.read_bytes(), type=Trace)
    assert trace.events and (await with_events(trace)).events == trace.events


def test_there_are_traces() -> None:
    kinds = {msgspec.json.decode(file.read_bytes(), type=Trace).kind for file in TRACES}
    assert kinds == {kind for kind in registry.kinds() if load(kind).capture is not None}


async def test_what_comes_while_somebody_captures_is_masked_and_replayed(tmp_path: Path) -> None:
    async with VirtualSerialLine() as line, running(Options(port=line.device_path, idle_flush_ms=50)) as hub:
        await hub.reaches(Health.READY)
        await line.write(b"EARLIER\r")
        await hub.scans.get()
        hub.supervisor.capture("lane1")
        for label in (b"M-100042\r", b"5901234123457\r", b"5901234123458\r"):
            await line.write(label)
            await hub.scans.get()
        trace = hub.supervisor.captured("lane1", SALT)
        assert trace is not None and hub.supervisor.captured("lane1", SALT) is None
        await line.write(b"LATER\r")
        await hub.scans.get()
    whole = json.dumps(msgspec.to_builtins(trace)) + b"".join(bytes.fromhex(each.hex) for each in trace.chunks).decode()
    assert not [word for word in ("100042", "34123457", "EARLIER", "LATER", line.outside_path) if word in whole]
    assert trace.options == {"idle_flush_ms": 50} and not trace.is_cut
    events = (await with_events(trace)).events
    assert [len(event["label"]) for event in events] == [8, 13, 13]
    assert [event.get("error") for event in events] == [None, None, "check_digit"]


async def test_a_silence_that_ended_a_label_ends_it_in_the_replay() -> None:
    chunks = [{"after_ms": 5, "hex": b"590123".hex()}, {"after_ms": 300, "hex": b"4123457\r".hex()}]
    trace = msgspec.convert({"kind": "serial_scanner", "options": {}, "chunks": chunks}, Trace)
    assert (await with_events(trace)).events[0]["error"] == "cut"


async def test_nothing_is_kept_of_a_kind_that_nobody_could_mask() -> None:
    assert load("escpos_printer").capture is None and load("ble_beacons").uncaptured
    async with VirtualSerialLine() as line, running(Options(port=line.device_path)) as hub:
        with pytest.raises(KeyError):
            hub.supervisor.capture("lane9")
        assert hub.supervisor.captured("lane1", SALT) is None


def test_a_trace_has_a_bound_and_says_that_it_was_cut() -> None:
    tap = Tap(lambda: 0.0)
    for _ in range(20):
        tap.take(b"x" * (CAPTURE_MAX_BYTES // 16))
    trace = tap.trace(
        "serial_scanner", Options(port="/dev/ttyS0"), Capture(masked_labels, load("serial_scanner").run), salt=SALT
    )
    assert len(trace.chunks) == 16 and trace.is_cut


def test_a_capture_that_nobody_ends_is_over_by_itself() -> None:
    clock_s = 0.0
    tap = Tap(lambda: clock_s)
    assert not tap.is_over
    clock_s = CAPTURE_MAX_S + 1
    assert tap.is_over


def test_where_a_device_is_is_no_part_of_a_trace() -> None:
    assert told(HidOptions(path="/dev/input/by-id/usb-SERIAL-event-kbd", layout="german")) == {"layout": "german"}


def test_options_of_a_trace_are_checked_as_a_configuration_is() -> None:
    trace = Trace("serial_scanner", {"sufix": "cr"}, [])
    with pytest.raises(OptionError, match="did you mean 'suffix'"):
        asyncio.run(with_events(trace))
