"""The frames between two replicas, as bytes: MessagePack, one frame a WebSocket message; rows by column, compressed.

    dialler                      acceptor
    Hello  ->
                              <- HelloOk             both know how far the other holds their streams
    Batch  ->                 <- Batch               at most WINDOW of them unacknowledged in each direction
                              <- Ack                 after the commit
    Ack    ->
    Pull   ->                 <- Pull                a gap: send again from here
    Refused, then the end

A later version adds fields with defaults; unknown fields are skipped, rows are kept as the bytes received. Pure.
Source: the design, 3.4.
"""

from itertools import pairwise
from typing import Annotated

import msgspec
from backports import zstd
from msgspec import Meta, Struct

from sync.batch import BYTES_MAX, ROWS_MAX, SEQ_MAX, Batch, Boundary, Digest, Rep, Seq, StreamName
from sync.columns import pack, unpack
from sync.errors import ProtocolError
from sync.model import Feed

VERSION = 1
SUBPROTOCOL = "storehub.sync.v1"
FRAME_MAX = 2 * 1024 * 1024  # a larger message ends the connection
ZSTD_LEVEL = 3  # higher ones save 3 % and cost ten times as much
_FRAME_BYTES_MAX = 4 * BYTES_MAX  # what a frame may unpack to
FEATURES = ("columns", "zstd")
Millis = Annotated[int, Meta(ge=0, le=SEQ_MAX)]


class Held(Struct, frozen=True, array_like=True):
    """How far the sender of this holds a stream of the other."""

    rep: Rep
    stream: StreamName
    last: Seq
    digest: Digest

    @property
    def boundary(self) -> Boundary:
        """As a boundary."""
        return Boundary(self.last, self.digest)


class Hello(Struct, frozen=True, tag="hello", kw_only=True):
    """First frame of the dialler; `t1_ms` is its clock."""

    version: int = VERSION
    rep: Rep
    schema: int = 1
    features: tuple[str, ...] = FEATURES
    vector: tuple[Held, ...]
    t1_ms: Millis


class HelloOk(Struct, frozen=True, tag="hello_ok", kw_only=True):
    """Answer of the acceptor; t2_ms and t3_ms are its clock at the arrival of the hello and at this answer (NTP's four)."""

    version: int = VERSION
    rep: Rep
    schema: int = 1
    features: tuple[str, ...] = FEATURES
    vector: tuple[Held, ...]
    t1_ms: Millis
    t2_ms: Millis
    t3_ms: Millis


class Pull(Struct, frozen=True, tag="pull"):
    """Send this stream again from behind a boundary."""

    rep: Rep
    stream: StreamName
    last: Seq
    digest: Digest


class Packed(Struct, frozen=True, tag="batch"):
    """A batch on the wire. `steps` are the differences between seqs; a log has none."""

    rep: Rep
    stream: StreamName
    feed: Feed
    after: Seq
    last: Seq
    digest: Digest
    rows: bytes
    steps: tuple[Seq, ...] = ()


class Ack(Struct, frozen=True, tag="ack"):
    """The sender of this has committed everything up to `last`."""

    rep: Rep
    stream: StreamName
    last: Seq
    digest: Digest


class Refused(Struct, frozen=True, tag="refused"):
    """Why the sender of this ends the connection."""

    code: str
    detail: str = ""


Frame = Hello | HelloOk | Pull | Packed | Ack | Refused
_decoder = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """Return a frame as one message."""
    return msgspec.msgpack.encode(frame)


def decode(message: bytes) -> Frame:
    """Return the frame of a message; raise ProtocolError for anything else."""
    try:
        frame: Frame = _decoder.decode(message)
    except (msgspec.MsgspecError, RecursionError) as err:
        raise ProtocolError(f"a message is no frame: {err}") from err
    return frame


def packed(batch: Batch) -> Packed:
    """Return a batch ready for the wire."""
    rows = zstd.compress(pack([row for _, row in batch.rows]), ZSTD_LEVEL)
    seqs = [batch.after, *(seq for seq, _ in batch.rows)]
    steps = () if batch.feed is Feed.LOG else tuple(later - earlier for earlier, later in pairwise(seqs))
    return Packed(batch.rep, batch.stream, batch.feed, batch.after, batch.last, batch.digest, rows, steps)


def unpacked(frame: Packed) -> Batch:
    """Return the batch of a frame; raise ProtocolError when it cannot be read."""
    rows = unpack(_decompressed(frame.rows), rows_max=ROWS_MAX)
    if frame.feed is Feed.LOG:
        seqs = list(range(frame.after + 1, frame.after + 1 + len(rows)))
    else:
        seqs, at = [], frame.after
        for step in frame.steps:
            at += step
            seqs.append(at)
    if len(seqs) != len(rows):
        raise ProtocolError(f"{frame.rep} {frame.stream}: {len(rows)} rows for {len(seqs)} seqs")
    return Batch(
        frame.rep, frame.stream, frame.feed, frame.after, frame.last, frame.digest, tuple(zip(seqs, rows, strict=True))
    )


def _decompressed(compressed: bytes) -> bytes:
    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(compressed, max_length=_FRAME_BYTES_MAX)
    except zstd.ZstdError as err:
        raise ProtocolError(f"a batch does not decompress: {err}") from err
    if not decompressor.eof:
        raise ProtocolError(f"a batch is cut, or unpacks to more than {_FRAME_BYTES_MAX} bytes")
    return raw
