"""Key presses into labels: judged by the simulated keyboard, which is written from the HID side and shares nothing."""

import itertools
import random
import struct
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.hid_keys import INPUT_EVENT, HidLabels, Layout
from devices.codecs.labels import Refusal
from devices.testing.hid_keyboard import (
    DROPPED,
    SYNCHRONISED,
    GroupSeparator,
    alt_strokes,
    input_events,
    strokes,
)
from devices.testing.scanners import FAULTS, Fault, VirtualHidScanner

LAYOUTS: tuple[Layout, ...] = get_args(Layout)
ASCII = "".join(map(chr, range(0x20, 0x7F)))
GERMAN = "äöüÄÖÜßµ€²³§°´"
ENTER = b"".join(input_events([(0, 0x28)]))
KEYS = st.lists(
    st.sampled_from(
        [
            *input_events([each for one in strokes("1aZ/]\x1d\r\t", layout="us") for each in one]),
            *input_events([(0, 0x39), (0, 0x2E), (0x40, 0x14), (0, 0x3A), *alt_strokes("0233")]),
            DROPPED,
            SYNCHRONISED,
        ]
    ),
    max_size=60,
).map(b"".join)


def typed(text: str, *, layout: Layout = "us", group_separator: GroupSeparator = "ctrl", repeats: int = 0) -> bytes:
    reports = [each for one in strokes(text, layout=layout, group_separator=group_separator) for each in one]
    return b"".join(input_events(reports, repeats=repeats))


def read(events: bytes, **options: object) -> list[str]:
    found = HidLabels(**options).feed(events)
    return [each.reason if isinstance(each, Refusal) else each for each in found]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_character_of_a_layout_comes_as_it_was_scanned(layout: Layout) -> None:
    text = (ASCII + (GERMAN if layout == "german" else "")).strip()
    assert read(typed(f"{text}\r", layout=layout), layout=layout) == [text]


@given(st.text(ASCII + GERMAN, min_size=1, max_size=80))
def test_any_text_typed_on_the_german_layout_is_read(text: str) -> None:
    assert read(typed(f"{text}\r", layout="german"), layout="german") == [text]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("group_separator", get_args(GroupSeparator))
def test_a_group_separator_is_read_however_the_scanner_sends_it(
    layout: Layout, group_separator: GroupSeparator
) -> None:
    events = typed("]d20110L7\x1d17261231\r", layout=layout, group_separator=group_separator)
    assert read(events, layout=layout, f8_is_gs=group_separator == "f8") == ["]d20110L7\x1d17261231"]


def test_a_control_key_of_the_us_position_is_read_in_every_layout() -> None:
    events = b"".join(input_events([(0x01, 0x30), (0, 0x1E), (0, 0x28)]))  # Ctrl, the key right of P, whatever is on it
    assert read(events, layout="german") == ["\x1d1"]


@pytest.mark.parametrize(
    ("layout", "digits", "character"),
    [
        ("us", "65", "A"),
        ("us", "0228", "ä"),
        ("us", "132", "ä"),
        ("german", "132", "ä"),
        ("us", "0128", "€"),
        ("us", "155", "¢"),
        ("german", "155", "ø"),
        ("us", "33590", "茶"),
        ("us", "0255", "ÿ"),
        ("us", "255", "\xa0"),
        ("us", "256", "Ā"),
        ("us", "55295", "\ud7ff"),
        ("us", "57344", "\ue000"),
        ("us", "1114111", "\U0010ffff"),
    ],
)
def test_a_character_typed_by_its_number_is_read_as_windows_reads_it(
    layout: Layout, digits: str, character: str
) -> None:
    assert read(b"".join(input_events(alt_strokes(digits))) + ENTER, layout=layout) == [character]


@pytest.mark.parametrize("digits", ["0", "00000", "127", "55296", "57343", "1114112", "99999999", "00033590", "0129"])
def test_a_number_that_is_no_character_refuses_the_label(digits: str) -> None:
    assert read(typed("12") + b"".join(input_events(alt_strokes(digits))) + typed("3\r96385074\r")) in (
        ["not_text", "96385074"],
    )


@pytest.mark.parametrize(("layout", "read_as"), [("us", "AbC1-/z"), ("german", "AbC1-/y")])
def test_caps_lock_changes_letters_only_whoever_lit_it(layout: Layout, read_as: str) -> None:
    text = "aBc1-/Z" if layout == "us" else "aBc1-/Y"
    assert read(typed(f"{text}\r", layout=layout), layout=layout, is_caps=True) == [read_as]
    caps = b"".join(input_events([(0, 0x39)]))
    assert read(caps + typed(f"{text}\r", layout=layout) + caps + typed("a\r"), layout=layout) == [read_as, "a"]


@pytest.mark.parametrize(
    ("reports", "text"),
    [
        ([(0, 0x2E), (0, 0x08)], "é"),
        ([(0x02, 0x2E), (0x02, 0x04)], "À"),
        ([(0, 0x35), (0, 0x12)], "ô"),
        ([(0, 0x35), (0, 0x35)], "^"),
        ([(0, 0x2E), (0, 0x1E)], "´1"),
        ([(0, 0x35), (0, 0x2E), (0, 0x2C)], "^´"),
        ([(0, 0x35)], "^"),
    ],
)
def test_a_dead_key_is_put_on_the_letter_behind_it(reports: list[tuple[int, int]], text: str) -> None:
    assert read(b"".join(input_events(reports)) + ENTER, layout="german") == [text]


def test_a_key_that_repeats_is_one_key() -> None:
    assert read(typed("5901234123457\r", repeats=5)) == ["5901234123457"]


def test_the_number_pad_types_digits_and_signs() -> None:
    codes = (79, 80, 82, 55, 74, 78, 83, 98, 96)
    assert read(b"".join(struct.pack("llHHi", 0, 0, 1, code, 1) for code in codes)) == ["120*-+./"]


@pytest.mark.parametrize(("suffix", "sent"), [("enter", "1\r2\r"), ("tab", "1\t2\t")])
def test_a_suffix_ends_a_label(suffix: str, sent: str) -> None:
    assert read(typed(sent), suffix=suffix) == ["1", "2"]


def test_without_a_suffix_silence_ends_a_label() -> None:
    labels = HidLabels(suffix="none")
    assert labels.feed(typed("5901")) == [] and labels.is_partial
    assert labels.flush() == ["5901"] and not labels.is_partial and labels.flush() == []


def test_a_label_with_dropped_events_is_refused_up_to_its_end_and_the_next_one_is_whole() -> None:
    half = typed("59012")
    events = half + DROPPED + typed("7") + SYNCHRONISED + typed("457\r") + typed("96385074\r")
    assert read(events) == ["cut", "96385074"]


def test_events_between_a_drop_and_the_next_synchronisation_are_ignored() -> None:
    shift_goes_down = struct.pack("llHHi", 0, 0, 1, 42, 1)
    labels = HidLabels()
    assert [each.reason for each in labels.feed(typed("59") + DROPPED + shift_goes_down) if isinstance(each, Refusal)]
    labels.flush()
    assert labels.feed(SYNCHRONISED + typed("a\r")) == ["a"]


def event(kind: int, code: int, value: int) -> bytes:
    return struct.pack("llHHi", 0, 0, kind, code, value)


def test_a_suffix_within_what_was_dropped_ends_nothing() -> None:
    enter, configured = event(1, 28, 1), event(0, 1, 0)  # SYN_CONFIG is no SYN_REPORT
    assert read(typed("59") + DROPPED + configured + enter + SYNCHRONISED + typed("7\r96385074\r")) == [
        "cut",
        "96385074",
    ]


def test_caps_lock_is_as_at_the_beginning_after_a_drop() -> None:
    caps = b"".join(input_events([(0, 0x39)]))
    assert read(caps + DROPPED + SYNCHRONISED + typed("\ra\r")) == ["cut", "a"]


def test_a_modifier_that_repeats_is_still_held() -> None:
    assert read(event(1, 42, 1) + event(1, 42, 2) + event(1, 30, 1) + event(1, 42, 0) + typed("a\r")) == ["Aa"]


def test_only_keys_that_go_down_type() -> None:
    lamp, scan_code, released = event(17, 30, 1), event(4, 30, 1), event(1, 31, 0)
    assert read(typed("1") + lamp + scan_code + released + typed("2\r")) == ["12"]


def test_num_lock_and_scroll_lock_type_nothing_and_spoil_nothing() -> None:
    assert read(typed("1") + event(1, 69, 1) + event(1, 70, 1) + event(1, 125, 1) + typed("2\r")) == ["12"]


@pytest.mark.parametrize(
    ("layout", "reports", "text"),
    [
        ("german", [(0x05, 0x14)], "@"),  # Ctrl+Alt is AltGr, as in Windows
        ("german", [(0x41, 0x26)], "\x1d"),  # Ctrl and AltGr+9, which is ]
        ("german", [(0x41, 0x14), (0, 0x1E)], None),  # Ctrl+@ is NUL, which no label holds
        ("german", [(0x41, 0x08)], "€"),
        ("german", [(0x01, 0x1D), (0, 0x1E)], None),  # Ctrl+Y on the German Z
        ("us", [(0x01, 0x23)], "\x1e"),  # Ctrl+6, whose sign with Shift is ^
        ("german", [(0x01, 0x23)], "\x1e"),
        ("us", [(0x04, 0x04)], None),
        ("us", [(0x40, 0x04)], None),
        ("us", [(0x41, 0x04)], None),
        ("us", [(0x05, 0x04)], None),
        ("german", [(0x04, 0x14)], None),
    ],
)
def test_ctrl_and_alt_together_with_a_key(layout: Layout, reports: list[tuple[int, int]], text: str | None) -> None:
    events = typed("1") + b"".join(input_events(reports)) + ENTER + typed("96385074\r")
    assert read(events, layout=layout) == ["not_text" if text is None else f"1{text}", "96385074"]


def test_a_shift_whose_release_was_dropped_is_not_held_for_ever() -> None:
    shift_goes_down = struct.pack("llHHi", 0, 0, 1, 42, 1)
    assert read(shift_goes_down + DROPPED + SYNCHRONISED + typed("12\r") + typed("1a\r")) == ["cut", "1a"]


def test_silence_ends_what_a_drop_has_spoilt() -> None:
    labels = HidLabels()
    labels.feed(typed("59") + DROPPED + SYNCHRONISED)
    assert labels.is_partial and labels.flush() == []
    assert labels.feed(typed("96385074\r")) == ["96385074"]


def test_a_key_that_types_nothing_refuses_the_label_and_is_named() -> None:
    (refusal, label) = HidLabels().feed(typed("59") + b"".join(input_events([(0, 0x41)])) + typed("1\r96385074\r"))
    assert refusal == Refusal("not_text", "key 66 types nothing in layout us") and label == "96385074"


def test_a_label_that_never_ends_is_refused_once_in_bounded_memory() -> None:
    labels, found = HidLabels(), list[str | Refusal]()
    for _ in range(100):
        found += labels.feed(typed("7" * 100))
        assert len(labels._framer._pending) <= 4096
    assert [each.reason if isinstance(each, Refusal) else each for each in found] == ["too_long"]
    assert labels.feed(typed("1\r96385074\r")) == ["96385074"]


@pytest.mark.parametrize("layout", LAYOUTS)
@given(stream=KEYS, cuts=st.lists(st.integers(0, 3000), max_size=12))
def test_events_cut_anywhere_give_the_same_labels(layout: Layout, stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    whole, parts = HidLabels(layout, label_max=9), HidLabels(layout, label_max=9)
    expected = whole.feed(stream) + whole.flush()
    assert [each for a, b in itertools.pairwise(edges) for each in parts.feed(stream[a:b])] + parts.flush() == expected


@pytest.mark.parametrize("suffix", ["enter", "none"])
@given(
    events=st.lists(st.tuples(st.sampled_from([0, 1, 4, 17]), st.integers(0, 0x2FF), st.integers(-1, 3)), max_size=80),
    torn=st.binary(max_size=30),
)
def test_any_events_give_labels_or_nothing_in_bounded_memory(
    suffix: str, events: list[tuple[int, int, int]], torn: bytes
) -> None:
    labels = HidLabels("german", suffix=suffix, label_max=16)
    for kind, code, value in events:
        for found in labels.feed(struct.pack("llHHi", 0, 0, kind, code, value)):
            assert isinstance(found, Refusal) or 0 < len(found.encode()) <= 16
        assert len(labels._framer._pending) <= 16 and len(labels._typed._alt_digits) <= 8
    labels.feed(torn)
    assert len(labels._rest) < INPUT_EVENT.size
    labels.flush()


@pytest.mark.parametrize("fault", FAULTS)
@given(label=st.text(ASCII.strip(), min_size=3, max_size=30), seed=st.integers(0, 2**32))
def test_a_scanner_with_a_fault_gives_its_label_or_a_refusal_and_never_another(
    fault: Fault, label: str, seed: int
) -> None:
    scanner, labels = VirtualHidScanner(Path("event7"), rng=random.Random(seed)), HidLabels()
    found = labels.feed(b"".join(scanner.events(label, fault))) + labels.flush()
    assert all(isinstance(each, Refusal) or each == label for each in found)
    assert labels.feed(b"".join(scanner.events(label))) == [label]


def test_a_million_random_bytes_raise_nothing() -> None:
    labels, rng = HidLabels(), random.Random(7)
    for _ in range(250):
        labels.feed(rng.randbytes(4000))
        assert len(labels._framer._pending) <= 4096
