"""Vendors' payloads: what each says, judged by numbers written here; damage of every kind gives an error with a known reason."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.counters import lorawan
from devices.codecs.counters.count import COUNTS_MAX, NAME_CHARS_MAX, Count, moment_ms
from devices.codecs.counters.formats import FORMATS, mapped
from devices.codecs.counters.mapping import Mapping
from devices.codecs.counters.own import AT_MS_MAX, COUNT_MAX
from devices.drivers._counting import REMEDIES
from devices.errors import CountError

SHARED = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
MATERIAL = SHARED / "counters" / "payloads.json"
NINE = 1_782_896_400_000  # 2026-07-01T09:00:00Z
CODECS = {
    "Terabee": lorawan.terabee,
    "Parametric": lorawan.parametric,
    "IMBuildings": lorawan.imbuildings,
    "Milesight": lorawan.milesight,
    "Milesight intervals": lorawan.milesight_interval,
}


def decode(form: str, document: Any) -> list[Count]:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return FORMATS[form].decode(payload)


def milesight(**parts: Any) -> dict[str, Any]:
    window = {"start_time": "2026-07-01T16:45:00+08:00", "end_time": "2026-07-01T17:00:00+08:00"}
    info = {"device_sn": "6384E16179950009", "device_mac": "24:E1:24:FA:0C:6C", "running_time": 141}
    return {"device_info": info, "time_info": window | {"time_zone": "UTC+8:00 China Standard Time (CT/CST)"}, **parts}


def line(name: str, **total: int) -> dict[str, Any]:
    return {"line": 1, "line_name": name, "total": total, "group": {"in": 0, "out": 0}}


def test_milesight_tells_totals_by_line_and_intervals_apart() -> None:
    push = milesight(
        line_periodic_data=[line("Left", **{"in": 3, "out": 1})],
        line_total_data=[line("Left", in_counted=4327, out_counted=4503, capacity_counted=-176)],
    )
    who: Any = {"sensor": "6384E16179950009", "line": "Left"}
    assert decode("milesight", push) == [Count(**who, in_total=4327, out_total=4503, at_ms=NINE)]
    window = "2026-07-01T16:45:00+08:00~2026-07-01T17:00:00+08:00"
    assert decode("milesight_interval", push) == [
        Count(**who, in_delta=3, out_delta=1, at_ms=NINE - 1, delta_id=window)
    ]


def test_milesight_of_older_firmware_says_its_offset_beside_the_time() -> None:
    times = {"time_info": {"end_time": "2026/07/01 17:00:00", "time_zone": "UTC+8:00 China Standard Time (CT/CST)"}}
    push = milesight(line_total_data=[line("A", in_counted=1, out_counted=2)]) | times
    assert [count.at_ms for count in decode("milesight", push)] == [NINE]
    del times["time_info"]["time_zone"]
    assert [count.at_ms for count in decode("milesight", push)] == [None]


def test_a_vendor_s_other_messages_count_nobody() -> None:
    assert decode("milesight", milesight(region_trigger_data={"dwell_time_data": []})) == []
    assert decode("xovis", {"connection_test": True}) == []
    assert decode("axis", {"apiName": "Axis Retail Data", "data": {"measurements": []}}) == []
    assert decode("hikvision", HIKVISION.replace(b"PeopleCounting<", b"VMD<")) == []


def xovis(*records: tuple[str, str, str, dict[str, int]]) -> dict[str, Any]:
    logics = [
        {
            "id": n,
            "name": name,
            "records": [{"from": begin, "to": end, "counts": [{"name": k, "value": v} for k, v in counts.items()]}],
        }
        for n, (name, begin, end, counts) in enumerate(records)
    ]
    sensor = {"serial_number": "00:6E:02:01:02:03", "type": "SINGLE_SENSOR"}
    return {"logics_data": {"package_info": {"version": "5.0", "id": 7}, "sensor_info": sensor, "logics": logics}}


def test_xovis_counts_each_logic_s_interval_once_and_no_occupancy() -> None:
    push = xovis(
        ("Main", "2026-07-01T08:59:00+00:00", "2026-07-01T09:00:00+00:00", {"fw": 4, "bw": 2}),
        ("Queue", "2026-07-01T08:59:00+00:00", "2026-07-01T09:00:00+00:00", {"balance": 5}),
    )
    expected = Count(
        sensor="00:6E:02:01:02:03",
        line="Main",
        in_delta=4,
        out_delta=2,
        at_ms=NINE - 1,
        delta_id="2026-07-01T08:59:00+00:00~2026-07-01T09:00:00+00:00",
    )
    assert decode("xovis", push) == [expected]
    assert decode("xovis", [push, push]) == [expected, expected]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=40))
def test_every_interval_of_a_xovis_push_has_an_id_of_its_own(counts: list[tuple[int, int]]) -> None:
    records = [
        ("Main", f"2026-07-01T08:{n:02}:00Z", f"2026-07-01T08:{n + 1:02}:00Z", {"fw": came, "bw": left})
        for n, (came, left) in enumerate(counts)
    ]
    found = decode("xovis", xovis(*records))
    assert [(count.in_delta, count.out_delta) for count in found] == counts
    assert len({count.delta_id for count in found}) == len(counts)


def test_axis_pushes_intervals_and_its_occupancy_has_totals() -> None:
    window = {"utcFrom": "2026-07-01T08:45:00Z", "utcTo": "2026-07-01T09:00:00Z"}
    items = [{"direction": "in", "count": 12, "adults": 0}, {"direction": "out", "count": 9, "adults": 0}]
    measurements = [{"kind": "people-counts", **window, "items": items}, {"kind": "heat", **window, "items": items}]
    push = {
        "apiName": "Axis Retail Data",
        "apiVersion": "0.4",
        "data": {**window, "measurements": measurements},
        "sensor": {"serial": "00:40:8c:18:82:27", "name": "Main door"},
    }
    (count,) = decode("axis", push)
    assert (count.in_delta, count.out_delta, count.at_ms) == (12, 9, NINE - 1)
    assert (count.sensor, count.delta_id) == ("00:40:8c:18:82:27", "2026-07-01T08:45:00Z~2026-07-01T09:00:00Z")
    live = {"occupancy": 15, "serial": "a", "timestamp": "2026-07-01T10:00:00+01:00", "total_in": 100, "total_out": 85}
    assert decode("axis_live", live) == [Count(sensor="a", in_total=100, out_total=85, at_ms=NINE)]


HIKVISION = b"""<?xml version="1.0" encoding="UTF-8"?>
<EventNotificationAlert version="1.0" xmlns="urn:psialliance-org">
<ipAddress>192.168.10.32</ipAddress>
<macAddress>24:28:fd:f3:3a:11</macAddress>
<channelID>1</channelID>
<dateTime>2026-07-01T17:00:00+08:00</dateTime>
<eventType>PeopleCounting</eventType>
<eventState>active</eventState>
<peopleCounting>
<statisticalMethods>timeRange</statisticalMethods>
<TimeRange>
<startTime>2026-07-01T16:45:00+08:00</startTime>
<endTime>2026-07-01T17:00:00+08:00</endTime>
</TimeRange>
<enter>3</enter>
<exit>1</exit>
<regionsID>2</regionsID>
</peopleCounting>
<childCounting><enter>9</enter><exit>9</exit></childCounting>
</EventNotificationAlert>
"""
HIKVISION_TOTALS = HIKVISION.replace(b"timeRange<", b"realTime<")


def test_hikvision_counts_by_one_method_however_the_event_is_wrapped() -> None:
    window = "2026-07-01T16:45:00+08:00~2026-07-01T17:00:00+08:00"
    who: Any = {"sensor": "24:28:fd:f3:3a:11", "line": "1:2"}
    interval = Count(**who, in_delta=3, out_delta=1, at_ms=NINE - 1, delta_id=window)
    multipart = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + HIKVISION + b"\r\n--b\r\n\xff\xd8\xff--b--"
    for body in (HIKVISION, multipart):
        assert decode("hikvision_interval", body) == [interval]
        assert decode("hikvision", body) == []
    assert decode("hikvision", HIKVISION_TOTALS) == [Count(**who, in_total=3, out_total=1, at_ms=NINE)]
    assert decode("hikvision_interval", HIKVISION_TOTALS) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        HIKVISION[:-30],
        HIKVISION.replace(b"</enter>", b""),
        b"<EventNotificationAlert>" + b"<a>" * 100 + b"</EventNotificationAlert>",
        b'<EventNotificationAlert><!DOCTYPE a [<!ENTITY b "c">]></EventNotificationAlert>',
    ],
)
def test_broken_xml_is_refused(body: bytes) -> None:
    with pytest.raises(CountError) as caught:
        decode("hikvision_interval", body)
    assert caught.value.reason == "not_xml"


def test_a_network_server_s_uplinks_are_read_whoever_s_it_is() -> None:
    data = base64.b64encode(bytes.fromhex("000000c8000001c800")).decode()
    expected = [Count(sensor="a84041000181c061", in_total=200, out_total=456, at_ms=NINE, wraps_at=2**32)]
    chirpstack = {"deviceInfo": {"devEui": "A84041000181C061"}, "fPort": 1, "fCnt": 9, "data": data}
    assert decode("terabee_lorawan", chirpstack | {"time": "2026-07-01T09:00:00Z"}) == expected
    gateway = {"devEUI": "a84041000181c061", "fPort": 1, "data": data, "time": "2026-07-01T09:00:00Z"}
    assert decode("terabee_lorawan", gateway) == expected
    things = {
        "end_device_ids": {"device_id": "door", "dev_eui": "A84041000181C061"},
        "uplink_message": {"f_port": 1, "f_cnt": 9, "frm_payload": data, "received_at": "2026-07-01T09:00:00Z"},
    }
    assert decode("terabee_lorawan", things) == expected
    assert decode("terabee_lorawan", {"deviceInfo": {"devEui": "x"}, "devAddr": "01"}) == [], "a join"


def test_milesight_s_lorawan_channels_are_lines() -> None:
    totals = "03D248000000 04D2C8000000 06D200000000 07D200000000 0CD2B4140000 0DD28D1A0000 0FE302100709"
    assert lorawan.milesight(85, bytes.fromhex(totals)) == [
        Count(line="line1", in_total=72, out_total=200, wraps_at=2**32),
        Count(line="line2", in_total=0, out_total=0, wraps_at=2**32),
        Count(line="line4", in_total=5300, out_total=6797, wraps_at=2**32),
    ]
    periods = bytes.fromhex("05CC00000000 0ECC05000700")
    assert lorawan.milesight(85, periods) == []
    assert lorawan.milesight_interval(85, periods) == [
        Count(line="line1", in_delta=0, out_delta=0),
        Count(line="line4", in_delta=5, out_delta=7),
    ]
    vs350 = bytes.fromhex("017564 04CC0A000900 05CC01000000")
    assert lorawan.milesight(85, vs350) == [Count(in_total=10, out_total=9, wraps_at=2**16)]
    with pytest.raises(CountError, match="cut"):
        lorawan.milesight(85, bytes.fromhex("03D24800"))


def test_a_counter_that_stands_still_says_so_instead_of_a_quiet_day() -> None:
    assert lorawan.terabee(1, bytes.fromhex("000000000000000003")) == [Count(fault="stopped, stuck")]


def cases() -> list[Any]:
    return json.loads(MATERIAL.read_text()) if MATERIAL.is_file() else []


@pytest.mark.skipif(not MATERIAL.is_file(), reason="shared material is absent")
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['vendor']} {case['what']}"[:60])
def test_real_payloads_decode_to_what_their_vendor_says(case: Any) -> None:
    codec, payload, counts = CODECS[case["vendor"]], bytes.fromhex(case["hex"]), case.get("counts")
    if "error" in case["expected"]:
        with pytest.raises(CountError) as caught:
            codec(case["fport"], payload)
        assert caught.value.reason == {"wrong_vendor_byte": "wrong_vendor"}.get(
            reason := case["expected"]["error"], reason
        )
    elif counts is None:
        assert codec(case["fport"], payload) == []
    elif counts.get("fault"):
        assert [bool(count.fault) for count in codec(case["fport"], payload)] == [True]
    else:
        totals = [
            (counts.get(a), counts.get(b))
            for a, b in (("in", "out"), ("left_to_right_total", "right_to_left_total"), ("a_total", "b_total"))
        ]
        (count,) = codec(case["fport"], payload)
        assert (count.in_total, count.out_total) in totals and count.in_total is not None


GENERIC = Mapping(each="/doors/*", sensor="/id", line="name", in_="n/0", out="n/dir=out/v", at="/t", boot="/boot")


def test_a_mapping_finds_what_its_paths_say() -> None:
    document = {
        "id": 12,
        "t": 1_782_896_400,
        "boot": "b1",
        "doors": [{"name": "A", "n": [5, {"dir": "out", "v": "7"}]}],
    }
    assert mapped(GENERIC)(json.dumps(document).encode()) == [
        Count(sensor="12", line="A", at_ms=NINE, boot="b1", in_total=5, out_total=7)
    ]


def test_a_mapping_that_finds_nothing_says_so() -> None:
    documents: Any = ({}, [], None, {"doors": [{}]}, {"doors": {"*": 1}})
    for document in documents:
        with pytest.raises(CountError) as caught:
            mapped(GENERIC)(json.dumps(document).encode())
        assert caught.value.reason == "no_count"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "in, out, or both"),
        ({"in_": "a", "id": "b"}, "totals have no id"),
        ({"in_": "/a/*/b"}, "only `each`"),
        ({"in_": "/" * 20}, "steps"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_with_its_remedy(options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Mapping(**options)


@pytest.mark.parametrize(
    ("said", "at_ms"),
    [
        (1_782_896_400, NINE),
        (1_782_896_400.5, NINE + 500),
        (NINE, NINE),
        ("2026-07-01T17:00:00+08:00", NINE),
        ("2026-07-01 17:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_without_its_offset_is_no_time(said: Any, at_ms: int | None) -> None:
    assert moment_ms(said) == at_ms


@pytest.mark.parametrize("form", sorted(FORMATS))
@given(payload=st.binary(max_size=300))
def test_any_bytes_are_counts_or_an_error_with_a_remedy(form: str, payload: bytes) -> None:
    _is_sound(form, payload)


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = st.text(max_size=8)
JSON = LEAF | st.lists(LEAF, max_size=3) | st.dictionaries(NAMES, LEAF | st.lists(LEAF, max_size=3), max_size=3)


@pytest.mark.parametrize("form", sorted(FORMATS))
@given(data=st.data())
def test_damaged_pushes_are_counts_or_an_error_with_a_remedy(form: str, data: st.DataObject) -> None:
    """A good push with one of its values, whichever, replaced by anything."""
    good = PUSHES[form]
    if isinstance(good, bytes):
        at = data.draw(st.integers(0, len(good)))
        _is_sound(form, good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :])
        return
    document = json.loads(json.dumps(good))
    part = document
    while True:
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            part[key] = data.draw(JSON)
            break
        part = part[key]
    _is_sound(form, json.dumps(document).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(fport=st.integers(0, 255), payload=st.binary(max_size=255))
def test_any_lorawan_payload_is_counts_or_an_error_with_a_remedy(codec: Any, fport: int, payload: bytes) -> None:
    try:
        counts = codec(fport, payload)
    except CountError as err:
        assert err.reason in REMEDIES
    else:
        assert all(isinstance(count, Count) for count in counts)


def test_a_push_with_too_many_counts_is_refused() -> None:
    push = milesight(line_total_data=[line("A", in_counted=1, out_counted=1)] * (COUNTS_MAX + 1))
    with pytest.raises(CountError) as caught:
        decode("milesight", push)
    assert caught.value.reason == "too_long"


def _is_sound(form: str, payload: bytes) -> None:
    try:
        counts = FORMATS[form].decode(payload)
    except CountError as err:
        assert err.reason in REMEDIES, err.reason
        return
    for count in counts:
        totals, deltas = (count.in_total, count.out_total), (count.in_delta, count.out_delta)
        assert (None in totals) != (None in deltas) or count.fault
        assert all(n is None or 0 <= n <= COUNT_MAX for n in (*totals, *deltas))
        assert count.at_ms is None or 0 <= count.at_ms <= AT_MS_MAX
        assert len(count.sensor) <= NAME_CHARS_MAX and len(count.line) <= NAME_CHARS_MAX


_UPLINK = {
    "deviceInfo": {"devEui": "a84041000181c061"},
    "fPort": 1,
    "fCnt": 9,
    "time": "2026-07-01T09:00:00Z",
    "data": base64.b64encode(bytes.fromhex("03D24800000004D2C8000000")).decode(),
}
_LINES = {
    "line_total_data": [line("A", in_counted=1, out_counted=2)],
    "line_periodic_data": [line("A", **{"in": 1, "out": 2})],
}
PUSHES: dict[str, Any] = dict.fromkeys(
    (form for form in FORMATS if form.endswith(("lorawan", "lorawan_interval"))), _UPLINK
) | {
    "milesight": milesight(**_LINES),
    "milesight_interval": milesight(**_LINES),
    "xovis": xovis(("Main", "2026-07-01T08:59:00Z", "2026-07-01T09:00:00Z", {"fw": 4, "bw": 2})),
    "axis": {
        "data": {"measurements": [{"kind": "people-counts", "utcTo": "x", "items": [{"direction": "in", "count": 1}]}]}
    },
    "axis_live": {"serial": "a", "timestamp": "2026-07-01T10:00:00+01:00", "total_in": 100, "total_out": 85},
    "hikvision": HIKVISION_TOTALS,
    "hikvision_interval": HIKVISION,
}
