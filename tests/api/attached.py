"""Devices of a counter on cables of this process: configuration sections, and who plays the device's end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from devices.testing.customer_display import SimulatedDisplay
from devices.testing.scale import SimulatedScale
from devices.testing.serial_line import VirtualSerialLine


class Attached:
    """A scanner `s1` (its cable), an empty scale `w1`, a customer display `d1`."""

    def __init__(self, scanner: VirtualSerialLine, scale: SimulatedScale, display: SimulatedDisplay) -> None:
        self.scanner, self.scale, self.display = scanner, scale, display

    @property
    def sections(self) -> dict[str, Any]:
        """Their sections of the configuration."""
        return {
            "s1": {"kind": "serial_scanner", "port": self.scanner.device_path},
            "w1": {"kind": "toledo_scale", "port": self.scale.line.device_path, "poll_ms": 100},
            "d1": {"kind": "pole_display", "port": self.display.line.device_path},
        }


@asynccontextmanager
async def attached() -> AsyncIterator[Attached]:
    """Plug them in."""
    async with (
        VirtualSerialLine() as scanner,
        VirtualSerialLine() as weighing,
        VirtualSerialLine() as showing,
        SimulatedScale(weighing) as scale,
        SimulatedDisplay(showing) as display,
    ):
        yield Attached(scanner, scale, display)
