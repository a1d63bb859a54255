"""Traces of scales, gates, tags and counters: what a device said is still read, whose it was is gone; made by devices at work."""

import asyncio
import base64
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.codecs.counters.formats import FORMATS, MAPPINGS
from devices.codecs.epc import read_epc
from devices.driver import Driver
from devices.drivers import http_counter, line_gate, line_rfid, line_scale, mqtt_counter, toledo_scale
from devices.errors import CountError
from devices.model import CounterReading, TagRead, Weight
from devices.plug.capture import Tap, Trace, told
from devices.plug.masked_pushes import masked_push
from devices.plug.masking import masked_epc
from devices.supervision.requests import DeviceRequest
from devices.testing.context import RecordingContext
from devices.testing.scale import SimulatedScale
from devices.testing.serial_line import VirtualSerialLine
from hub.commands.capture import with_events
from tests.devices.driven import driven
from tests.devices.test_counter_formats import PUSHES

SALT = b"s" * 32
ARTICLE = "80614141123458"
SGTIN = "3074257BF7194E4000001A85"  # GS1's own example: urn:epc:id:sgtin:0614141.812345.6789


class Tapped(RecordingContext):
    """A context whose traces are kept as the hub keeps them."""

    def __init__(self, device_id: str = "device") -> None:
        super().__init__(device_id)
        self.tap = Tap(asyncio.get_running_loop().time)

    def trace(self, came: bytes) -> None:
        """Keep it, with the pause before it."""
        self.tap.take(came)


def traced(driver: Driver, ctx: Tapped, **options: Any) -> Trace:
    assert driver.capture is not None
    kind = next(kind for kind in registry.kinds() if registry.load(kind) is driver)
    return ctx.tap.trace(kind, driver.options(**options), driver.capture, salt=SALT)


def wire(trace: Trace) -> bytes:
    return b"".join(bytes.fromhex(chunk.hex) for chunk in trace.chunks)


def mask(driver: Driver, chunks: Sequence[bytes], **options: Any) -> list[bytes]:
    assert driver.capture is not None
    return driver.capture.mask(chunks, SALT, driver.options(**options))


@pytest.mark.parametrize("kind", list(registry.kinds()))
def test_every_kind_is_captured_or_says_why_not(kind: str) -> None:
    driver = registry.load(kind)
    assert (driver.capture is None) == bool(driver.uncaptured)


async def test_a_scale_s_trace_is_its_weights() -> None:
    async with VirtualSerialLine() as line:
        ctx = Tapped()
        options: Any = {"port": line.device_path, "poll_ms": 100}
        async with SimulatedScale(line) as scale, driven(toledo_scale.DRIVER, ctx, **options):
            await ctx.wait_for(lambda: ctx.events == [Weight("zero", 0)])
            scale.load_g, scale.noise = 1234, b"\xff\x02Wang 0912345678\r"
            await ctx.wait_for(lambda: ctx.events[-1] == Weight("stable", 1234))
        trace = traced(toledo_scale.DRIVER, ctx, **options)

    assert b"Wang" not in wire(trace) and b"0912345678" not in wire(trace)
    assert (await with_events(trace)).events == [msgspec.to_builtins(event) for event in ctx.events]


async def test_a_line_s_weight_stays_and_who_weighed_does_not() -> None:
    pattern = r"(?P<state>ST|US),(?:NAME ?|NR)[A-Za-z0-9]+,(?P<weight>[0-9.]+)(?P<unit>kg)"
    sent = b"ST,NAME Wang,0.750kg\r\nUS,NR0912345678,0.7"
    (first, second) = mask(line_scale.DRIVER, [sent, b"51kg\r\n"], port="x", pattern=pattern)
    assert first.startswith(b"ST,NAME ") and first[12:26] == b",0.750kg\r\nUS,N" and first.endswith(b",0.7")
    assert b"Wang" not in first and b"0912345678" not in first and second == b"51kg\r\n"


async def test_a_scale_that_sends_by_itself_is_replayed_with_its_silences() -> None:
    chunks = [(100, b"ST,GS,+  0.750kg\r"), (100, b"#junk 42\r"), (9_000, b"ST,GS,+  0.500kg\r\n")]
    (masked) = mask(line_scale.DRIVER, [sent for _, sent in chunks], port="x")
    said = [{"after_ms": after_ms, "hex": each.hex()} for (after_ms, _), each in zip(chunks, masked, strict=True)]
    trace = await with_events(msgspec.convert({"kind": "line_scale", "options": {}, "chunks": said}, Trace))
    assert masked[0] == chunks[0][1] and b"junk" not in masked[1] and len(masked[1]) == len(chunks[1][1])
    assert trace.events == [{"state": "stable", "weight_g": 750}, {"state": "stable", "weight_g": 500}]


@pytest.mark.parametrize("framing", ["line", "byte"])
async def test_a_gate_s_trace_is_who_passed_and_when(framing: str) -> None:
    end = b"\r\n" if framing == "line" else b""
    options: Any = {"beams": ("A", "B"), "framing": framing, "rest_ms": 0, "entrance": "north"}
    async with VirtualSerialLine() as line:
        ctx = Tapped()
        async with driven(line_gate.DRIVER, ctx, port=line.device_path, **options):
            await ctx.wait_for(lambda: bool(ctx.statuses))
            for passing, passages in ((b"A", b"B", b"#7"), 1), ((b"B", b"A"), 2):
                for sent in passing:
                    await line.write(sent + end)
                await ctx.wait_for(lambda passages=passages: len(ctx.readings) == passages)
        trace = traced(line_gate.DRIVER, ctx, port=line.device_path, **options)

    assert b"7" not in wire(trace) and "entrance" not in trace.options
    events = (await with_events(trace)).events
    assert [(event["in_delta"], event["out_delta"]) for event in events] == [(1, 0), (0, 1)]


async def test_a_tag_s_trace_says_which_article_and_not_which_of_them() -> None:
    other = "3074257BF7194E4000001A86"
    async with VirtualSerialLine() as line:
        ctx = Tapped()
        async with driven(line_rfid.DRIVER, ctx, port=line.device_path):
            await ctx.wait_for(lambda: bool(ctx.statuses))
            for sent in (f"{SGTIN},1,-60", f"{SGTIN},1,-61", f"{other},2,-70", "operator Wang"):
                await line.write(sent.encode() + b"\r\n")
            await ctx.wait_for(lambda: ctx.counters["refused_line"] == 1)
        trace = traced(line_rfid.DRIVER, ctx, port=line.device_path)

    assert not [word for word in (b"01A85", b"01A86", b"Wang") if word in wire(trace)]
    events = (await with_events(trace)).events
    said = [event for event in ctx.events if isinstance(event, TagRead)]
    assert [(event["gtin"], event["antenna"], event["rssi_dbm"]) for event in events] == [
        (event.gtin, event.antenna, event.rssi_dbm) for event in said
    ]
    assert len({event["serial"] for event in events} | {event.serial for event in said}) == 4


@given(st.integers(0, 2**38 - 1), st.binary(min_size=1, max_size=32).map(lambda raw: raw.hex().upper()))
def test_another_tag_is_of_the_same_scheme_and_length(serial: int, hexed: str) -> None:
    tag = f"{int(SGTIN, 16) >> 38 << 38 | serial:024X}"
    masked, item = read_epc(masked_epc(tag, SALT))
    assert item is not None and item.gtin == ARTICLE and masked[:14] == tag[:14]
    again = masked_epc(hexed, SALT)
    assert len(again) == len(hexed) and again[:2] == hexed[:2]


# counters

WHO = (
    "6384E16179950009",
    "24:E1:24:FA:0C:6C",
    "00:6E:02:01:02:03",
    "24:28:fd:f3:3a:11",
    "192.168.10.32",
    "a84041000181c061",
    "Main",
)


def counted(form: str, push: bytes) -> list[tuple[Any, ...]]:
    return [
        (
            count.in_total,
            count.out_total,
            count.in_delta,
            count.out_delta,
            count.at_ms,
            count.wraps_at,
            count.delta_id is None,
        )
        for count in FORMATS[form].decode(push)
    ]


def words(form: str) -> set[str]:
    return MAPPINGS[form].words if form in MAPPINGS else set()


@pytest.mark.parametrize("form", sorted(set(PUSHES) - {"axis"}))
def test_a_masked_push_counts_the_same_people_and_names_nobody(form: str) -> None:
    push = PUSHES[form] if isinstance(PUSHES[form], bytes) else json.dumps(PUSHES[form]).encode()
    masked = masked_push(push, SALT, words=words(form))
    assert len(masked) == len(push) and masked != push
    assert not [who for who in WHO if who.encode() in masked]
    try:
        expected = counted(form, push)
    except CountError as err:  # another vendor's payload
        with pytest.raises(CountError, match=re.escape(str(err))):
            counted(form, masked)
    else:
        assert counted(form, masked) == expected


def test_axis_s_kinds_and_directions_are_words_of_its_form() -> None:
    window = {"utcFrom": "2026-07-01T08:45:00Z", "utcTo": "2026-07-01T09:00:00Z"}
    items = [{"direction": "in", "count": 12}, {"direction": "out", "count": 9}]
    push = json.dumps(
        {
            "data": {"measurements": [{"kind": "people-counts", **window, "items": items}]},
            "sensor": {"serial": "00408C1882"},
        }
    ).encode()
    masked = masked_push(push, SALT, words=words("axis"))
    assert counted("axis", masked) == counted("axis", push) and b"00408C1882" not in masked


def test_an_offset_from_utc_stays_and_the_zone_s_name_does_not() -> None:
    times = {"end_time": "2026-07-01 17:00:00", "time_zone": "UTC+8:00 China Standard Time"}
    push = json.dumps(
        {"time_info": times, "line_total_data": [{"line_name": "A", "total": {"in_counted": 1}}]}
    ).encode()
    masked = masked_push(push, SALT, words=words("milesight"))
    assert counted("milesight", masked) == counted("milesight", push) and b"China" not in masked


def test_a_camera_s_picture_and_what_stands_around_an_event_is_gone() -> None:
    event = PUSHES["hikvision"]
    body = b"--b name=Wang\r\n" + event + b"\r\n--b\r\n\xff\xd8face\xff\xd9"
    masked = masked_push(body, SALT, words=())
    assert len(masked) == len(body) and not [word for word in (b"Wang", b"face", b"\xff\xd8") if word in masked]
    assert counted("hikvision", masked) == counted("hikvision", body)
    named = event.replace(b"<enter>", b"<name who='Wang'>0912345678</name><enter>")
    assert not [word for word in (b"Wang", b"0912345678") if word in masked_push(named, SALT, words=())]


@pytest.mark.parametrize(
    ("push", "gone"),
    [
        (b'{"name": "Wang \\"the\\" 1", "in": 1', b"Wang"),
        (b'{"name": "Wang', b"Wang"),
        (b'{"0912345678": 1, "in": 2}', b"0912345678"),
        (b"Wang 0912345678", b"Wang"),
        (b"", b"x"),
        (b'{"tel": "0912345678"}', b"0912345678"),
    ],
)
def test_a_damaged_push_gives_nothing_away_either(push: bytes, gone: bytes) -> None:
    masked = masked_push(push, SALT, words=())
    assert len(masked) == len(push) and gone not in masked


@given(st.binary(max_size=200) | st.text("{}[]\":,\\ab<>=/'Event", max_size=80).map(str.encode))
def test_any_push_keeps_its_length(push: bytes) -> None:
    assert len(masked_push(push, SALT, words=())) == len(push)


async def test_a_counter_s_push_over_http_is_replayed_without_its_names() -> None:
    push = json.dumps(PUSHES["milesight"]).encode()
    ctx = Tapped("door")
    options: Any = {"format": "milesight", "entrances": {"door": "Wang's corner"}}
    async with driven(http_counter.DRIVER, ctx, **options):
        assert (await ctx.ask(DeviceRequest("POST", body=push))).status == 200
        assert (await ctx.ask(DeviceRequest("POST", body=b'{"in": "Wang"}'))).status in (200, 422)
    trace = traced(http_counter.DRIVER, ctx, **options)
    assert (
        trace.options == {"format": "milesight"}
        and b"6384E16179950009" not in wire(trace)
        and b"Wang" not in wire(trace)
    )
    (event,) = (await with_events(trace)).events
    (reading,) = ctx.readings
    assert isinstance(reading, CounterReading)
    assert (event["in_total"], event["out_total"], event["at_ms"]) == (
        reading.in_total,
        reading.out_total,
        reading.at_ms,
    )


async def test_a_counter_s_messages_over_mqtt_are_replayed_without_topic_broker_or_password() -> None:
    payload = b'{"in": 4, "out": 3, "at": 1782896400000, "boot": "serial-99"}'
    heads = [b'{"sensor":"gw-Wang/door","what":"count","packet_id":7}', b'{"sensor":"gw-Wang","what":"status"}']
    options: Any = {"store": "hk-wang", "username": "wang", "password": "secret", "address": "10.0.0.7:1883"}
    chunks = [heads[0] + b"\n" + payload, heads[1] + b"\n" + b"offline", heads[0] + b"\n" + b"{broken"]
    masked = b"".join(mask(mqtt_counter.DRIVER, chunks, **options))
    assert not [word for word in (b"Wang", b"serial-99", b"door") if word in masked] and b"offline" in masked
    assert told(mqtt_counter.Options(**options)) == {}
    said = [{"after_ms": 1, "hex": each.hex()} for each in mask(mqtt_counter.DRIVER, chunks, **options)]
    (event,) = (
        await with_events(msgspec.convert({"kind": "mqtt_counter", "options": {}, "chunks": said}, Trace))
    ).events
    assert (event["in_total"], event["out_total"], event["packet_id"]) == (4, 3, 7)


def test_a_lorawan_counter_s_own_bytes_stay_and_who_it_is_does_not() -> None:
    data = base64.b64encode(bytes.fromhex("000000c8000001c800")).decode()
    push = json.dumps({"deviceInfo": {"devEui": "A84041000181C061"}, "fPort": 1, "data": data}).encode()
    masked = masked_push(push, SALT, words=())
    assert data.encode() in masked and b"A84041000181C061" not in masked
