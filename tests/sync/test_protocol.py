"""Frames survive the wire, later fields are skipped, damage is refused; a feed's NDJSON carries the same batch."""

import json

import msgspec
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.batch import BYTES_MAX, ROWS_MAX, START, Batch, Boundary, Head, batch_of
from sync.columns import pack
from sync.errors import ProtocolError
from sync.feed import read_feed, write_feed
from sync.model import Feed
from sync.opening import PART_ROWS, Part
from sync.protocol import (
    FEATURES,
    Ack,
    Held,
    Hello,
    Packed,
    Pull,
    Refused,
    Unknown,
    decode,
    encode,
    packed,
    part_of,
    snapshot,
    unpacked,
)

REP = "hk01:00ff"
AT = Boundary(4, b"\x01" * 8)


def batch(feed: Feed = Feed.LOG, *seqs: int) -> Batch:
    rows = [(seq, b'{"id":"r%d","qty":%d}' % (seq, seq)) for seq in seqs or (5, 6, 7)]
    return batch_of(REP, "sales", feed, AT, rows)


@pytest.mark.parametrize(
    "frame",
    [
        Hello(rep=REP, vector=(Held("cloud:1", "catalogue", 3, bytes(8)),), t1_ms=5),
        Pull(REP, "sales", 3, bytes(8)),
        Ack(REP, "sales", 3, bytes(8)),
        Refused("fork", "why"),
        packed(batch()),
    ],
)
def test_a_frame_comes_back(frame: object) -> None:
    assert decode(encode(frame)) == frame  # type: ignore[arg-type]


@pytest.mark.parametrize("original", [batch(), batch(Feed.STATE, 5, 9, 200)])
def test_a_batch_comes_back_with_its_seqs(original: Batch) -> None:
    assert unpacked(packed(original)) == original
    assert read_feed(write_feed(Head(REP, "sales", original.feed, 99), AT, original)) == original


each_form = pytest.mark.parametrize("features", [FEATURES, ()], ids=["by column", "plain"])


@each_form
@pytest.mark.parametrize("more", [True, False])
def test_a_part_of_an_opening_balance_comes_back_and_says_that_it_opens(features: tuple[str, ...], more: bool) -> None:
    part = Part(REP, "sales", AT, 3, more, (b'{"id":"a"}', b'{"id":"b"}'))
    frame = snapshot(part, features=features)

    assert frame.opens and (frame.last, frame.digest) == (AT.last, AT.digest)
    assert part_of(frame) == part
    assert decode(encode(frame)) == frame


@each_form
def test_a_frame_holds_so_many_rows_and_no_more(features: tuple[str, ...]) -> None:
    def read(count: int) -> int:
        return len(unpacked(packed(batch(Feed.LOG, *range(5, 5 + count)), features=features)).rows)

    def read_part(count: int) -> int:
        return len(part_of(snapshot(Part(REP, "sales", AT, 0, False, (b"{}",) * count), features=features)).rows)

    for reads, rows_max in ((read, ROWS_MAX), (read_part, PART_ROWS)):
        assert reads(rows_max) == rows_max
        with pytest.raises(ProtocolError, match=f"at most {rows_max}|length <= {rows_max}"):
            reads(rows_max + 1)


def test_a_later_version_may_add_fields() -> None:
    later = msgspec.msgpack.encode(
        {"type": "ack", "rep": REP, "stream": "s", "last": 1, "digest": bytes(8), "new": [1]}
    )

    assert decode(later) == Ack(REP, "s", 1, bytes(8))


@given(st.binary(max_size=60))
def test_noise_is_no_frame(noise: bytes) -> None:
    try:
        decode(noise)
    except ProtocolError:
        return
    raise AssertionError("noise was read as a frame")


@given(st.data())
def test_a_batch_damaged_on_the_way_is_refused_or_read_whole(data: st.DataObject) -> None:
    frame = packed(batch())
    raw = bytearray(frame.rows)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = unpacked(replace(frame, rows=bytes(raw)))
    except ProtocolError:
        return
    assert len(read.rows) == 3


@pytest.mark.parametrize(
    "rows",
    [
        packed(batch()).rows[:-3],
        zstd.compress(b"\x00" * (5 * BYTES_MAX)),
        zstd.compress(b"no table"),
        b"",
        zstd.compress(pack([b"{}"])),
    ],
    ids=["cut", "bomb", "no-table", "empty", "fewer-rows-than-steps"],
)
def test_a_batch_that_does_not_unpack_is_refused(rows: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpacked(Packed(REP, "levels", Feed.STATE, 0, 2, bytes(8), rows, (1, 1)))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (packed(batch()).rows[:-3], "is cut"),
        (zstd.compress(b"\x00" * (5 * BYTES_MAX)), "unpacks to more"),
        (b"no frame of zstd", "does not decompress"),
    ],
    ids=["cut", "bomb", "noise"],
)
def test_it_is_said_why_a_batch_does_not_decompress(rows: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said):
        unpacked(Packed(REP, "levels", Feed.STATE, 0, 2, bytes(8), rows, (1, 1)))


def test_only_a_state_batch_says_how_far_its_rows_are_apart() -> None:
    assert packed(batch()).steps == ()
    assert packed(batch(Feed.STATE, 5, 9, 200)).steps == (1, 4, 191)


def test_of_the_name_of_an_unknown_kind_no_more_is_kept_than_a_log_line_needs() -> None:
    assert decode(msgspec.msgpack.encode({"type": "k" * 64})) == Unknown("k" * 64)
    assert decode(msgspec.msgpack.encode({"type": "k" * 65})) == Unknown("k" * 64)


def test_a_feed_is_json_that_anybody_can_read() -> None:
    lines = [json.loads(line) for line in write_feed(Head(REP, "sales", Feed.LOG, 7), AT, batch()).splitlines()]

    assert lines[0] == {"rep": REP, "stream": "sales", "feed": "log", "after": 4, "v": 1}
    assert [line["seq"] for line in lines[1:-1]] == [5, 6, 7]
    assert lines[-1] == {"last": 7, "digest": batch().digest.hex(), "rows": 3}


def test_an_empty_feed_says_where_it_stands() -> None:
    body = write_feed(Head(REP, "sales", Feed.LOG, 4), AT, None)

    assert read_feed(body) is None
    assert json.loads(body.splitlines()[-1]) == {"last": 4, "digest": AT.digest.hex(), "rows": 0}


def broken_feeds() -> dict[str, bytes]:
    whole = write_feed(Head(REP, "sales", Feed.LOG, 7), AT, batch())
    lines = whole.splitlines(keepends=True)
    return {
        "cut in a row": whole[: len(whole) // 2],
        "cut before the trailer": b"".join(lines[:-1]),
        "cut in the trailer": whole[:-5],
        "without a row": b"".join([lines[0], *lines[2:]]),
        "a web page": b"<html>\n<body>Log in to the mall's Wi-Fi</body>\n</html>\n",
        "nothing": b"",
        "a digest that is no hex": whole.replace(batch().digest.hex().encode(), b"zz"),
        "too long": lines[0] + lines[1] * 1002 + lines[-1],
    }


@pytest.mark.parametrize("body", broken_feeds().values(), ids=[name.replace(" ", "-") for name in broken_feeds()])
def test_a_feed_that_is_not_whole_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_feed(body)


def test_the_start_of_a_stream_is_a_boundary_of_zeros() -> None:
    assert (START.last, START.digest) == (0, bytes(8))
