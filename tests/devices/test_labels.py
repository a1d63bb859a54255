"""Labels out of serial bytes: any chunking gives the same labels, memory is bounded, damage never raises."""

import itertools
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.labels import LABEL_MAX_BYTES, SUFFIXES, LabelFramer, Refusal
from devices.errors import OptionError
from devices.testing.scanners import FAULTS, Fault, SimulatedSerialScanner
from devices.testing.serial_line import VirtualSerialLine

FRAMINGS = [(suffix, "") for suffix in (*SUFFIXES, "0x35350d", "0x0d41")] + [("cr", "0x35"), ("0x35350d", "0x4135")]
# Few different bytes, so that suffixes, long labels and junk all happen often.
STREAM = st.lists(
    st.sampled_from([b"5", b"A", b"\r", b"\n", b"\r\n", b"\x02", b"\x03", b"\x1d", b"\x00", b"\xe4", "茶".encode()]),
    max_size=60,
).map(b"".join)


def framed(suffix: str, chunks: list[bytes], label_max: int = LABEL_MAX_BYTES, **given: Any) -> list[str | Refusal]:
    framer = LabelFramer(suffix, label_max=label_max, **given)
    return [found for chunk in chunks for found in framer.feed(chunk)] + framer.flush()


def reasons(found: list[str | Refusal]) -> list[str]:
    return [each.reason if isinstance(each, Refusal) else each for each in found]


@pytest.mark.parametrize(("suffix", "prefix"), FRAMINGS)
@given(stream=STREAM, cuts=st.lists(st.integers(0, 200), max_size=12), label_max=st.integers(1, 9))
def test_any_chunking_of_the_same_bytes_gives_the_same_labels(
    suffix: str, prefix: str, stream: bytes, cuts: list[int], label_max: int
) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    whole = framed(suffix, [stream], label_max, prefix=prefix)
    assert framed(suffix, chunks, label_max, prefix=prefix) == whole
    assert framed(suffix, [bytes([byte]) for byte in stream], label_max, prefix=prefix) == whole


@pytest.mark.parametrize(("suffix", "prefix"), FRAMINGS)
@given(chunks=st.lists(st.binary(max_size=50), max_size=20))
def test_random_bytes_never_raise_and_never_pile_up(suffix: str, prefix: str, chunks: list[bytes]) -> None:
    framer = LabelFramer(suffix, prefix=prefix, label_max=16)
    for chunk in chunks:
        for found in framer.feed(chunk):
            assert isinstance(found, Refusal) or 0 < len(found.encode()) <= 16
        assert len(framer._pending) <= 16 + 2 + 2


@pytest.mark.parametrize(
    ("suffix", "sent"),
    [
        ("cr", b"5901234123457\r96385074\r"),
        ("cr", b"5901234123457\r\n96385074\r\n"),
        ("lf", b"5901234123457\n96385074\n"),
        ("lf", b"5901234123457\r\n96385074\r\n"),
        ("crlf", b"5901234123457\r\n96385074\r\n"),
        ("cr_or_lf", b"5901234123457\r\n96385074\n\n\r"),
        ("tab", b"5901234123457\t\t96385074\t"),
        ("0x240d", b"5901234123457$\r96385074$\r"),
        ("etx", b"\x025901234123457\x03\r\n\x0296385074\x03"),
    ],
)
def test_a_suffix_ends_a_label_and_empty_lines_are_ignored(suffix: str, sent: bytes) -> None:
    assert framed(suffix, [sent]) == ["5901234123457", "96385074"]


def test_without_a_suffix_silence_ends_a_label() -> None:
    framer = LabelFramer("none")
    assert framer.feed(b"59012") == [] and framer.feed(b"34123457") == []
    assert framer.is_partial
    assert framer.flush() == ["5901234123457"]
    assert not framer.is_partial and framer.flush() == []


def test_a_label_whose_suffix_never_comes_is_cut_and_does_not_lead_the_next_one() -> None:
    framer = LabelFramer("cr")
    assert framer.feed(b"590123") == []
    assert reasons(framer.flush()) == ["cut"]
    assert framer.feed(b"96385074\r") == ["96385074"]


def test_half_a_label_between_stx_and_etx_is_refused_as_cut() -> None:
    assert reasons(framed("etx", [b"4123457\x03\x0259012\x0296385074\x03"])) == ["cut", "cut", "96385074"]


def test_a_prefix_is_taken_off_and_a_label_that_lost_it_is_refused() -> None:
    assert reasons(framed("cr", [b"\x02A96385074\r6385074\r\n\x02A\r"], prefix="0x0241")) == ["96385074", "cut"]


def test_half_a_suffix_of_several_bytes_ends_nothing() -> None:
    assert framed("0x2a2a0d", [b"12*3**", b"4**", b"\r"]) == ["12*3**4"]


def test_text_in_the_declared_encoding_is_read_and_utf_8_still_is() -> None:
    sent = "茶".encode("big5") + b"\r" + "茶".encode() + b"\r"
    assert framed("cr", [sent], encoding="big5") == ["茶", "茶"]
    assert reasons(framed("cr", [b"\xff\xff\r"], encoding="big5")) == ["not_text"]


@pytest.mark.parametrize(
    ("given_options", "said"),
    [
        ({"suffix": "cr_lf"}, "cr_or_lf, tab, etx, none, or one to four bytes such as '0x2a0d'"),
        ({"suffix": "0x0d0"}, "one to four bytes"),
        ({"prefix": "STX"}, "prefix 'STX': one to four bytes"),
        ({"prefix": "0x0a41"}, "line ends round a label are dropped"),
    ],
)
def test_a_framing_that_is_none_is_refused_with_the_remedy(given_options: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        LabelFramer(**given_options)


def test_a_label_that_was_torn_is_refused_once_up_to_its_suffix_or_a_silence() -> None:
    torn = Refusal("cut", "the reason of whoever knows")
    framer = LabelFramer("cr")
    framer.feed(b"59")
    assert (framer.tear(torn), framer.tear(torn), framer.is_partial) == ([torn], [], True)
    assert framer.feed(b"7\r96385074\r") == ["96385074"]
    framer.tear(torn)
    assert framer.feed(b"7") + framer.flush() == [] and not framer.is_partial
    assert framer.feed(b"96385074\r") == ["96385074"]


def test_silence_after_a_label_too_long_lets_the_next_one_through() -> None:
    framer = LabelFramer("cr", label_max=4)
    assert reasons(framer.feed(b"12345") + framer.feed(b"6")) == ["too_long"] and framer.is_partial
    assert framer.flush() == [] and not framer.is_partial
    assert framer.feed(b"1234\r") == ["1234"]


def test_between_labels_of_stx_and_etx_there_is_nothing_but_noise() -> None:
    framer = LabelFramer("etx")
    assert reasons(framer.feed(b"\x0212\x0334\x03")) == ["12", "cut"]
    framer.feed(b"\x0259")
    assert reasons(framer.flush()) == ["cut"]
    assert reasons(framer.feed(b"12\x03\x0234\x03")) == ["cut", "34"]


def test_a_prefix_takes_nothing_of_the_length() -> None:
    assert reasons(framed("cr", [b"\x02" + b"1234\r\x0212345\r\x0212\r"], 4, prefix="0x02")) == [
        "1234",
        "too_long",
        "12",
    ]


@pytest.mark.parametrize("end", [b"55\r", b"5\r"])
def test_a_suffix_of_several_bytes_is_seen_behind_a_label_too_long_byte_by_byte(end: bytes) -> None:
    sent = [bytes([byte]) for byte in b"1234567" + end + b"12" + end]
    assert reasons(framed(f"0x{end.hex()}", sent, 4)) == ["too_long", "12"]


def test_a_doubled_label_is_two_labels() -> None:
    assert framed("cr", [b"96385074\r" * 2]) == ["96385074", "96385074"]


@pytest.mark.parametrize("suffix", ["cr", "lf", "crlf", "cr_or_lf"])
def test_a_line_of_1_mb_is_refused_once_in_bounded_memory(suffix: str) -> None:
    framer = LabelFramer(suffix)
    found: list[str | Refusal] = []
    for _ in range(256):
        found += framer.feed(b"7" * 4096)
        assert len(framer._pending) <= LABEL_MAX_BYTES + 1
    found += framer.feed(b"\r\n96385074\r\n")
    assert reasons(found) == ["too_long", "96385074"]


def test_a_label_of_the_greatest_length_passes_and_one_byte_more_does_not() -> None:
    framer = LabelFramer("crlf", label_max=8)
    assert framer.feed(b"12345678\r") + framer.feed(b"\n") == ["12345678"]
    assert reasons(framer.feed(b"123456789\r") + framer.feed(b"\n")) == ["too_long"]


def test_the_longest_qr_code_is_a_label() -> None:
    assert framed("cr", [b"x" * 2953 + b"\r"]) == ["x" * 2953]


@pytest.mark.parametrize("junk", [b"\xff\xfe\x80", b"59\x0012", b"\x1b[A", "茶".encode("big5"), b"\x7f"])
def test_binary_junk_is_refused_without_being_shown(junk: bytes) -> None:
    (refusal,) = framed("cr", [junk + b"\r"])
    assert isinstance(refusal, Refusal) and refusal.reason == "not_text"
    assert "59" not in refusal.detail and "12" not in refusal.detail


def test_separators_of_gs1_and_iso_15434_belong_to_a_label() -> None:
    assert framed("cr", [b"[)>\x1e06\x1dP123\x1e\x04\r"]) == ["[)>\x1e06\x1dP123\x1e\x04"]


@pytest.mark.parametrize("fault", FAULTS)
@given(label=st.text("0123456789AZ-", min_size=3, max_size=30), seed=st.integers(0, 2**32))
def test_with_a_prefix_a_fault_of_the_scanner_never_makes_another_label(fault: Fault, label: str, seed: int) -> None:
    scanner = SimulatedSerialScanner(VirtualSerialLine(), prefix=b"\x02", rng=random.Random(seed))
    framer = LabelFramer("cr", prefix="0x02")
    found = framer.feed(b"".join(scanner.pieces(label, fault))) + framer.flush()
    assert all(isinstance(each, Refusal) or each == label for each in found)
    assert framer.feed(b"".join(scanner.pieces(label))) == [label]
