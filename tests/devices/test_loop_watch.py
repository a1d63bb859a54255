"""A driver that blocks inside a call, as a C library does: it is named while it lasts, taken off after, its siblings go on."""

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from devices.driver import DeviceContext, DriverOptions
from devices.model import Health, Scan
from devices.supervision.loop_watch import watching_loop
from devices.supervision.supervisor import BACKOFF_MAX_S
from tests.devices.test_supervisor import READY, fails, plugged, running, works

BLOCKED_S = 0.05
WAIT_S = 30.0


class Released(logging.Handler):
    """Lets the blocked call come back as soon as it was logged that this device blocks; a busy machine may stand still, too."""

    device_id: str | None = "bad"

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.event = threading.Event()
        self.said: list[tuple[str, str | None, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.__dict__["device"] == self.device_id:
            self.said.append((record.getMessage(), record.__dict__["device"], record.__dict__["where"]))
            self.event.set()


@pytest.fixture
def released() -> Iterator[Released]:
    handler = Released()
    logging.getLogger("devices.supervision.loop_watch").addHandler(handler)
    yield handler
    logging.getLogger("devices.supervision.loop_watch").removeHandler(handler)


async def test_a_driver_that_blocks_is_named_and_taken_off_and_its_siblings_go_on(released: Released) -> None:
    async def blocks(ctx: DeviceContext, _options: DriverOptions) -> None:
        ctx.status(READY)
        assert released.event.wait(WAIT_S)
        await asyncio.Event().wait()

    async with running({"bad": blocks, "good": works}) as world:
        with watching_loop(world.supervisor.blame, world.supervisor.blocked, blocked_s=BLOCKED_S):
            rest_s = await world.backoffs.get()
            assert await world.events.get() == ("good", Scan(label="good"))
        bad, good = world.supervisor.states()
    assert (
        released.said[0][:2] == ("a driver holds the hub up", "bad")
        and "loop_watch.py:" in released.said[0][2].split(", in ")[0]
    )
    assert (bad.health, bad.reason, bad.counters["blocked"]) == (Health.OFFLINE, "blocked", 1)
    assert "pull the device's plug" in bad.detail and rest_s >= 300
    assert good.health is Health.READY


async def test_a_driver_that_blocked_and_is_plugged_in_anew_is_not_blamed_for_it_later() -> None:
    attempts = 0

    async def blocks_once(ctx: DeviceContext, options: DriverOptions) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            world.supervisor.blocked("lane1", "somewhere")
            world.supervisor.plugged(plugged("lane1"))
            await asyncio.sleep(0)  # where it is cancelled
        await fails(ctx, options)

    async with running({"lane1": blocks_once}) as world:
        rest_s = await world.backoffs.get()
        [state] = world.supervisor.states()
    assert attempts == 2
    assert state.reason == "not_attached" and rest_s <= BACKOFF_MAX_S


async def test_whoever_else_holds_the_loop_up_is_told_and_no_driver_blamed(released: Released) -> None:
    """The block ends while the loop still stands: that does not wait for the sign of life that cannot come."""
    released.device_id = None
    async with running({"good": works}) as world:
        await world.events.get()
        with watching_loop(world.supervisor.blame, world.supervisor.blocked, blocked_s=BLOCKED_S):
            assert released.event.wait(WAIT_S)
        assert world.supervisor.state("good").counters == {}
    assert released.said[0][:2] == ("the hub stands still", None)


async def test_the_watch_ends_with_its_block() -> None:
    with watching_loop(lambda _: None, lambda *_: None):
        assert [each.name for each in threading.enumerate()].count("loop watch") == 1
    assert [each.name for each in threading.enumerate()].count("loop watch") == 0
