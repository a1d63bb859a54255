"""Customer display, cash drawer, commands and their queue: on real pseudo-terminals, read by an independent glass."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.line_display import Characters, Protocol, screen
from devices.drivers import pole_display, serial_drawer
from devices.errors import CommandError, WireError
from devices.model import Health
from devices.supervision.commands import COMMANDS_MAX, Command, OpenDrawer, ShowText
from devices.supervision.outside import DeviceSpec, Outside
from devices.supervision.supervisor import Supervisor
from devices.testing.context import RecordingContext
from devices.testing.customer_display import SimulatedDisplay
from devices.testing.serial_end import SerialEnd
from devices.testing.serial_line import VirtualSerialLine
from tests.devices.driven import driven


class Drawer(SerialEnd):
    """Counts what makes it spring open."""

    def __init__(self, line: VirtualSerialLine) -> None:
        super().__init__(line)
        self.kicks = bytearray()
        self.kicked = asyncio.Event()

    def heard(self, chunk: bytes) -> None:
        self.kicks += chunk
        self.kicked.set()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[VirtualSerialLine]:
    async with VirtualSerialLine(tmp_path / "port", tmp_path / "outside") as made:
        yield made


@pytest.mark.parametrize("protocol", ["cd5220", "escpos"])
async def test_the_customer_reads_name_and_price_in_chinese(line: VirtualSerialLine, protocol: Protocol) -> None:
    ctx = RecordingContext("pole1")
    async with (
        asyncio.timeout(30),
        SimulatedDisplay(line) as glass,
        driven(pole_display.DRIVER, ctx, port=line.device_path, protocol=protocol),
    ):
        await ctx.commands.tell(ShowText(("凍頂烏龍茶 150g", "總計 NT$ 1,280")))
        await glass.shows("凍頂烏龍茶 150g", "總計 NT$ 1,280")
        await ctx.commands.tell(ShowText(("謝謝",)))
        await glass.shows("謝謝", "")


@given(
    lines=st.lists(st.text(max_size=60), max_size=4).map(tuple),
    protocol=st.sampled_from(["cd5220", "escpos"]),
    characters=st.sampled_from(["big5", "big5-hkscs", "gb18030", "ascii"]),
    columns=st.integers(8, 40),
)
def test_any_text_fits_the_glass_and_no_character_is_torn(
    lines: tuple[str, ...], protocol: Protocol, characters: Characters, columns: int
) -> None:
    charset = {"big5": "cp950", "big5-hkscs": "big5hkscs", "gb18030": "gb18030", "ascii": "ascii"}[characters]
    glass = _Glass(charset, columns)
    glass.heard(screen(lines, protocol=protocol, columns=columns, encoding=characters))
    assert len(glass.rows) == 2, "decoded whole"


async def test_the_drawer_springs_open_once_for_each_time_it_is_told(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("drawer1")
    async with Drawer(line) as drawer, driven(serial_drawer.DRIVER, ctx, port=line.device_path, open_bytes="1B70"):
        await ctx.commands.tell(OpenDrawer())
        await drawer.kicked.wait()
        assert bytes(drawer.kicks) == b"\x1bp"


async def test_a_port_without_handshake_lines_says_so(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("drawer1")
    with pytest.raises(WireError, match="status_line"):
        await serial_drawer.DRIVER.run(ctx, serial_drawer.Options(port=line.device_path, status_line="cts"))


async def test_a_device_that_is_away_is_told_nothing_and_nothing_waits_for_it(line: VirtualSerialLine) -> None:
    states: asyncio.Queue[Health] = asyncio.Queue()
    back = asyncio.Event()

    async def until_back(_delay_s: float) -> None:
        await back.wait()

    outside = Outside(
        on_event=_nobody,
        on_status=lambda state: states.put_nowait(state.health),
        now_ms=lambda: 0,
        monotonic_s=time.monotonic,
        rng=random.Random(1),
        sleep=until_back,
    )
    options = serial_drawer.Options(port=line.device_path)
    supervisor = Supervisor([DeviceSpec("drawer1", "serial_drawer", serial_drawer.DRIVER, options)], outside)
    async with asyncio.timeout(30), Drawer(line) as drawer, asyncio.TaskGroup() as group:
        task = group.create_task(supervisor.run(), name="supervisor")
        assert await states.get() is Health.READY
        await supervisor.tell("drawer1", OpenDrawer())
        await drawer.kicked.wait()
        line.unplug()
        assert await states.get() is Health.OFFLINE
        with pytest.raises(CommandError, match="is gone") as refused:
            await supervisor.tell("drawer1", OpenDrawer())
        assert refused.value.reason == "device_offline"
        line.replug()
        back.set()
        assert await states.get() is Health.READY
        assert bytes(drawer.kicks) == b"\x07", "what was refused does not happen later"
        task.cancel()


async def test_a_full_queue_refuses_and_a_newer_text_takes_the_place_of_one_that_waits() -> None:
    ctx = RecordingContext("pole1")
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        told: list[asyncio.Task[None]] = []
        commands: list[Command] = [
            *(OpenDrawer() for _ in range(COMMANDS_MAX - 1)),
            ShowText(("old",)),
            ShowText(("new",)),
        ]
        for command in commands:
            told.append(group.create_task(ctx.commands.tell(command)))
            await asyncio.sleep(0)
        with pytest.raises(CommandError, match="try again"):
            await ctx.commands.tell(OpenDrawer())
        for _ in range(COMMANDS_MAX):
            taken = await ctx.commands.next()
            taken.done()
        assert taken.command == ShowText(("new",))


async def test_whoever_stops_waiting_takes_the_command_back() -> None:
    ctx = RecordingContext("drawer1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ctx.commands.tell(OpenDrawer())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ctx.commands.next()


class _Glass(SimulatedDisplay):
    """A glass without a line."""

    def __init__(self, charset: str, columns: int) -> None:
        super().__init__(VirtualSerialLine(), charset=charset, columns=columns)


async def _nobody(_device_id: str, _event: object) -> None:
    return
