"""One scanner under the real supervisor, and what the hub sees of it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from devices import registry
from devices.driver import DriverOptions
from devices.model import Event, Health, Scan
from devices.plug.attachment import Attached, Match, Subsystem, select
from devices.supervision.outside import DeviceSpec, DeviceState, Outside
from devices.supervision.supervisor import Supervisor

TEST_TIMEOUT_S = 60.0


class Hub:
    """What the hub sees of one scanner; `attached` is what udev would say."""

    def __init__(self) -> None:
        self.scans: asyncio.Queue[Scan] = asyncio.Queue()
        self.states: asyncio.Queue[DeviceState] = asyncio.Queue()
        self.attached: list[Attached] = []
        self.supervisor: Supervisor

    async def on_event(self, _device_id: str, event: Event) -> None:
        assert isinstance(event, Scan)
        await self.scans.put(event)

    def find(self, _device_id: str, match: Match, subsystem: Subsystem) -> Attached:
        return select(self.attached, match, subsystem=subsystem)

    async def reaches(self, health: Health) -> DeviceState:
        while (state := await self.states.get()).health is not health:
            pass
        return state

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.supervisor.state("lane1").counters)


@asynccontextmanager
async def running(options: DriverOptions, *, prepare: Callable[[Hub], None] = lambda _: None) -> AsyncIterator[Hub]:
    hub = Hub()
    prepare(hub)
    outside = Outside(
        on_event=hub.on_event,
        on_status=hub.states.put_nowait,
        now_ms=lambda: 0,
        monotonic_s=time.monotonic,
        rng=random.Random(1),
        sleep=lambda _delay_s: asyncio.sleep(0),
        attached=hub.find,
    )
    kind = type(options).__module__.rpartition(".")[2]
    hub.supervisor = Supervisor([DeviceSpec("lane1", kind, registry.load(kind), options)], outside)
    async with asyncio.timeout(TEST_TIMEOUT_S), asyncio.TaskGroup() as group:
        task = group.create_task(hub.supervisor.run(), name="supervisor")
        yield hub
        task.cancel()
