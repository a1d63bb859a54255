"""Simulated printers in a process of their own. Usage: python -m bench.printers COUNT -> one line of addresses.

They print at once, do not read their paper and run at the lowest priority: a real printer takes none of the hub's CPU.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack

from devices.testing.printer import SimulatedPrinter, _Connection

NICENESS = 19
ORDERED_STATUS = b"\x1dr\x01"  # GS r 1: the only command behind the document that wants an answer


class BlankPrinter(SimulatedPrinter):
    """The simulated printer without its reader: byte by byte it costs more than the hub's whole sale."""

    _tail = b""

    def _received(self, data: bytes, _requests: int, connection: _Connection) -> None:
        seen = self._tail + data
        self._tail = seen[1 - len(ORDERED_STATUS) :]
        for _ in range(seen.count(ORDERED_STATUS)):
            connection.answer(self.ordered_status(1))


async def serve(count: int) -> None:
    """Print until standard input is closed."""
    async with AsyncExitStack() as stack:
        printers = [await stack.enter_async_context(BlankPrinter()) for _ in range(count)]
        print(" ".join(printer.address for printer in printers), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    os.nice(NICENESS)
    asyncio.run(serve(int(sys.argv[1])))
