"""Where the counters' codecs draw their lines, each from both sides: judged by numbers and texts written here, nothing drawn."""

import base64
import json
from typing import Any

import pytest

from devices.codecs.counters import lorawan
from devices.codecs.counters.count import Count, joined, json_document, moment_ms, name, whole, word
from devices.codecs.counters.formats import FORMATS, mapped
from devices.codecs.counters.hikvision import people_counting
from devices.codecs.counters.mapping import Mapping, read
from devices.codecs.counters.own import is_sensor_name, parse_reading
from devices.codecs.counters.uplinks import Uplink, uplink
from devices.errors import CountError

NINE = 1_782_896_400_000  # 2026-07-01T09:00:00Z


def refusal(read_it: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(CountError) as caught:
        read_it(*args, **more)
    return caught.value.reason


# what all forms share


def test_a_push_of_a_quarter_of_a_mebibyte_is_read_and_one_byte_more_is_not() -> None:
    assert json_document(b"[]" + b" " * 262_142) == []
    assert refusal(json_document, b"[]" + b" " * 262_143) == "too_long"
    for broken in (b"", b"{", b'"\xff"', b"[" * 5_000):
        assert refusal(json_document, broken) == "not_json"


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (None, None),
        (0, 0),
        (7, 7),
        (7.0, 7),
        ("7", 7),
        ("007", 7),
        ("000000000000007", 7),
        (10**12, 10**12),
        ("999999999999", 999_999_999_999),
    ],
)
def test_a_total_is_a_whole_number_however_it_is_written(said: Any, count: int | None) -> None:
    assert whole(said, is_delta=False) == count


@pytest.mark.parametrize(
    "said", [-1, 7.5, True, False, "", "-1", "7.0", "٧", "²", [], {}, 10**12 + 1, float("inf"), "0" * 16]
)
def test_what_is_no_number_of_people_is_refused(said: Any) -> None:
    assert refusal(whole, said, is_delta=False) == "wrong_field"


def test_a_delta_has_a_hundred_thousand_people_at_most() -> None:
    assert whole(100_000, is_delta=True) == 100_000
    assert refusal(whole, 100_001, is_delta=True) == "wrong_field"


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, ""), ("", ""), ("  ", ""), (" a ", "a"), (12, "12"), (0, "0"), ("x" * 64, "x" * 64), ("門", "門")],
)
def test_a_name_is_a_text_or_a_number(said: Any, expected: str) -> None:
    assert name(said) == expected


@pytest.mark.parametrize("said", [True, False, 1.5, [], "x" * 65, "a\x00b", "a\nb"])
def test_what_is_no_name_is_refused(said: Any) -> None:
    assert refusal(name, said) == "wrong_field"


def test_an_id_is_a_name_in_ascii_or_none() -> None:
    assert (word(None), word(" "), word(0), word("b1")) == (None, None, "0", "b1")
    assert refusal(word, "門") == "wrong_field"


@pytest.mark.parametrize(
    ("said", "at_ms"),
    [
        (0, 0),
        (1, 1_000),
        (1.5, 1_500),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (2**53, 2**53),
        ("  2026-07-01T17:00:00+08:00 ", NINE),
        ("2026/07/01 17:00:00+08:00", NINE),
        ("2026-07-01T09:00:00.250Z", NINE + 250),
        ("1970-01-01T00:00:01Z", 1_000),
        ("1969-12-31T23:59:59Z", 0),
    ],
)
def test_a_time_is_seconds_milliseconds_or_a_text(said: Any, at_ms: int) -> None:
    assert moment_ms(said) == at_ms


@pytest.mark.parametrize(
    "said",
    [2**53 + 1, -1, -0.5, -(10**12), float("inf"), float("nan"), True, False, [], "noon", "0001-01-01T00:00:00+14:00"],
)
def test_what_is_no_time_is_refused(said: Any) -> None:
    assert refusal(moment_ms, said) == "wrong_field"


@pytest.mark.parametrize(
    ("zone", "offset_minutes"),
    [
        ("UTC+8:00 China Standard Time (CT/CST)", 480),
        ("GMT-03:30", -210),
        ("+0800", 480),
        ("UTC+0:00", 0),
        ("UTC+23:59", 1_439),
        ("UTC-23:59", -1_439),
    ],
)
def test_an_offset_may_stand_beside_the_time(zone: str, offset_minutes: int) -> None:
    assert moment_ms("2026-07-01T09:00:00", zone=zone) == NINE - offset_minutes * 60_000
    assert moment_ms("2026-07-01T09:00:00Z", zone=zone) == NINE, "the time's own offset comes first"


@pytest.mark.parametrize("zone", [None, 8, "", "UTC", "+08000", "UTC+24:00", "UTC+23:60"])
def test_a_zone_that_names_no_offset_leaves_the_time_unknown(zone: Any) -> None:
    assert moment_ms("2026-07-01T09:00:00", zone=zone) is None


def test_a_sensor_and_its_line_are_one_name_of_64_characters_at_most() -> None:
    assert (joined("a", "b"), joined("", "b", ""), joined("x" * 64)) == ("a:b", "b", "x" * 64)
    for names in ((), ("", ""), ("x" * 65,), ("x" * 32, "y" * 32)):
        assert refusal(joined, *names) == "sensor_name"


# the hub's own form


def own(payload: str, **more: Any) -> Any:
    return parse_reading(payload.encode(), sensor="door", entrance="Main", **more)


def test_an_own_payload_says_what_it_was_given() -> None:
    padded = '{"in": 1}' + " " * 4_087
    plain, wired = own(padded), own('{"out": 1}', packet_id=3, redelivered=True, retained=True)
    assert (plain.packet_id, plain.redelivered, plain.retained, plain.at_ms, plain.boot) == (
        0,
        False,
        False,
        None,
        None,
    )
    assert (wired.packet_id, wired.redelivered, wired.retained) == (3, True, True)
    assert (plain.in_total, plain.out_total, plain.in_delta, plain.out_delta, plain.delta_id) == (
        1,
        0,
        None,
        None,
        None,
    )
    assert refusal(own, padded + " ") == "too_long"
    assert (own('{"in": 0}').in_total, own('{"out": 0}').out_total) == (0, 0)
    assert (own('{"in_delta": 0}').out_delta, own('{"out_delta": 3}').in_delta) == (0, 0)
    assert (own('{"in": 1, "out": 2}').in_total, own('{"in": 1, "out": 2}').out_total) == (1, 2)
    assert (own('{"in_delta": 1, "out_delta": 2}').in_delta, own('{"in_delta": 1, "out_delta": 2}').out_delta) == (1, 2)


def test_an_own_time_is_in_milliseconds_whichever_way_it_is_written() -> None:
    assert own('{"in": 1, "at": 1782896400250}').at_ms == NINE + 250
    assert own('{"in": 1, "at": "2026-07-01T09:00:00.25Z"}').at_ms == NINE + 250
    assert own('{"in": 1, "at": 0}').at_ms == 0


@pytest.mark.parametrize(
    ("payload", "delta"),
    [
        ('{"in": 100000, "out": 0, "id": 7}', (100_000, 0, "7")),
        ('{"out": 2, "id": "b"}', (0, 2, "b")),
        ('{"in": 2, "id": 0}', (2, 0, "0")),
        ('{"in_delta": 2, "id": 7, "boot": "x"}', (2, 0, "7")),
    ],
)
def test_an_id_names_what_came_since(payload: str, delta: tuple[int, int, str]) -> None:
    reading = own(payload)
    assert (reading.in_delta, reading.out_delta, reading.delta_id) == delta
    assert (reading.in_total, reading.out_total) == (None, None)


def test_a_named_count_beyond_a_delta_is_a_total_without_its_boot() -> None:
    for payload in ('{"in": 100001, "id": 7}', '{"in": 1, "out": 100001, "id": 7}'):
        assert refusal(own, payload) == "wrong_field"
    assert refusal(own, '{"in": 1, "out_delta": 1, "id": 7}') == "no_count"
    assert own('{"in": 100001, "boot": "b"}').in_total == 100_001
    assert own('{"in": 100001, "id": 7, "boot": "b"}').in_total == 100_001


@pytest.mark.parametrize(
    ("sensor", "is_one"),
    [("x", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("a\n", False), ("a\x00", False), ("a ", False)],
)
def test_a_topic_s_level_may_name_a_sensor(sensor: str, is_one: bool) -> None:
    assert is_sensor_name(sensor) is is_one


# mappings


def test_a_mapping_s_paths_have_sixteen_steps_at_most() -> None:
    deep = "/".join("abcdefghijklmnop")
    assert Mapping(in_=deep).in_ == deep
    for said in (
        {"in_": deep + "/q"},
        {"in_": "a", "counts": "deltas", "id": deep + "/q"},
        {"in_": "a", "each": "/" + deep},
    ):
        with pytest.raises(ValueError, match="more than 16 steps"):
            Mapping(**said)
    with pytest.raises(ValueError, match="only `each`"):
        Mapping(in_="a", counts="deltas", id=("b", "c/*"))
    assert Mapping(in_="a", each="*/b/*").each == "*/b/*"


def test_a_mapping_has_one_side_or_both() -> None:
    assert read(Mapping(in_="a"), {"a": 3}) == [Count(in_total=3, out_total=0)]
    assert read(Mapping(out="a"), {"a": 3}) == [Count(in_total=0, out_total=3)]
    assert read(Mapping(in_="a", out="b"), {"a": 0}) == [Count(in_total=0, out_total=0)]
    deltas = Mapping(in_="a", out="b", counts="deltas", wraps_at=256)
    assert read(deltas, {"a": 3, "b": 4}) == [Count(in_delta=3, out_delta=4, wraps_at=256)]
    assert read(deltas, {"b": 4}) == [Count(in_delta=0, out_delta=4, wraps_at=256)]
    assert refusal(read, deltas, {"a": 100_001}) == "wrong_field"


@pytest.mark.parametrize(
    ("id_", "said", "delta_id"),
    [
        ("n", {"n": 5}, "5"),
        ("n", {}, None),
        (("n",), {"n": "x"}, "x"),
        (("n", "m"), {"n": "x", "m": 7}, "x~7"),
        (("n", "m"), {"n": "x"}, None),
        (("n", "m"), {"n": "x" * 40, "m": "y" * 40}, "x" * 40 + "~" + "y" * 23),
        ("", {"n": 5}, None),
        ((), {"n": 5}, None),
    ],
)
def test_a_delta_is_named_by_all_its_parts_or_not_at_all(id_: Any, said: dict[str, Any], delta_id: str | None) -> None:
    mapping = Mapping(in_="in", counts="deltas", id=id_)
    assert read(mapping, {"in": 1, **said}) == [Count(in_delta=1, out_delta=0, delta_id=delta_id)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a/b", 1),
        ("/top", 2),
        ("../top", None),
        ("a/../top", 2),
        ("a/b/../../top", 2),
        ("../../top", 2),
        ("l/0", 3),
        ("l/1", 4),
        ("l/2", None),
        ("l/-1", None),
        ("l/x", None),
        ("l/²", None),
        ("l/00000001", 4),
        ("l/000000001", None),
        ("d/k=v/n", 5),
        ("d/k=7/n", 6),
        ("d/k=w/n", None),
        ("d/k=/n", 7),
        ("a//b", 1),
        ("top/x", None),
        ("top/0", None),
        ("s/0", None),
        ("away", None),
    ],
)
def test_a_path_leads_where_it_says(path: str, found: int | None) -> None:
    document = {
        "a": {"b": 1},
        "top": 2,
        "s": "12",
        "l": [3, 4],
        "d": ["k=v", {"n": 0}, {"k": "v", "n": 5}, {"k": "v", "n": 9}, {"k": 7, "n": 6}, {"k": "", "n": 7}],
        "..": {"top": 9},
    }
    if path == "../top":
        found = 2  # above the document there is nothing: it stays there
    mapping = Mapping(in_=path, is_optional=True)
    assert [count.in_total for count in read(mapping, document)] == ([] if found is None else [found])


def test_items_of_lists_in_lists_are_each_a_count_and_know_what_they_stand_in() -> None:
    document = {
        "id": "s",
        "rooms": [{"name": "A", "doors": [{"n": 1}, {"n": 2}]}, {"name": "B", "doors": [{"n": 3}]}, {"doors": 7}],
    }
    mapping = Mapping(each="/rooms/*/doors/*", sensor="/id", line="../../name", in_="n")
    assert [(count.sensor, count.line, count.in_total) for count in read(mapping, document)] == [
        ("s", "A", 1),
        ("s", "A", 2),
        ("s", "B", 3),
    ]
    assert [count.in_total for count in read(Mapping(each="/rooms/0/doors/1", in_="n"), document)] == [2]


def test_the_words_of_a_mapping_are_what_its_items_are_known_by() -> None:
    mapping = Mapping(each="a/t=x/*", in_="items/way=in/n", out="items/way=out/n", only="kind", is_="people", line="k=")
    assert mapping.words == {"x", "in", "out", "people", ""}
    assert Mapping(in_="n", is_="alone", counts="deltas", id=("a", "b=c")).words == {"c"}


def test_only_items_that_say_so_are_counts() -> None:
    document = [{"kind": "a", "n": 1}, {"kind": "b", "n": 2}, {"n": 3}, {"kind": "b", "n": 4}]
    assert [count.in_total for count in read(Mapping(each="*", in_="n", only="kind", is_="b"), document)] == [2, 4]
    assert refusal(read, Mapping(each="*", in_="n", only="kind", is_="c"), document) == "no_count"
    assert read(Mapping(each="*", in_="n", only="kind", is_="c", is_optional=True), document) == []


def test_a_document_has_1024_counts_at_most() -> None:
    mapping = Mapping(each="*", in_="n")
    assert len(read(mapping, [{"n": 1}] * 1_024)) == 1_024
    assert refusal(read, mapping, [{"n": 1}] * 1_025) == "too_long"
    assert len(read(mapping, [{"n": 1}] * 1_024 + [{}])) == 1_024


# vendors


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


def test_a_mapping_of_the_configuration_decodes_json() -> None:
    assert mapped(Mapping(in_="n"))(b'{"n": 1}') == [Count(in_total=1, out_total=0)]
