"""Labels out of serial bytes: any chunking gives the same labels, memory is bounded, damage never raises."""

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.labels import LABEL_MAX_BYTES, LabelFramer, Refusal, Suffix

SUFFIXES: tuple[Suffix, ...] = get_args(Suffix)
# Few different bytes, so that suffixes, long labels and junk all happen often.
STREAM = st.lists(
    st.sampled_from([b"5", b"A", b"\r", b"\n", b"\r\n", b"\x02", b"\x03", b"\x1d", b"\x00", b"\xe4", "茶".encode()]),
    max_size=60,
).map(b"".join)


def framed(suffix: Suffix, chunks: list[bytes], label_max: int = LABEL_MAX_BYTES) -> list[str | Refusal]:
    framer = LabelFramer(suffix, label_max=label_max)
    return [found for chunk in chunks for found in framer.feed(chunk)] + framer.flush()


def reasons(found: list[str | Refusal]) -> list[str]:
    return [each.reason if isinstance(each, Refusal) else each for each in found]


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(stream=STREAM, cuts=st.lists(st.integers(0, 200), max_size=12), label_max=st.integers(1, 9))
def test_any_chunking_of_the_same_bytes_gives_the_same_labels(
    suffix: Suffix, stream: bytes, cuts: list[int], label_max: int
) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    whole = framed(suffix, [stream], label_max)
    assert framed(suffix, chunks, label_max) == whole
    assert framed(suffix, [bytes([byte]) for byte in stream], label_max) == whole


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(chunks=st.lists(st.binary(max_size=50), max_size=20))
def test_random_bytes_never_raise_and_never_pile_up(suffix: Suffix, chunks: list[bytes]) -> None:
    framer = LabelFramer(suffix, label_max=16)
    for chunk in chunks:
        for found in framer.feed(chunk):
            assert isinstance(found, Refusal) or 0 < len(found.encode()) <= 16
        assert len(framer._pending) <= 17


@pytest.mark.parametrize(
    ("suffix", "sent"),
    [
        ("cr", b"5901234123457\r96385074\r"),
        ("cr", b"5901234123457\r\n96385074\r\n"),
        ("lf", b"5901234123457\n96385074\n"),
        ("lf", b"5901234123457\r\n96385074\r\n"),
        ("crlf", b"5901234123457\r\n96385074\r\n"),
        ("cr_or_lf", b"5901234123457\r\n96385074\n\n\r"),
        ("etx", b"\x025901234123457\x03\r\n\x0296385074\x03"),
    ],
)
def test_a_suffix_ends_a_label_and_empty_lines_are_ignored(suffix: Suffix, sent: bytes) -> None:
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


def test_a_doubled_label_is_two_labels() -> None:
    assert framed("cr", [b"96385074\r" * 2]) == ["96385074", "96385074"]


@pytest.mark.parametrize("suffix", ["cr", "lf", "crlf", "cr_or_lf"])
def test_a_line_of_1_mb_is_refused_once_in_bounded_memory(suffix: Suffix) -> None:
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
