"""`storehub capture DEVICE`: a masked trace of a device's wire, from a running hub, as a file that is a test when it is moved."""

import asyncio
import sys
import threading
from pathlib import Path

import msgspec

from devices.plug.capture import CAPTURE_MAX_S, Trace, replay, with_place
from devices.registry import load, options_for
from devices.testing.context import RecordingContext
from hub.commands.asking import ask
from hub.config import Config
from hub.errors import RefusedError


def capture(device_id: str, config: Config, *, seconds: float, file: Path) -> int:
    """Capture for so long, or until Ctrl-C; write the trace with what the driver makes of it."""
    if not 0 < seconds <= CAPTURE_MAX_S:
        raise RefusedError("no_capture", f"--seconds must be above 0 and at most {CAPTURE_MAX_S:g}")
    ask(config, lambda client: client.begin_capture(device_id))
    print(f"capturing {device_id} for {seconds:g} s: use it now; Ctrl-C ends it earlier", file=sys.stderr)
    try:
        threading.Event().wait(seconds)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    trace = asyncio.run(with_events(ask(config, lambda client: client.end_capture(device_id))))
    file.write_bytes(msgspec.json.format(msgspec.json.encode(trace), indent=1) + b"\n")
    said = f"{len(trace.chunks)} chunks, {len(trace.events)} events" + (
        ", cut: it was too long" if trace.is_cut else ""
    )
    print(f"{file}: {said}; look at it, then move it into tests/devices/traces/")
    return 0


async def with_events(trace: Trace) -> Trace:
    """Return the trace with what its driver makes of it."""
    driver = load(trace.kind)
    assert driver.capture is not None, "a trace is of a driver that has captures"
    options = options_for(trace.kind, with_place(trace.options, driver.capture), device_id="trace")
    events = await replay(trace, RecordingContext(), driver.capture, options)
    return msgspec.structs.replace(trace, events=events)
