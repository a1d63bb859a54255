"""Where the codecs of vendors' counters draw their lines, each from both sides: judged by numbers and texts written here."""

import base64
import json
from typing import Any

import pytest

from devices.codecs.counters import lorawan
from devices.codecs.counters.count import Count
from devices.codecs.counters.formats import FORMATS
from devices.codecs.counters.hikvision import people_counting
from devices.codecs.counters.uplinks import Uplink, uplink
from devices.errors import CountError
from tests.devices.test_counter_edges import refusal


def test_an_interval_that_ends_at_the_beginning_of_time_stays_there() -> None:
    push = {"line_periodic_data": [{"line_name": "A", "total": {"in": 1, "out": 0}}], "time_info": {"end_time": 0}}
    decode = FORMATS["milesight_interval"].decode
    assert [count.at_ms for count in decode(json.dumps(push).encode())] == [0]
    push["time_info"] = {"end_time": 1}  # type: ignore[dict-item]
    assert [count.at_ms for count in decode(json.dumps(push).encode())] == [999]
    push["time_info"] = {}  # type: ignore[dict-item]
    assert [count.at_ms for count in decode(json.dumps(push).encode())] == [None]


def message(payload: bytes, **more: Any) -> dict[str, Any]:
    return {"devEUI": "AB", "fPort": 1, "data": base64.b64encode(payload).decode()} | more


def test_an_interval_of_an_uplink_is_named_by_its_frame_and_totals_are_not() -> None:
    interval, totals = bytes.fromhex("05CC05000700"), bytes.fromhex("03D20100000004D202000000")
    decode = FORMATS["milesight_lorawan_interval"].decode
    expected = Count(sensor="ab", line="line1", in_delta=5, out_delta=7)
    assert decode(json.dumps(message(interval)).encode()) == [expected]
    for fcnt in (0, 9, 2**32):
        (found,) = decode(json.dumps(message(interval, fCnt=fcnt)).encode())
        assert found.delta_id == str(fcnt)
    (found,) = FORMATS["milesight_lorawan"].decode(json.dumps(message(totals, fCnt=9)).encode())
    assert (found.delta_id, found.in_total, found.out_total) == (None, 1, 2)


def hear(**said: Any) -> Uplink | None:
    return uplink(json.dumps(said).encode())


def test_an_uplink_says_who_where_what_and_when() -> None:
    assert hear(devEUI="AB", fPort=0, data="", fCnt=0) == Uplink("ab", 0, b"", 0, None)
    assert hear(devEui="AB", fPort=255, data="AQ==", time=1) == Uplink("ab", 255, b"\x01", None, 1_000)
    ttn = {"end_device_ids": {"dev_eui": "CD"}, "uplink_message": {"f_port": 2, "frm_payload": "Ag==", "f_cnt": 3}}
    assert hear(**ttn, received_at=1) == Uplink("cd", 2, b"\x02", 3, 1_000)
    assert hear(deviceInfo={"devEui": "EF"}, devEUI="AB", fPort=1, data="") == Uplink("ef", 1, b"")


def test_what_is_no_uplink_is_none_and_what_is_a_wrong_one_is_refused() -> None:
    assert hear(devEUI="AB", fPort=1) is None and hear(devEUI="AB", data="") is None
    assert refusal(uplink, b"[]") == "not_json"
    assert refusal(hear, fPort=1, data="") == "sensor_name"
    assert refusal(hear, end_device_ids="x", fPort=1, data="") == "sensor_name"
    for wrong in ({"fPort": 256}, {"fPort": -1}, {"fPort": True}, {"fPort": "1"}, {"fPort": 1.0}):
        assert refusal(hear, **({"devEUI": "AB", "data": ""} | wrong)) == "wrong_field"
    for wrong in ({"fCnt": 2**32 + 1}, {"fCnt": -1}, {"data": 5}, {"data": "A"}, {"data": "AQ==!"}, {"data": "é"}):
        assert refusal(hear, **({"devEUI": "AB", "fPort": 1, "data": ""} | wrong)) == "wrong_field"


def test_an_uplink_has_255_bytes_at_most() -> None:
    for size, reason in ((256, "too_long"), (381, "too_long"), (384, "wrong_field")):
        assert refusal(hear, devEUI="AB", fPort=1, data=base64.b64encode(bytes(size)).decode()) == reason
    heard = hear(devEUI="AB", fPort=1, data=base64.b64encode(bytes(255)).decode())
    assert heard is not None and len(heard.payload) == 255


def alert(**leaves: str) -> bytes:
    outer = {"macAddress": "m", "channelID": "1", "dateTime": "1970-01-01T00:00:01Z", "eventType": "PeopleCounting"}
    inner = {"statisticalMethods": "realTime", "enter": "3", "exit": "1"}
    said = {key: leaves.pop(key, value) for key, value in outer.items()}
    inner |= leaves
    part = "".join(f"<{key}>{value}</{key}>" for key, value in inner.items())
    whole_ = "".join(f"<{key}>{value}</{key}>" for key, value in said.items())
    return f"<EventNotificationAlert>{whole_}<peopleCounting>{part}</peopleCounting></EventNotificationAlert>".encode()


WINDOW = "<startTime>1970-01-01T00:00:00Z</startTime><endTime>1970-01-01T00:00:02Z</endTime>"


def test_hikvision_s_totals_and_intervals() -> None:
    assert people_counting(alert(), "realTime") == [Count(sensor="m", line="1", at_ms=1_000, in_total=3, out_total=1)]
    interval = {"statisticalMethods": "timeRange", "TimeRange": WINDOW, "regionsID": "2"}
    assert people_counting(alert(**interval), "timeRange") == [
        Count(
            sensor="m",
            line="1:2",
            at_ms=2_000,
            in_delta=3,
            out_delta=1,
            delta_id="1970-01-01T00:00:00Z~1970-01-01T00:00:02Z",
        )
    ]
    half = WINDOW.replace("<startTime>1970-01-01T00:00:00Z</startTime>", "")
    (count,) = people_counting(alert(statisticalMethods="timeRange", TimeRange=half), "timeRange")
    assert (count.delta_id, count.at_ms) == (None, 2_000)
    (count,) = people_counting(alert(statisticalMethods="timeRange"), "timeRange")
    assert (count.delta_id, count.at_ms) == (None, None), "the event's own time is no interval's"
    (count,) = people_counting(alert(TimeRange=WINDOW), "realTime")
    assert (count.delta_id, count.at_ms) == (None, 1_000)
    fine = WINDOW.replace("00Z", "00.000000+00:00").replace("02Z", "02.000000+00:00")
    (count,) = people_counting(alert(statisticalMethods="timeRange", TimeRange=fine), "timeRange")
    assert count.delta_id == "1970-01-01T00:00:00.000000+00:00~1970-01-01T00:00:02.000000+00:0", (
        "a name has 64 characters"
    )


@pytest.mark.parametrize(("method", "kind"), [("realTime", "total"), ("timeRange", "delta")])
def test_a_side_that_hikvision_leaves_out_is_zero_and_both_are_an_error(method: Any, kind: str) -> None:
    for out, expected in (({"enter": ""}, (0, 1)), ({"exit": ""}, (3, 0))):
        body = alert(statisticalMethods=method, **out)
        body = body.replace(b"<enter></enter>", b"").replace(b"<exit></exit>", b"")
        (count,) = people_counting(body, method)
        assert (getattr(count, f"in_{kind}"), getattr(count, f"out_{kind}")) == expected
    body = alert(statisticalMethods=method).replace(b"<enter>3</enter>", b"").replace(b"<exit>1</exit>", b"")
    assert refusal(people_counting, body, method) == "no_count"
    body = alert(statisticalMethods=method, enter="100001")
    if kind == "delta":
        assert refusal(people_counting, body, method) == "wrong_field"
    else:
        assert people_counting(body, method)[0].in_total == 100_001


def test_hikvision_s_other_events_are_no_counts() -> None:
    assert people_counting(alert(eventType="VMD"), "realTime") == []
    assert people_counting(alert(eventType="PEOPLECOUNTING"), "realTime") != []
    assert people_counting(alert(), "timeRange") == []
    assert people_counting(alert().replace(b"<eventType>PeopleCounting</eventType>", b""), "realTime") == []


def test_an_event_is_cut_out_of_what_stands_around_it() -> None:
    assert people_counting(b"\xff--b\r\n" + alert() + b"\r\n\xff", "realTime") == people_counting(alert(), "realTime")
    spaced = alert().replace(b"<EventN", b"<h:EventN").replace(b"</EventN", b"</h:EventN")
    assert refusal(people_counting, spaced, "realTime") == "not_xml"
    named = alert(enter=" 3 ").replace(b"macAddress>", b"h:macAddress>").replace(b"Alert>", b'Alert xmlns:h="x">', 1)
    assert people_counting(named, "realTime") == people_counting(alert(), "realTime")
    for body in (b"", b"</EventNotificationAlert>", b"</EventNotificationAlert>" + alert()[:-1]):
        with pytest.raises(CountError, match="no EventNotificationAlert"):
            people_counting(body, "realTime")
    nested = alert().replace(b"<EventNotificationAlert>", b"<EventNotificationAlert>" * 2)
    for body in (nested, alert(enter="&b;"), alert().replace(b"</enter>", b"")):
        with pytest.raises(CountError, match="broken XML"):
            people_counting(body, "realTime")


def test_hikvision_s_event_has_32_levels_and_a_quarter_of_a_mebibyte_at_most() -> None:
    for levels, is_read in ((31, True), (32, False)):
        body = alert(deep="<a>" * (levels - 2) + "</a>" * (levels - 2))
        body = body.replace(b"<deep>", b"<a>").replace(b"</deep>", b"</a>")
        if is_read:
            assert people_counting(body, "realTime") != []
        else:
            assert refusal(people_counting, body, "realTime") == "not_xml"
    body = alert()
    assert people_counting(body + b" " * (262_144 - len(body)), "realTime") != []
    assert refusal(people_counting, body + b" " * (262_145 - len(body)), "realTime") == "too_long"


def test_a_text_that_the_parser_hands_over_in_pieces_is_one_text() -> None:
    (count,) = people_counting(alert(macAddress="a&amp;b"), "realTime")
    assert count.sensor == "a&b"


def test_a_terabee_says_totals_or_what_is_wrong_with_it() -> None:
    def said(faults: int) -> Count:
        (count,) = lorawan.terabee(1, bytes.fromhex("0000000200000003") + bytes([faults]))
        return count

    assert said(0) == said(0b1000) == Count(in_total=2, out_total=3, wraps_at=2**32)
    assert [said(1 << bit).fault for bit in range(3)] == ["stopped", "stuck", "several_devices"]
    assert said(0b1111).fault == "stopped, stuck, several_devices, wifi_access_point"
    assert said(0b1).in_total is None
    for port in (4, 5, 100, 101, 102):
        assert lorawan.terabee(port, b"") == []
    for port in (0, 2, 3, 6, 99, 103):
        assert refusal(lorawan.terabee, port, bytes(9)) == "unknown_port"
    assert refusal(lorawan.terabee, 1, bytes(8)) == "truncated"


def test_a_parametric_says_its_totals_behind_the_deltas() -> None:
    payload = bytes.fromhex("BE0104 0001 0002 0003 0004")
    assert lorawan.parametric(14, payload) == [Count(in_total=3, out_total=4, wraps_at=2**16)]
    assert lorawan.parametric(14, payload + b"\x00") == [Count(in_total=3, out_total=4, wraps_at=2**16)]
    assert lorawan.parametric(13, payload) == lorawan.parametric(15, payload) == []
    assert lorawan.parametric(14, bytes.fromhex("BE0103 0001 0002 0003 0004")) == []
    assert lorawan.parametric(14, bytes.fromhex("BE0004 0001 0002 0003 0004")) == []
    assert refusal(lorawan.parametric, 14, payload[:-1]) == "truncated"
    for other in (b"", b"\xbd\x01\x04" + bytes(8)):
        assert refusal(lorawan.parametric, 14, other) == "wrong_vendor"


def test_an_imbuildings_says_its_totals_behind_the_deltas() -> None:
    payload = bytes.fromhex("0206 0102030405060708 09 0A0B 0001 0002 0C 0003 0004 05")
    assert lorawan.imbuildings(1, payload) == [Count(in_total=3, out_total=4, wraps_at=2**16)]
    assert lorawan.imbuildings(1, b"") == lorawan.imbuildings(1, b"\x01\x06") == []
    assert refusal(lorawan.imbuildings, 1, payload[:-1]) == "truncated"
    for other in (b"\x02", b"\x02\x05" + payload[2:], b"\x02\x07" + payload[2:]):
        assert refusal(lorawan.imbuildings, 1, other) == "unknown_layout"


def test_milesight_s_channels_are_read_up_to_one_that_is_not_known() -> None:
    both = "03D201000000 04D202000000"
    line1 = Count(line="line1", in_total=1, out_total=2, wraps_at=2**32)
    assert lorawan.milesight(1, bytes.fromhex(both + "FF99" + "06D203000000 07D204000000")) == [line1]
    assert lorawan.milesight(1, bytes.fromhex(both + "05")) == [line1], "a channel without a type is no channel"
    assert lorawan.milesight(1, bytes.fromhex("03D201000000")) == [], "its out is missing"
    assert lorawan.milesight(1, bytes.fromhex("04D201000000")) == []
    assert lorawan.milesight(1, bytes.fromhex("02D201000000 03CC01000000" + both)) == [line1]
    assert lorawan.milesight(1, bytes.fromhex("06D203000100 07D204000000" + both)) == [
        line1,
        Count(line="line2", in_total=65_539, out_total=4, wraps_at=2**32),
    ]
    assert lorawan.milesight(1, bytes.fromhex("04CC0A010900")) == [Count(in_total=266, out_total=9, wraps_at=2**16)]
    assert refusal(lorawan.milesight, 1, bytes.fromhex("04CC0A0109")) == "truncated"
    assert refusal(lorawan.milesight, 1, bytes.fromhex(both + "0175")) == "truncated"
    assert lorawan.milesight_interval(1, bytes.fromhex("04CC01000200 06CC01000200 05D201000000")) == []
    assert lorawan.milesight_interval(1, bytes.fromhex("08CC01000201 0BCC03000400")) == [
        Count(line="line2", in_delta=1, out_delta=258),
        Count(line="line3", in_delta=3, out_delta=4),
    ]


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (0x01, 1), (0x08, 6), (0x09, 2), (0x0A, 2), (0x0B, 1), (0x0F, 1), (0x16, 8), (0x1F, 4), (0x67, 2), (0x75, 1), (0xC9, 5),
        (0xCC, 4), (0xCD, 1), (0xD2, 4), (0xD5, 8), (0xDA, 8), (0xE3, 4), (0xE4, 5), (0xEF, 4), (0xFE, 1), (0xFF, 2),
    ],
)  # fmt: skip
def test_a_channel_is_as_long_as_its_type_says(kind: int, size: int) -> None:
    behind = bytes.fromhex("03D201000000 04D202000000")
    payload = bytes((0x7F, kind)) + bytes(size) + behind
    assert lorawan.milesight(1, payload) == [Count(line="line1", in_total=1, out_total=2, wraps_at=2**32)]
