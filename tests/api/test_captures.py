"""`storehub capture` against a running hub: the control socket gives a masked trace, the command writes it as a test."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from devices.plug.capture import Trace
from devices.testing.serial_line import VirtualSerialLine
from hub.client import ProblemError
from hub.commands.capture import capture
from hub.machine_client import MachineClient


async def test_a_running_hub_gives_the_trace_of_its_scanner_and_the_command_writes_one(
    start_hub: Any, pair_till: Any, until: Any, tmp_path: Path
) -> None:
    async with VirtualSerialLine() as line:
        hub = await start_hub(devices={"lane1": {"kind": "serial_scanner", "port": line.device_path}})
        till = await pair_till(hub)
        await until(lambda: till.get("/v1/devices"), lambda answer: answer.json["items"][0]["health"] == "ready")
        async with MachineClient("http://hub", unix_socket=hub.config.control_socket) as client:
            await client.begin_capture("lane1")
            await line.write(b"M-100042\r")
            await until(
                lambda: till.get("/v1/devices"), lambda answer: answer.json["items"][0]["counters"].get("labels") == 1
            )
            trace = await client.end_capture("lane1")
            for device_id, code in (("lane1", "no_capture"), ("lane9", "device")):
                with pytest.raises(ProblemError) as caught:
                    await client.end_capture(device_id)
                assert caught.value.code == code
        await asyncio.to_thread(capture, "lane1", hub.config, seconds=0.01, file=tmp_path / "trace.json")
    (chunk,) = trace.chunks
    assert len(bytes.fromhex(chunk.hex)) == 9 and b"100042" not in bytes.fromhex(chunk.hex)
    assert msgspec.json.decode((tmp_path / "trace.json").read_bytes(), type=Trace).kind == "serial_scanner"


async def test_a_device_that_cannot_be_masked_is_refused(start_hub: Any, tmp_path: Path) -> None:
    hub = await start_hub(devices={"p1": {"kind": "escpos_printer", "address": "127.0.0.1:9"}})
    with pytest.raises(ProblemError) as caught:
        await asyncio.to_thread(capture, "p1", hub.config, seconds=1, file=tmp_path / "trace.json")
    assert caught.value.code == "no_capture" and not (tmp_path / "trace.json").exists()
