"""A cable from a simulated printer to the other end of a pseudo-terminal, as a serial or USB printer hangs on a node.

Bytes are carried both ways by the loop's callbacks; there is no task. Not here: the printer (devices.testing.printer).
"""

import asyncio
import os
from types import TracebackType
from typing import Self

from devices.testing.printer import SimulatedPrinter

READ_BYTES = 4_096


class PrinterCable(asyncio.Protocol):
    """`async with PrinterCable(printer, line.outside_path):` the printer is at the hub's end of the line."""

    def __init__(self, printer: SimulatedPrinter, node: str) -> None:
        self._printer, self._node = printer, node
        self._descriptor = -1
        self._transport: asyncio.Transport | None = None

    async def __aenter__(self) -> Self:
        host, _, port = self._printer.address.rpartition(":")
        loop = asyncio.get_running_loop()
        self._descriptor = os.open(self._node, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        await loop.create_connection(lambda: self, host.strip("[]"), int(port))
        loop.add_reader(self._descriptor, self._on_readable)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        assert self._transport is not None
        self._transport.abort()
        os.close(self._descriptor)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        os.write(self._descriptor, data)  # answers are a few bytes; a line that takes none of them is a failing test

    def _on_readable(self) -> None:
        assert self._transport is not None
        try:
            self._transport.write(os.read(self._descriptor, READ_BYTES))
        except BlockingIOError:
            return
        except OSError:  # the hub's end is closed
            asyncio.get_running_loop().remove_reader(self._descriptor)
