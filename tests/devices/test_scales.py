"""Scales: frames by the manuals' tables, any bytes at all, and both drivers on real pseudo-terminals."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.lines import LINE_MAX_BYTES, LineFramer
from devices.codecs.weighing.line import AND_PATTERN, AND_STATES, read_line
from devices.codecs.weighing.toledo import ToledoFramer, read_frame
from devices.codecs.weighing.units import WEIGHT_MAX_G, grams
from devices.commands import ZeroScale
from devices.drivers import _scale, line_scale, toledo_scale
from devices.errors import OptionError, WeightError
from devices.model import Health, Weight
from devices.registry import options_for
from devices.testing.context import RecordingContext
from devices.testing.scale import SimulatedScale
from devices.testing.serial_end import SerialEnd
from devices.testing.serial_line import VirtualSerialLine
from tests.devices.driven import driven

STREAM = st.lists(
    st.sampled_from([b"\x02", b"\r", b"\n", b"?", b"a", b"p", b"01.234", b"N", b"\xb0", b"\x00"]), max_size=40
).map(b"".join)


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[VirtualSerialLine]:
    async with VirtualSerialLine(tmp_path / "scale", tmp_path / "outside") as made:
        yield made


@pytest.mark.parametrize(
    ("shown", "unit", "expected"),
    [
        ("01.234", "kg", 1234),
        ("0.5", "lb", 227),
        ("1.00", "oz", 28),
        ("250", "g", 250),
        ("- 0.002", "kg", -2),
        ("+  1.2345", "kg", 1234),
    ],
)
def test_a_shown_number_is_whole_grams(shown: str, unit: str, expected: int) -> None:
    assert grams(shown, unit) == expected


@pytest.mark.parametrize(
    ("shown", "unit"), [("", "kg"), ("1.2.3", "kg"), ("1,2", "kg"), ("1", "stone"), ("1001", "kg"), ("١", "kg")]
)
def test_what_is_no_weight_is_refused(shown: str, unit: str) -> None:
    with pytest.raises(WeightError):
        grams(shown, unit)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"01.234", Weight("stable", 1234)),
        (b" 0.990N", Weight("stable", 990)),
        (b"00.000", Weight("zero", 0)),
        (b"?a", Weight("unstable")),  # 0110 0001: motion
        (b"?b", Weight("overweight")),
        (b"?c", Weight("overweight")),  # moving as well: too much is what the cashier has to know
        (b"?d", Weight("under_zero")),
        (b"?h", Weight("not_ready")),
        (b"?p", Weight("zero", 0)),
        (b"?`", Weight("not_ready")),
    ],
)
def test_a_toledo_frame_is_read_by_the_table(frame: bytes, expected: Weight) -> None:
    assert read_frame(frame, "kg") == expected


@pytest.mark.parametrize("frame", [b"", b"?", b"?\x01", b"?aa", b"12.3x", b"\xff"])
def test_a_damaged_toledo_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(WeightError):
        read_frame(frame, "kg")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ST,GS,+  1.234kg", Weight("stable", 1234)),
        ("ST,NT,+00250 g", Weight("stable", 250)),
        ("US,GS,+  1.3kg", Weight("unstable")),
        ("OL,GS,+99999kg", Weight("overweight")),
        ("ST,GS,- 0.010kg", Weight("under_zero")),
        ("ST,GS,  0.000kg", Weight("zero", 0)),
    ],
)
def test_a_line_is_read_by_the_pattern(line: str, expected: Weight) -> None:
    assert read_line(line, re.compile(AND_PATTERN), AND_STATES, "kg") == expected


@given(stream=STREAM | st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_any_bytes_give_weights_or_refusals_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    toledo, lines = ToledoFramer(), LineFramer()
    frames = [frame for chunk in chunks for frame in toledo.feed(chunk)]
    texts = [text for chunk in chunks for text in lines.feed(chunk)]
    assert frames == ToledoFramer().feed(stream)
    assert texts == LineFramer().feed(stream)
    assert all(0 < len(text) <= LINE_MAX_BYTES for text in texts)
    for frame in frames:
        try:
            weight = read_frame(frame, "kg")
        except WeightError:
            continue
        assert (weight.weight_g is not None) == (weight.state in ("stable", "zero"))
        assert weight.weight_g is None or 0 <= weight.weight_g <= WEIGHT_MAX_G


def test_a_line_without_an_end_is_dropped_and_the_next_is_whole() -> None:
    framer = LineFramer()
    assert framer.feed(b"x" * 10_000 + b"\rIN\r") == ["IN"]
    assert framer.dropped == 1


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
