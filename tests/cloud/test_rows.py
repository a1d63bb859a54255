"""What the cloud reads in rows by their declarations: keys that are told apart, sums, labels that a store cannot multiply."""

import msgspec
import pytest

from sync.cloud.arrivals.rows import Fact, Tally, is_tally_stream, read_facts, read_tally, shown_key
from sync.cloud.metrics import UNKNOWN, label_of
from sync.entities import REGISTRY
from sync.model import Feed


def test_a_sale_adds_its_total_in_its_currency_whatever_else_it_says() -> None:
    row = b'{"v":9,"sale":{"sale_id":"s1","currency":"HKD","total":500,"mood":"late"},"aura":[1]}'
    assert read_facts("sales", [row]) == [Fact("s1", "HKD", 500)]


def test_a_return_names_its_sale() -> None:
    row = b'{"return":{"return_id":"r1","sale_id":"s1"},"currency":"HKD","refund":5}'
    assert read_facts("returns", [row]) == [Fact("r1", "HKD", 5, "s1")]


def test_entities_of_one_stream_have_keys_of_their_own() -> None:
    rows = [b'{"kind":"promise","promise_id":"p"}', b'{"kind":"promise_end","promise_id":"p"}']
    made, ended = (read_facts("promises", [row])[0] for row in rows)
    assert ended is not None and ended.key == '["promise_end","p"]' and made != ended


def test_rows_that_cannot_be_read_stop_no_other() -> None:
    good = b'{"sale":{"sale_id":"s1","currency":"HKD","total":5}}'
    bad = [b"", b"[]", b"[" * 5000, good.replace(b"HKD", b"hk"), good.replace(b"5}", b"-5}"), good.replace(b"s1", b"")]
    assert read_facts("sales", [*bad, good]) == [*[None] * len(bad), Fact("s1", "HKD", 5)]
    assert read_facts("no-such-stream", [good]) == [None]


def test_a_level_of_the_version_before_reads_as_one_of_which_nothing_was_picked() -> None:
    row = b'{"v":1,"sku":"a","location":"shop","received":5,"issued":2}'
    assert read_tally("levels", row) == Tally('["a","shop"]', {"received": 5, "issued": 2, "picked": 0})


@pytest.mark.parametrize("stream", [stream for stream, feed in REGISTRY.feeds.items() if feed is Feed.STATE])
def test_every_state_stream_of_stores_is_merged_by_key(stream: str) -> None:
    assert is_tally_stream(stream) is (stream != "catalogue")


def test_a_row_without_a_key_is_shown_by_what_is_declared() -> None:
    assert shown_key("prints", msgspec.json.encode({"job_id": "j1"})) == "j1"
    assert shown_key("prints", b"{}") is None and shown_key("later", b"{}") is None


def test_a_store_cannot_make_labels_of_its_own() -> None:
    assert {label_of(stream) for stream in REGISTRY.streams} == set(REGISTRY.streams)
    assert label_of("made-up") == UNKNOWN
