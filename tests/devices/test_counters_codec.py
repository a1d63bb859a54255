"""What people counters send, as bytes: both kinds of counts, and everything that is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.counters.own import COUNT_MAX, PAYLOAD_BYTES_MAX, is_sensor_name, parse_reading
from devices.codecs.mqtt_frames import FrameCutter
from devices.errors import CountError
from devices.model import CounterReading


def parse(payload: bytes | str, **more: Any) -> CounterReading:
    raw = payload.encode() if isinstance(payload, str) else payload
    return parse_reading(raw, sensor="door", entrance="Main", **more)


def reason(payload: bytes | str) -> str:
    with pytest.raises(CountError) as caught:
        parse(payload)
    return caught.value.reason


def test_running_totals() -> None:
    reading = parse('{"in": 12, "out": 9, "at": 1790000000000, "boot": "7f"}', packet_id=5, redelivered=True)
    assert reading == CounterReading(
        "door", "Main", 1_790_000_000_000, "7f", in_total=12, out_total=9, packet_id=5, redelivered=True
    )


def test_deltas() -> None:
    reading = parse('{"in_delta": 2, "id": 318, "at": "2026-11-21T17:00:00.250+08:00", "boot": 3}', retained=True)
    assert reading == CounterReading(
        "door", "Main", 1_795_251_600_250, "3", in_delta=2, out_delta=0, delta_id="318", retained=True
    )


@pytest.mark.parametrize("payload", ['{"in": 1}', '{"out": 1}', '{"in": 1, "battery": [3.6, {"low": false}]}'])
def test_a_missing_side_is_zero_and_other_fields_are_not_read(payload: str) -> None:
    reading = parse(payload)
    assert reading.in_total is not None and reading.out_total is not None and reading.in_total + reading.out_total == 1


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("", "not_json"),
        ("online", "not_json"),
        ('{"in": 1', "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"in":1,"boot":"\xff"}', "not_json"),
        ('{"x":' * 800, "not_json"),
        ("[" * 4000, "wrong_field"),
        ("null", "wrong_field"),
        ('{"in": -1}', "wrong_field"),
        ('{"in": 1.5}', "wrong_field"),
        ('{"in": "1"}', "wrong_field"),
        ('{"in": true}', "wrong_field"),
        ('{"in": 1e400}', "wrong_field"),
        (f'{{"in": {COUNT_MAX + 1}}}', "wrong_field"),
        ('{"in": 1, "at": "2026-11-21T09:00:00"}', "wrong_field"),
        ('{"in": 1, "boot": "\\u0000"}', "wrong_field"),
        ('{"in_delta": 1, "id": ""}', "wrong_field"),
        ("{}", "no_count"),
        ('{"in": 1, "in_delta": 1}', "no_count"),
        ('{"in": 1}' + " " * PAYLOAD_BYTES_MAX, "too_long"),
        (b"x" * 10_000_000, "too_long"),
    ],
)
def test_what_is_refused_says_why(payload: bytes | str, expected: str) -> None:
    assert reason(payload) == expected


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_bytes_give_a_reading_or_a_reason(payload: bytes | str) -> None:
    try:
        assert parse(payload).sensor == "door"
    except CountError as err:
        assert err.reason


def test_refusals_do_not_repeat_what_was_sent() -> None:
    for payload in ('{"in": "SECRET"}', '{"in_delta": 1, "id": "SECRET\\u0000"}', "SECRET"):
        with pytest.raises(CountError) as caught:
            parse(payload)
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "good"), [("door", True), ("門口-1", True), ("", False), (" a", False), ("x" * 65, False)]
)
def test_sensor_names(name: str, good: bool) -> None:
    assert is_sensor_name(name) is good


def frame(kind: int, body: bytes) -> bytes:
    length, size = len(body), b""
    while True:
        length, low = length >> 7, length & 127
        size += bytes([low | (128 if length else 0)])
        if not length:
            return bytes([kind]) + size + body


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=400)), max_size=8),
    st.lists(st.integers(1, 60), min_size=1),
    st.integers(1, 200),
)
def test_long_frames_are_cut_and_all_others_pass_as_they_are(
    frames: list[tuple[int, bytes]], cuts: list[int], frame_max: int
) -> None:
    cutter, out, place = FrameCutter(frame_max), b"", 0
    sent = b"".join(frame(kind, body) for kind, body in frames)
    while place < len(sent):
        step = cuts[place % len(cuts)]
        out += cutter.feed(sent[place : place + step])
        place += step
    assert out == b"".join(frame(kind, body[:frame_max]) for kind, body in frames)


def test_a_length_of_five_bytes_is_handed_on_for_the_library_to_refuse() -> None:
    assert FrameCutter(100).feed(b"\x30\xff\xff\xff\xff\x01").startswith(b"\x30\xff\xff\xff\xff")


def test_an_id_makes_short_names_a_delta_and_boot_makes_them_totals() -> None:
    delta, total = parse('{"in": 2, "out": 1, "id": 7}'), parse('{"in": 2, "out": 1, "id": 7, "boot": "b"}')

    assert (delta.in_delta, delta.out_delta, delta.in_total, delta.delta_id) == (2, 1, None, "7")
    assert (total.in_total, total.out_total, total.in_delta) == (2, 1, None)
    with pytest.raises(CountError, match="totals have no `id`"):
        parse('{"in": 1000000, "id": 7}')
    with pytest.raises(CountError):
        parse('{"in": 1, "in_delta": 1, "id": 7}')
