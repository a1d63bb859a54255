"""Gates, mats and RFID readers: who passed, which tag; by laws, by the standard's own example, and on real pseudo-terminals."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.epc import Sgtin, read_epc
from devices.codecs.passages import Gate, Passed
from devices.drivers import line_gate, line_rfid
from devices.errors import LabelError, OptionError, WireError
from devices.model import CounterReading, TagRead
from devices.registry import options_for
from devices.testing.context import RecordingContext
from devices.testing.serial_line import VirtualSerialLine
from tests.devices.driven import driven

SGTIN = "3074257BF7194E4000001A85"  # GS1's own example: urn:epc:id:sgtin:0614141.812345.6789


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[VirtualSerialLine]:
    async with VirtualSerialLine(tmp_path / "port", tmp_path / "outside") as made:
        yield made


def beams(*broken: tuple[str, int]) -> Passed:
    gate, passed = Gate({}, ("A", "B"), pair_ms=1500, rest_ms=100), Passed()
    for word, at_ms in broken:
        passed += gate.hear(word, at_ms) or Passed()
    return passed


def test_the_order_of_the_beams_is_the_direction() -> None:
    assert beams(("A", 0), ("B", 300)) == Passed(came=1)
    assert beams(("B", 0), ("A", 300)) == Passed(left=1)
    assert beams(("A", 0), ("B", 300), ("B", 1000), ("A", 1400)) == Passed(came=1, left=1)


def test_who_turns_round_between_the_beams_did_not_pass() -> None:
    assert beams(("A", 0), ("A", 800)) == Passed()
    assert beams(("A", 0), ("B", 5000)) == Passed(), "the first is too long ago"
    assert beams(("A", 0), ("B", 5000), ("A", 5400)) == Passed(left=1), "the late one began a passage of its own"


def test_a_bounce_is_not_a_second_passage() -> None:
    gate = Gate({"I": "in"}, None, pair_ms=1, rest_ms=150)
    assert [gate.hear("I", at_ms) for at_ms in (0, 40, 120, 400)] == [Passed(1), Passed(), Passed(), Passed(1)]


@given(steps=st.integers(0, 40))
def test_a_mat_counts_one_who_came_and_one_who_left_for_two_steps(steps: int) -> None:
    gate, passed = Gate({"P": "step"}, None, pair_ms=1, rest_ms=0), Passed()
    for at_ms in range(steps):
        passed += gate.hear("P", at_ms) or Passed()
    assert passed == Passed(steps // 2, steps // 2)


@given(words=st.lists(st.tuples(st.sampled_from(["A", "B", "I", "?"]), st.integers(0, 400)), max_size=60))
def test_no_more_people_pass_than_words_were_said(words: list[tuple[str, int]]) -> None:
    gate, passed, at_ms, unknown = Gate({"I": "in"}, ("A", "B"), pair_ms=300, rest_ms=50), Passed(), 0, 0
    for word, later_ms in words:
        at_ms += later_ms
        heard = gate.hear(word, at_ms)
        unknown += heard is None
        passed += heard or Passed()
    said = [word for word, _ in words]
    assert unknown == said.count("?")
    assert passed.came <= said.count("I") + min(said.count("A"), said.count("B"))
    assert passed.left <= min(said.count("A"), said.count("B"))


async def test_a_gate_records_who_passed(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("gate1")
    async with driven(
        line_gate.DRIVER, ctx, port=line.device_path, words={"IN": "in", "OUT": "out"}, entrance="door", rest_ms=0
    ):
        await ctx.wait_for(lambda: bool(ctx.statuses))
        await line.write(b"IN\r\nIN\r\nwhat\r\nOUT\r\n")
        await ctx.wait_for(lambda: _sum(ctx) == (2, 1))
        assert {(each.sensor, each.entrance) for each in ctx.readings} == {("gate1", "door")}
        assert ctx.counters["refused_word"] == 1


async def test_what_the_hub_could_not_write_is_handed_in_later_and_counted_once(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("gate1")
    async with driven(line_gate.DRIVER, ctx, port=line.device_path, words={"I": "in"}, framing="byte", rest_ms=0):
        await ctx.wait_for(lambda: bool(ctx.statuses))
        ctx.refuses_readings = True
        await line.write(b"I")
        await ctx.wait_for(lambda: bool(ctx.refused))
        ctx.refuses_readings = False
        await line.write(b"I")
        await ctx.wait_for(lambda: _sum(ctx) == (2, 0))


async def test_what_may_have_been_written_is_handed_in_again_as_it_was(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("gate1")
    async with driven(line_gate.DRIVER, ctx, port=line.device_path, words={"I": "in"}, framing="byte", rest_ms=0):
        await ctx.wait_for(lambda: bool(ctx.statuses))
        ctx.refuses_readings = True
        await line.write(b"I")
        await ctx.wait_for(lambda: bool(ctx.refused))
        ctx.refuses_readings = False
        await line.write(b"I")
        await ctx.wait_for(lambda: _sum(ctx) == (2, 0))

    again, new = ctx.batches
    assert again == ctx.refused[0] and again != new
    assert isinstance(again[0], CounterReading) and again[0].delta_id


async def test_passages_that_wait_are_handed_in_when_the_plug_is_pulled(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("gate1")
    options = line_gate.Options(port=line.device_path, words={"I": "in"}, framing="byte", rest_ms=0)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        gate = group.create_task(_until_away(ctx, options), name="gate")
        await ctx.wait_for(lambda: bool(ctx.statuses))
        ctx.refuses_readings = True
        await line.write(b"I")
        await ctx.wait_for(lambda: bool(ctx.refused))
        ctx.refuses_readings = False
        line.unplug()
        await gate

    assert _sum(ctx) == (1, 0)


async def _until_away(ctx: RecordingContext, options: line_gate.Options) -> None:
    with pytest.raises(WireError):
        await line_gate.run(ctx, options)


@pytest.mark.parametrize(
    "given_options",
    [{}, {"beams": ["A", "A"]}, {"beams": ["A", "B"], "words": {"A": "in"}}, {"words": {"A": "up"}}],
)
def test_a_gate_that_says_nothing_countable_is_refused(given_options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=r"gate1: .*(words|beams)"):
        options_for("line_gate", {"port": "/dev/ttyS1", **given_options}, device_id="gate1")


def test_an_sgtin_is_read_as_the_standard_s_example_says() -> None:
    assert read_epc(SGTIN.lower()) == (SGTIN, Sgtin("80614141123458", "6789"))


@pytest.mark.parametrize("text", ["", "ABC", "XYZW", "30" * 65, "²" * 4])
def test_what_is_no_epc_is_refused(text: str) -> None:
    with pytest.raises(LabelError):
        read_epc(text)


@given(
    partition=st.integers(0, 6),
    company=st.integers(0, 10**6 - 1),
    item=st.integers(0, 9),
    serial=st.integers(0, 2**38 - 1),
    filtered=st.integers(0, 7),
)
def test_every_sgtin_gives_back_what_was_put_in(
    partition: int, company: int, item: int, serial: int, filtered: int
) -> None:
    prefix_digits = 12 - partition
    item_bits = {0: 4, 1: 7, 2: 10, 3: 14, 4: 17, 5: 20, 6: 24}[partition]  # the table of the standard
    memory = f"{0x30:08b}{filtered:03b}{partition:03b}{company:0{44 - item_bits}b}{item:0{item_bits}b}{serial:038b}"
    _, read = read_epc(f"{int(memory, 2):024X}")
    reference = f"{item:0{13 - prefix_digits}}"
    assert read is not None
    assert read.gtin[:-1] == reference[0] + f"{company:0{prefix_digits}}" + reference[1:]
    assert read.serial == str(serial)


def memory(*, header: int = 0x30, partition: int, company: int, item: int) -> str:
    """96 bits, of which the company has 40 in partition 0 and 20 in partition 6."""
    item_bits = {0: 4, 6: 24, 7: 24}[partition]
    return f"{header << 88 | partition << 82 | company << 38 + item_bits | item << 38 | 1:024X}"


@pytest.mark.parametrize(
    "text",
    [
        memory(header=0x36, partition=6, company=1, item=1),  # an SGTIN-198 begins so
        memory(partition=6, company=1, item=1) + "0000",
        memory(partition=7, company=1, item=1),  # the standard knows six
        memory(partition=0, company=10**12, item=1),  # a prefix of 13 digits
        memory(partition=6, company=1, item=10**7),  # an item of 8
        "30" * 64,  # the longest memory
    ],
)
def test_what_is_no_sgtin_96_stays_the_hex_that_it_is(text: str) -> None:
    assert read_epc(text) == (text, None)


def test_numbers_at_the_ends_of_their_ranges_are_read() -> None:
    assert read_epc(memory(partition=0, company=10**12 - 1, item=9))[1] == Sgtin("99999999999997", "1")
    assert read_epc(memory(partition=6, company=10**6 - 1, item=10**7 - 1))[1] == Sgtin("99999999999997", "1")


def test_a_memory_longer_than_any_tag_s_is_refused() -> None:
    with pytest.raises(LabelError):
        read_epc("30" * 66)


@given(st.text(max_size=80))
def test_any_line_is_an_epc_or_is_refused(text: str) -> None:
    try:
        epc, _ = read_epc(text)
    except LabelError:
        return
    assert int(epc, 16) >= 0


async def test_a_tag_in_the_field_is_told_once(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("plate1")
    async with driven(line_rfid.DRIVER, ctx, port=line.device_path):
        await ctx.wait_for(lambda: bool(ctx.statuses))
        await line.write(f"{SGTIN},2,-51\r\n{SGTIN},1,-48\r\nnonsense\r\nE28011700000020A\r\n".encode())
        await ctx.wait_for(lambda: len(ctx.events) == 2)
        assert ctx.events == [
            TagRead(SGTIN, "80614141123458", "6789", "2", -51),
            TagRead("E28011700000020A"),
        ]
        assert ctx.counters["refused_line"] == 1


async def test_a_tag_that_comes_back_is_told_again(line: VirtualSerialLine) -> None:
    ctx = RecordingContext("plate1")
    async with driven(line_rfid.DRIVER, ctx, port=line.device_path, forget_ms=0):
        await ctx.wait_for(lambda: bool(ctx.statuses))
        await line.write(f"{SGTIN}\r{SGTIN}\r".encode())
        await ctx.wait_for(lambda: len(ctx.events) == 2)


def _sum(ctx: RecordingContext) -> tuple[int, int]:
    return sum(each.in_delta or 0 for each in ctx.readings), sum(each.out_delta or 0 for each in ctx.readings)
