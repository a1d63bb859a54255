"""A plug pulled and put back a hundred times (./test --full: three hundred): nothing is left, no label lost, nobody else notices.

A real pseudo-terminal, driver and supervisor; only the back-off waits for the test instead of the clock.
"""

import asyncio
import gc
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devices.driver import DeviceContext, Driver, DriverOptions
from devices.model import Health, Scan, StatusUpdate
from devices.plug.attachment import Attached, Match, select
from devices.registry import load, options_for
from devices.supervision.outside import DeviceSpec, DeviceState, Outside
from devices.supervision.supervisor import Supervisor
from devices.testing.serial_line import VirtualSerialLine
from devices.testing.sockets import SimulatedSockets

CYCLES, WARM_UP = (300, 100) if os.environ.get("STOREHUB_FULL") else (100, 40)
RSS_GROWTH_MAX_KIB = 1024  # a leak of a driver's task and files each time would be more
USB = {"serial": "S1"}


class Shop:
    """The hub's side, and the sockets."""

    def __init__(self) -> None:
        self.scans: asyncio.Queue[Scan] = asyncio.Queue()
        self.lane1: asyncio.Queue[Health] = asyncio.Queue()
        self.sibling: list[DeviceState] = []
        self.sockets = SimulatedSockets()

    async def on_event(self, _device_id: str, scan: Scan) -> None:
        await self.scans.put(scan)

    def on_status(self, state: DeviceState) -> None:
        if state.device_id == "lane1":
            self.lane1.put_nowait(state.health)
        else:
            self.sibling.append(state)

    def attached(self, _device_id: str, match: Match, subsystem: str) -> Attached:
        return select(self.sockets.attached(), match, subsystem="tty")

    async def reaches(self, health: Health) -> None:
        while await self.lane1.get() is not health:
            pass


async def _stands(ctx: DeviceContext, _options: DriverOptions) -> None:
    ctx.status(StatusUpdate(Health.READY))
    while True:
        ctx.heartbeat()
        await asyncio.sleep(1)


@asynccontextmanager
async def running(shop: Shop) -> AsyncIterator[Supervisor]:
    never = asyncio.Event()
    outside = Outside(
        on_event=shop.on_event,
        on_status=shop.on_status,
        now_ms=lambda: 1,
        monotonic_s=time.monotonic,
        rng=random.Random(7),
        sleep=lambda _: never.wait(),
        attached=shop.attached,
    )
    section = {"usb": USB}
    lane1 = DeviceSpec(
        "lane1", "serial_scanner", load("serial_scanner"), options_for("serial_scanner", section, device_id="lane1")
    )
    stands = DeviceSpec("scale", "made_up", Driver("Scale", "", "", DriverOptions, _stands), DriverOptions())
    supervisor = Supervisor([lane1, stands], outside)
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run(), name="supervisor")
        with shop.sockets.watching(supervisor.plugged, lambda _: None):
            yield supervisor
        task.cancel()


def left_behind() -> tuple[int, int]:
    """Return open files and tasks."""
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), len(asyncio.all_tasks())


def rss_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def test_plugs_pulled_and_put_back_leave_nothing_behind_and_disturb_nobody() -> None:
    shop = Shop()
    async with VirtualSerialLine() as line, running(shop) as supervisor:
        line.unplug()
        before, rss_before = (0, 0), 0
        for cycle in range(CYCLES):
            line.replug()
            shop.sockets.plug(Attached(subsystem="tty", node=line.device_path, serial="S1"))
            await shop.reaches(Health.READY)
            await line.write(b"96385074\r")
            assert (await shop.scans.get()).gtin == "00000096385074"
            pulled = line.device_path
            line.unplug()
            shop.sockets.pull(pulled)
            await shop.reaches(Health.OFFLINE)
            if cycle == WARM_UP:
                before, rss_before = left_behind(), rss_kib()
        assert left_behind() == before
        assert rss_kib() - rss_before <= RSS_GROWTH_MAX_KIB
        lane1, scale = supervisor.states()
    assert lane1.counters["labels"] == CYCLES and lane1.reason == "not_attached"
    assert [state.health for state in shop.sibling] == [Health.READY] and scale.counters == {}
