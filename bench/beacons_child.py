"""The hearing end of the benchmark `beacons`, a process of its own so that its processor time is that of hearing alone.

    python -m bench.beacons_child driver|bleak

`driver` runs the driver on the bus of DBUS_SYSTEM_BUS_ADDRESS, `bleak` a scanner whose callback does nothing. Each line on
standard input is answered by one on standard output: processor seconds so far, and advertisements heard.
"""

import asyncio
import sys
import time
from contextlib import suppress

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs

from bench.beacons_load import OPTIONS
from devices.drivers.ble_beacons import DRIVER
from devices.testing.context import RecordingContext


async def main(mode: str) -> None:
    """Hear until standard input ends."""
    ctx = RecordingContext("radio")
    async with asyncio.TaskGroup() as group:
        run = DRIVER.run(ctx, OPTIONS) if mode == "driver" else _scan(ctx)
        task = group.create_task(_until_cancelled(run), name="hear")
        await asyncio.to_thread(_answer, ctx)
        task.cancel()


def _answer(ctx: RecordingContext) -> None:
    for _ in sys.stdin:
        print(time.process_time(), ctx.counters["adverts"], flush=True)


async def _until_cancelled(run) -> None:  # type: ignore[no-untyped-def]  # any coroutine
    with suppress(asyncio.CancelledError):
        await run


async def _scan(ctx: RecordingContext) -> None:
    options = BlueZScannerArgs(adapter="hci0", filters={"DuplicateData": True})

    def hear(_device: object, _advertisement: object) -> None:
        ctx.counters["adverts"] += 1

    async with BleakScanner(hear, bluez=options):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
