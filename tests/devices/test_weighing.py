"""What scales say: numbers in their units, frames by the manuals' tables, lines by a pattern, and any bytes at all."""

import itertools
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.lines import LINE_MAX_BYTES, LineFramer
from devices.codecs.weighing.line import AND_PATTERN, AND_STATES, check_pattern, read_line
from devices.codecs.weighing.toledo import FRAME_MAX_BYTES, ToledoFramer, read_frame
from devices.codecs.weighing.units import WEIGHT_MAX_G, grams
from devices.errors import WeightError
from devices.model import WeighingState, Weight

STREAM = st.lists(
    st.sampled_from([b"\x02", b"\r", b"\n", b"?", b"a", b"p", b"01.234", b"N", b"\xb0", b"\x00"]), max_size=40
).map(b"".join)


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


STATES: Mapping[str, WeighingState] = {
    "S": "stable",
    "D": "unstable",
    "B": "under_zero",
    "H": "overweight",
    "E": "not_ready",
}
OWN = re.compile(r"(?P<state>[A-Z])? ?(?P<weight>-?[0-9.]+)?(?P<unit>kg|g)?")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1.5", Weight("stable", 1500)),  # no word: what it sends is at rest; no unit: that of the options
        ("S 1.5g", Weight("stable", 2)),
        ("D 1.5", Weight("unstable")),
        ("D 0", Weight("unstable")),
        ("B 1.5", Weight("under_zero")),
        ("-0.001", Weight("under_zero")),
        ("D -1.5", Weight("under_zero")),
        ("-0.0001", Weight("zero", 0)),
        ("H", Weight("overweight")),
        ("E", Weight("not_ready")),
    ],
)
def test_a_line_says_as_much_as_its_pattern_has_groups(line: str, expected: Weight) -> None:
    assert read_line(line, OWN, STATES, "kg") == expected


@pytest.mark.parametrize("line", ["X 1.5", "S 1.5lb", "S", "D", "S 1.5 ", ""])
def test_a_line_of_which_nobody_knows_what_it_says_is_refused(line: str) -> None:
    """A state without a meaning, a unit, a number or an end that the pattern does not know, no number where it rests."""
    with pytest.raises(WeightError):
        read_line(line, OWN, STATES, "kg")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "no regular expression"),
        ("[0-9]+", "needs a group for the number"),
        ("(?P<weight>[0-9]+)(?P<price>x)", "the group 'price'; known: weight, unit, state"),
    ],
)
def test_a_pattern_says_where_the_number_is_and_names_nothing_else(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [AND_PATTERN, OWN.pattern, "(?P<weight>[0-9]+)"])
def test_a_pattern_that_works_is_given_back_compiled(pattern: str) -> None:
    assert check_pattern(pattern) == re.compile(pattern)


def test_a_frame_stands_between_its_signs_whatever_the_parity_and_what_is_around_it() -> None:
    even = bytes(byte | (byte.bit_count() % 2 << 7) for byte in b"\x0201.234\r")

    assert ToledoFramer().feed(b"noise\r" + even + b"12\r\x02?a\r") == [b"01.234", b"?a"]
    assert ToledoFramer().feed(b"\x0201.2\x0203.4\r") == [b"03.4"], "begun again"


def test_a_frame_of_another_protocol_is_none_however_it_ends() -> None:
    longest = b"1" * FRAME_MAX_BYTES

    assert ToledoFramer().feed(b"\x02" + longest + b"\r") == [longest]
    assert ToledoFramer().feed(b"\x02" + longest + b"1\r\x02?a\r") == [b"?a"]


def test_the_heaviest_that_a_counter_takes_is_a_thousand_kilograms() -> None:
    assert (grams("1000", "kg"), grams("-1000", "KG "), WEIGHT_MAX_G) == (10**6, -(10**6), 10**6)
    with pytest.raises(WeightError):
        grams("1000.001", "kg")


def test_under_zero_is_said_of_a_net_weight_too() -> None:
    assert read_frame(b"-0.010N", "kg") == read_frame(b"-0.001", "kg") == Weight("under_zero")


def test_lines_are_as_long_as_they_may_be_and_not_longer() -> None:
    framer = LineFramer()
    longest = "x" * LINE_MAX_BYTES

    assert framer.feed(longest.encode() + b"\r\n\x03" + longest.encode() + b"y\r\x00a\x7f\n") == [longest, "a"]
    assert framer.dropped == 1
    assert framer.feed(b"z" * 500) == framer.feed(b"z" * 500 + b"\n") == []
    assert framer.dropped == 2, "one line, in two parts"
    assert framer.feed(b"b\n") == ["b"]
