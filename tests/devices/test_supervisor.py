"""The supervisor with drivers written for the purpose: one falls, the others stand; back-off; stuck; one log line."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import DeviceContext, Driver, DriverOptions
from devices.errors import DeviceError, OptionError, WireError
from devices.model import Health, Scan, StatusUpdate
from devices.plug.attachment import Attached, Match
from devices.supervision.device_context import DEVICE_QUEUE_MAX
from devices.supervision.outside import DeviceSpec, DeviceState, Outside
from devices.supervision.supervisor import BACKOFF_FIRST_S, BACKOFF_MAX_S, HEALTHY_S, Supervisor, backoff_s

READY = StatusUpdate(Health.READY)
TEST_TIMEOUT_S = 60.0
Run = Callable[[DeviceContext, Any], Awaitable[None]]


class World:
    """The hub's side: what it was told, and a back-off that ends when the test lets it."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[str, Scan]] = asyncio.Queue()
        self.states: asyncio.Queue[DeviceState] = asyncio.Queue()
        self.backoffs: asyncio.Queue[float] = asyncio.Queue()
        self.may_retry: asyncio.Queue[None] = asyncio.Queue()
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.clock_s: float | None = None
        self.supervisor: Supervisor

    def monotonic_s(self) -> float:
        return time.monotonic() if self.clock_s is None else self.clock_s

    async def on_event(self, device_id: str, event: Scan) -> None:
        await self.may_take.wait()
        await self.events.put((device_id, event))

    async def sleep(self, delay_s: float) -> None:
        await self.backoffs.put(delay_s)
        await self.may_retry.get()

    async def retries(self) -> float:
        delay_s = await self.backoffs.get()
        await self.may_retry.put(None)
        return delay_s


@asynccontextmanager
async def running(runs: dict[str, Run], **given: Any) -> AsyncIterator[World]:
    world = World()
    outside = Outside(
        on_event=given.pop("on_event", world.on_event),
        on_status=world.states.put_nowait,
        now_ms=lambda: 1_700_000_000_000,
        monotonic_s=world.monotonic_s,
        rng=random.Random(7),
        sleep=world.sleep,
        **given,
    )
    world.supervisor = Supervisor(
        [spec(device_id, run, AtPlug(Match(serial=device_id))) for device_id, run in runs.items()], outside
    )
    async with asyncio.timeout(TEST_TIMEOUT_S), asyncio.TaskGroup() as group:
        task = group.create_task(world.supervisor.run(), name="supervisor")
        yield world
        task.cancel()


class AtPlug(DriverOptions, frozen=True):
    """The options of a device that is found by its serial number, which is its name here."""

    usb: Match


def spec(device_id: str, run: Run, options: DriverOptions = DriverOptions()) -> DeviceSpec:  # noqa: B008 - frozen
    return DeviceSpec(device_id, "made_up", Driver("Scanner", "", "", type(options), run), options)


async def works(ctx: DeviceContext, _options: DriverOptions) -> None:
    ctx.status(READY)
    await ctx.emit(Scan(label=ctx.device_id))
    await asyncio.Event().wait()


async def fails(_ctx: DeviceContext, _options: DriverOptions) -> None:
    raise WireError("/dev/x is gone")


async def has_a_bug(_ctx: DeviceContext, _options: DriverOptions) -> None:
    raise ZeroDivisionError("label 5901234123457")


async def ends(_ctx: DeviceContext, _options: DriverOptions) -> None:
    return


async def cancels_itself(_ctx: DeviceContext, _options: DriverOptions) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("run", "reason"),
    [(fails, "not_attached"), (has_a_bug, "driver_failed"), (ends, "ended"), (cancels_itself, "ended")],
)
async def test_a_driver_that_ends_is_reported_and_run_again_and_its_siblings_stand(run: Run, reason: str) -> None:
    async with running({"bad": run, "good": works}) as world:
        assert await world.events.get() == ("good", Scan(label="good"))
        for _ in range(3):
            await world.retries()
        await world.backoffs.get()
        bad, good = world.supervisor.states()
        assert (bad.health, bad.reason, bad.counters["reconnects"]) == (Health.OFFLINE, reason, 4)
        assert (good.health, good.counters) == (Health.READY, {})


def plugged(serial: str) -> Attached:
    return Attached(subsystem="tty", node="/dev/ttyACM0", serial=serial)


async def test_what_is_plugged_in_is_tried_at_once_and_its_siblings_wait_on() -> None:
    async with running({"lane1": fails, "lane2": fails}) as world:
        for _ in range(2):
            await world.backoffs.get()
        world.supervisor.plugged(plugged("lane1"))
        await world.backoffs.get()
        assert [state.counters["reconnects"] for state in world.supervisor.states()] == [2, 1]


async def test_what_is_plugged_in_begins_with_the_shortest_back_off_again() -> None:
    async with running({"lane1": fails}) as world:
        for _ in range(12):
            await world.retries()
        await world.backoffs.get()
        world.supervisor.plugged(plugged("lane1"))
        assert await world.backoffs.get() <= BACKOFF_FIRST_S


async def test_a_device_that_is_to_be_another_one_is_let_go_and_opened_anew_at_once() -> None:
    async with running({"lane1": works, "lane2": works}) as world:
        assert {(await world.events.get())[0] for _ in range(2)} == {"lane1", "lane2"}
        world.supervisor.reopen("lane1")
        assert (await world.events.get())[0] == "lane1"
        assert world.backoffs.empty() and world.supervisor.state("lane2").counters.get("reconnects", 0) == 0


async def test_a_device_that_rests_is_opened_at_once_when_it_is_to_be_another_one() -> None:
    attempts = itertools.count()

    async def works_at_last(ctx: DeviceContext, options: DriverOptions) -> None:
        await (works if next(attempts) else fails)(ctx, options)

    async with running({"lane1": works_at_last}) as world:
        await world.backoffs.get()
        world.supervisor.reopen("lane1")
        assert (await world.events.get())[0] == "lane1"


async def test_what_is_plugged_in_while_an_attempt_fails_is_tried_again_without_a_back_off() -> None:
    attempts = 0

    async def is_late(ctx: DeviceContext, options: DriverOptions) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            world.supervisor.plugged(plugged("lane1"))
        await fails(ctx, options)

    async with running({"lane1": is_late}) as world:
        await world.backoffs.get()
        assert attempts == 2


async def test_a_bug_is_logged_with_its_traceback_once_and_its_words_stay_out_of_the_state(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running({"bad": has_a_bug}) as world:
        for _ in range(5):
            await world.retries()
        assert "5901234123457" not in world.supervisor.state("bad").detail
    assert len(caplog.records) == 1 and caplog.records[0].exc_info


async def test_going_and_coming_back_are_one_log_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    attempts = iter([fails, fails, fails, works])

    async def run(ctx: DeviceContext, options: DriverOptions) -> None:
        await next(attempts)(ctx, options)

    async with running({"lane1": run}) as world:
        for _ in range(3):
            await world.retries()
        await world.events.get()
    assert [record.message for record in caplog.records] == ["device offline", "device ready"]


async def test_two_errors_in_turn_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    attempts = itertools.cycle([fails, ends])

    async def run(ctx: DeviceContext, options: DriverOptions) -> None:
        await next(attempts)(ctx, options)

    async with running({"lane1": run}) as world:
        for _ in range(10):
            await world.retries()
    assert len(caplog.records) == 2


async def test_repeats_of_a_status_are_swallowed() -> None:
    async def run(ctx: DeviceContext, options: DriverOptions) -> None:
        ctx.status(READY)
        ctx.status(READY)
        ctx.status(StatusUpdate(Health.DEGRADED, "paper_out"))
        await works(ctx, options)

    async with running({"p": run}) as world:
        await world.events.get()
        told = [world.states.get_nowait() for _ in range(world.states.qsize())]
        assert [state.reason for state in told] == ["", "paper_out", ""]
        assert told[0].since_ms == 1_700_000_000_000


@given(st.integers(1, 10_000), st.integers())
def test_back_off_is_full_jitter_below_a_doubling_ceiling(failures: int, seed: int) -> None:
    assert 0 <= backoff_s(failures, random.Random(seed)) <= min(BACKOFF_MAX_S, 0.2 * 2 ** min(failures - 1, 16))


async def test_back_off_starts_anew_after_a_healthy_period_only() -> None:
    worked_s = iter([0.0] * 12 + [HEALTHY_S])

    async def run(ctx: DeviceContext, options: DriverOptions) -> None:
        assert world.clock_s is not None
        ctx.status(READY)
        world.clock_s += next(worked_s)
        raise WireError("gone")

    async with running({"lane1": run}) as world:
        world.clock_s = 100.0
        delays = [await world.retries() for _ in range(12)]
        assert max(delays) > 1.0
        assert await world.backoffs.get() <= 0.2


async def test_a_silent_driver_is_cancelled_counted_and_run_again() -> None:
    attempts = iter([True, False])

    async def run(ctx: DeviceContext, options: DriverOptions) -> None:
        if next(attempts):
            ctx.status(READY)
            await asyncio.Event().wait()
        await works(ctx, options)

    async with running({"lane1": run}, heartbeat_timeout_s=0.02) as world:
        await world.retries()
        await world.events.get()
        told = [world.states.get_nowait() for _ in range(3)]
        assert [(state.health, state.reason) for state in told][:2] == [(Health.READY, ""), (Health.OFFLINE, "stuck")]
        assert world.supervisor.state("lane1").counters["stuck"] >= 1


async def test_a_driver_that_waits_for_the_hub_is_not_stuck_and_loses_nothing() -> None:
    """Goal: the bound of the queue slows the driver; method: a hub that takes nothing for many heartbeat time-outs."""
    emitted = 0

    async def run(ctx: DeviceContext, _options: DriverOptions) -> None:
        nonlocal emitted
        for number in range(DEVICE_QUEUE_MAX + 2):
            await ctx.emit(Scan(label=str(number)))
            emitted += 1
        await asyncio.Event().wait()

    async with running({"lane1": run}, heartbeat_timeout_s=0.01) as world:
        world.may_take.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await world.backoffs.get()
        assert emitted == DEVICE_QUEUE_MAX + 1  # one is in the hub's hands
        world.may_take.set()
        labels = [(await world.events.get())[1].label for _ in range(DEVICE_QUEUE_MAX + 2)]
        assert labels == [str(number) for number in range(DEVICE_QUEUE_MAX + 2)]


async def test_events_of_a_driver_that_fell_are_still_handed_on() -> None:
    async def run(ctx: DeviceContext, _options: DriverOptions) -> None:
        await ctx.emit(Scan(label="last"))
        raise WireError("gone")

    async with running({"lane1": run}) as world:
        assert (await world.events.get())[1].label == "last"


async def test_a_bug_in_the_hubs_callback_ends_the_supervisor_loudly() -> None:
    async def on_event(_device_id: str, _event: Scan) -> None:
        raise KeyError("hub")

    with pytest.raises(ExceptionGroup) as ended:
        async with running({"lane1": works}, on_event=on_event):
            await asyncio.Event().wait()
    assert ended.group_contains(KeyError)


async def test_jobs_come_from_the_source_of_the_device_and_nowhere_else() -> None:
    class Jobs:
        async def next_job(self) -> str:
            return "job"

    async def run(ctx: DeviceContext, _options: DriverOptions) -> None:
        await ctx.emit(Scan(label=str(await ctx.next_job())))
        await asyncio.Event().wait()

    async with running({"printer": run, "scanner": run}, jobs={"printer": Jobs()}) as world:
        assert await world.events.get() == ("printer", Scan(label="job"))
        await world.backoffs.get()
        assert world.supervisor.state("scanner").reason == DeviceError.code


async def test_two_devices_of_one_name_are_refused() -> None:
    with pytest.raises(OptionError, match="lane1: two devices have this name"):
        Supervisor([spec("lane1", works), spec("lane1", works)], Outside(None, None, lambda: 0, None, None))


async def test_tasks_are_named_after_their_device() -> None:
    async with running({"lane1": works}) as world:
        await world.events.get()
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert {"device lane1", "driver of lane1", "events of lane1"} <= names
