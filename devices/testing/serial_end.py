"""The device's end of a VirtualSerialLine: whoever plays a device gets the hub's bytes as they come."""

import asyncio
import contextlib
import os
from abc import ABC, abstractmethod
from typing import Self

from devices.testing.serial_line import VirtualSerialLine

CHUNK_BYTES = 4096


class SerialEnd(ABC):
    """Enter it inside the line. A subclass overrides `heard`."""

    def __init__(self, line: VirtualSerialLine) -> None:
        self.line = line
        self._fd = -1

    async def __aenter__(self) -> Self:
        self._fd = os.open(self.line.outside_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._fd, self._on_readable)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    @abstractmethod
    def heard(self, chunk: bytes) -> None:
        """Take what the hub sent."""

    def say(self, sent: bytes) -> None:
        """Send to the hub."""
        os.write(self._fd, sent)

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.heard(os.read(self._fd, CHUNK_BYTES))
