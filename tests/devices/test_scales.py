"""Scales: both drivers on real pseudo-terminals. What their bytes say: test_weighing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from devices.drivers import _scale, line_scale, toledo_scale
from devices.errors import OptionError
from devices.model import Health, Weight
from devices.registry import options_for
from devices.supervision.commands import ZeroScale
from devices.testing.context import RecordingContext
from devices.testing.scale import SimulatedScale
from devices.testing.serial_end import SerialEnd
from devices.testing.serial_line import VirtualSerialLine
from tests.devices.driven import driven


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[VirtualSerialLine]:
    async with VirtualSerialLine(tmp_path / "scale", tmp_path / "outside") as made:
        yield made


async def test_goods_on_the_scale_are_told_once_they_rest(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("scale1")
    async with SimulatedScale(line) as scale, driven(toledo_scale.DRIVER, ctx, port=line.device_path, poll_ms=100):
        await ctx.wait_for(lambda: ctx.events == [Weight("zero", 0)])
        scale.is_moving, scale.load_g = True, 1234
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("unstable"))
        scale.is_moving = False
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("stable", 1234))
        asked = scale.asked
        await ctx.wait_for(lambda: scale.asked >= asked + 3)
        assert ctx.events == [Weight("zero", 0), Weight("unstable"), Weight("stable", 1234)], (
            "the same weight is no news"
        )
        scale.load_g = 16_000
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("overweight"))


async def test_a_scale_is_zeroed_when_it_is_told_to(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("scale1")
    async with SimulatedScale(line) as scale, driven(toledo_scale.DRIVER, ctx, port=line.device_path, poll_ms=100):
        scale.load_g = 80  # a bowl
        await ctx.wait_for(lambda: Weight("stable", 80) in ctx.events)
        await ctx.commands.tell(ZeroScale())
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("zero", 0))
        scale.load_g = 580
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("stable", 500))
        scale.load_g = 0
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("under_zero"))


async def test_noise_is_counted_and_said_and_the_next_weight_is_right(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("scale1")
    async with SimulatedScale(line) as scale, driven(toledo_scale.DRIVER, ctx, port=line.device_path, poll_ms=100):
        scale.load_g, scale.noise = 500, b"\xff\x02zz\r\x00\x021"
        await ctx.wait_for(lambda: Weight("stable", 500) in ctx.events)
        assert ctx.counters["refused_bad_number"] == 1
        assert any(update.reason == "bad_number" and "baudrate" in update.detail for update in ctx.statuses)
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.health is Health.READY)


async def test_a_scale_that_is_switched_off_is_said_and_its_weight_is_no_longer_so(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("scale1")
    async with SimulatedScale(line) as scale, driven(toledo_scale.DRIVER, ctx, port=line.device_path, poll_ms=500):
        scale.load_g = 500
        await ctx.wait_for(lambda: Weight("stable", 500) in ctx.events)
        scale.is_silent = True
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("not_ready"))
        assert (
            ctx.last_status is not None and ctx.last_status.reason == "no_answer" and "switch" in ctx.last_status.detail
        )
        scale.is_silent = False
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("stable", 500))


async def test_a_scale_that_is_off_when_its_port_opens_has_no_weight(
    line: VirtualSerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scale, "SILENCE_MAX_S", 0.2)
    ctx = RecordingContext("scale1")
    async with SimulatedScale(line) as scale:
        scale.is_silent = True
        async with driven(toledo_scale.DRIVER, ctx, port=line.device_path, poll_ms=100):
            await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "no_answer")
            await ctx.wait_for(lambda: ctx.events == [Weight("not_ready")])


async def test_a_scale_that_sends_by_itself_is_read_by_its_pattern(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("scale2")
    async with driven(line_scale.DRIVER, ctx, port=line.device_path):
        await ctx.wait_for(lambda: bool(ctx.statuses))
        await line.write(b"US,GS,+  0.7kg\r\nST,GS,+  0.750kg\r\n")
        await ctx.wait_for(lambda: ctx.events[-1:] == [Weight("stable", 750)])
        await line.write(b"rubbish\r\n")
        await ctx.wait_for(lambda: ctx.counters["refused_bad_frame"] == 1)


async def test_a_weight_does_not_outlive_noise(line: VirtualSerialLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scale, "SILENCE_MAX_S", 0.3)
    ctx = RecordingContext("scale2")
    async with Trickling(line, b"#\r") as scale, driven(line_scale.DRIVER, ctx, port=line.device_path):
        await ctx.wait_for(lambda: ctx.counters["refused_bad_frame"] > 0)
        scale.say(b"\rST,GS,+  0.750kg\r")
        await ctx.wait_for(lambda: ctx.events == [Weight("stable", 750)])
        await ctx.wait_for(lambda: ctx.events[-1] == Weight("not_ready"))
        assert ctx.last_status is not None and ctx.last_status.reason == "bad_frame"


class Prompt(SerialEnd):
    """A scale that answers each question at once."""

    def __init__(self, line: VirtualSerialLine) -> None:
        super().__init__(line)
        self.asked = 0

    def heard(self, chunk: bytes) -> None:
        """Answer."""
        self.asked += len(chunk)
        self.say(b"ST,GS,+  0.750kg\r" * len(chunk))


async def test_a_scale_that_answers_at_once_is_asked_at_its_rate(line: VirtualSerialLine) -> None:
    ctx, loop = RecordingContext("scale2"), asyncio.get_running_loop()
    async with Prompt(line) as scale:
        begun_s = loop.time()
        async with driven(line_scale.DRIVER, ctx, port=line.device_path, request="Q", poll_ms=100):
            await ctx.wait_for(lambda: ctx.heartbeats >= 6)
        assert 5 <= scale.asked <= (loop.time() - begun_s) / 0.1 + 1


class Trickling(SerialEnd):
    """A device that sends these bytes one at a time, again and again, whatever it hears."""

    def __init__(self, line: VirtualSerialLine, sent: bytes) -> None:
        super().__init__(line)
        self.heard_bytes, self.rounds = b"", 0
        self._sent, self._place = sent, 0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._tick()
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        await super().__aexit__(*exc)

    def heard(self, chunk: bytes) -> None:
        """Keep it."""
        self.heard_bytes += chunk

    def _tick(self) -> None:
        self.say(self._sent[self._place : self._place + 1])
        self._place = (self._place + 1) % len(self._sent)
        self.rounds += self._place == 0
        self._timer = asyncio.get_running_loop().call_later(0.01, self._tick)


async def test_a_line_that_comes_byte_by_byte_is_no_silence_and_is_asked_for_once(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("scale2")
    async with (
        Trickling(line, b"ST,GS,+  0.750kg\r") as scale,
        driven(line_scale.DRIVER, ctx, port=line.device_path, request="Q"),
    ):
        await ctx.wait_for(lambda: ctx.events == [Weight("stable", 750)])
        asked, rounds = len(scale.heard_bytes), scale.rounds
        await ctx.wait_for(lambda: scale.rounds >= rounds + 3)

    assert ctx.events == [Weight("stable", 750)]
    assert "no_answer" not in {update.reason for update in ctx.statuses}
    assert len(scale.heard_bytes) - asked <= 4


async def test_bytes_without_an_end_are_silence_and_no_sign_of_a_stuck_driver(
    line: VirtualSerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scale, "SILENCE_MAX_S", 0.5)
    monkeypatch.setattr(toledo_scale, "ANSWER_MAX_S", 0.2)
    ctx = RecordingContext("scale1")
    async with Trickling(line, b"x"), driven(toledo_scale.DRIVER, ctx, port=line.device_path, poll_ms=100):
        await ctx.wait_for(lambda: ctx.heartbeats >= 4)
        await ctx.wait_for(lambda: ctx.last_status is not None and ctx.last_status.reason == "no_answer")


@pytest.mark.parametrize("pattern", ["(", "[0-9]+", "(?P<weight>[0-9]+)(?P<price>x)"])
def test_a_pattern_that_cannot_work_is_refused_with_the_remedy(pattern: str) -> None:
    with pytest.raises(OptionError, match="pattern"):
        options_for("line_scale", {"port": "/dev/ttyS1", "pattern": pattern}, device_id="scale2")
