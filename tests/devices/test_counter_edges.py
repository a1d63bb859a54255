"""Where the counters' codecs draw their lines, each from both sides: judged by numbers and texts written here, nothing drawn."""

from typing import Any

import pytest

from devices.codecs.counters.count import Count, joined, json_document, moment_ms, name, whole, word
from devices.codecs.counters.formats import mapped
from devices.codecs.counters.mapping import Mapping, read
from devices.codecs.counters.own import is_sensor_name, parse_reading
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


def test_a_mapping_of_the_configuration_decodes_json() -> None:
    assert mapped(Mapping(in_="n"))(b'{"n": 1}') == [Count(in_total=1, out_total=0)]
