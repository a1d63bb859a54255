"""The one way in which drivers open a serial port: what is sent has gone out, what hangs is said, on real pseudo-terminals."""

import asyncio
import os

import msgspec
import pytest

from devices.drivers import _serial_port
from devices.drivers._printer_lines import SerialLine
from devices.drivers._serial_port import SerialOptions, opened
from devices.errors import WireError
from devices.registry import options_for
from devices.testing.context import RecordingContext
from devices.testing.serial_line import VirtualSerialLine

MORE_THAN_A_LINE_HOLDS = bytes(200_000)  # beyond what the kernel takes for a reader that is not there
LESS_THAN_A_WRITER_KEEPS = bytes(50_000)


async def test_a_device_that_takes_nothing_any_more_is_said_and_not_taken_for_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_serial_port, "WRITE_TIMEOUT_S", 0.1)
    async with VirtualSerialLine() as line:
        with pytest.raises(WireError, match="takes no bytes") as caught:
            async with opened(RecordingContext(), SerialOptions(port=line.device_path)) as port:
                await port.write(LESS_THAN_A_WRITER_KEEPS)

    assert caught.value.reason == "no_answer"


async def test_a_printer_that_takes_nothing_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_serial_port, "WRITE_TIMEOUT_S", 0.0)
    async with (
        VirtualSerialLine() as line,
        opened(RecordingContext(), SerialOptions(port=line.device_path)) as port,
        asyncio.TaskGroup() as group,
    ):
        printer = SerialLine(port)
        printer.write(MORE_THAN_A_LINE_HOLDS)
        drained = group.create_task(printer.drain(), name="drain")
        done, _ = await asyncio.wait({drained}, timeout=0.2)
        assert not done
        descriptor = os.open(line.outside_path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            asyncio.get_running_loop().add_reader(descriptor, os.read, descriptor, 4_096)
            async with asyncio.timeout(30):
                await drained
        finally:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


async def test_a_port_that_is_slow_to_close_hides_nothing_that_went_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_serial_port, "CLOSE_TIMEOUT_S", 0.0)
    async with VirtualSerialLine() as line:
        with pytest.raises(WireError, match="the printer hung up"):
            async with opened(RecordingContext(), SerialOptions(port=line.device_path)):
                raise WireError("the printer hung up", reason="connection_lost")

    assert "slow to close" in caplog.text


@pytest.mark.parametrize("kind", ["escpos_printer", "zpl_printer", "serial_scanner", "toledo_scale"])
@pytest.mark.parametrize("handshake", ["none", "rts_cts", "xon_xoff"])
def test_every_driver_with_a_serial_port_names_the_handshake_alike(kind: str, handshake: str) -> None:
    options = options_for(kind, {"port": "/dev/ttyS1", "handshake": handshake}, device_id="one")

    assert msgspec.structs.asdict(options)["handshake"] == handshake
