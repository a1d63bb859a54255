"""The frames between two replicas, as bytes: MessagePack, one frame a WebSocket message; rows by column, compressed.

    dialler                      acceptor
    Hello  ->
                              <- HelloOk             both know how far the other holds their streams
    Batch  ->                 <- Batch               at most WINDOW of them unacknowledged in each direction
                              <- Ack                 after the commit
    Ack    ->
    Pull   ->                 <- Pull                a gap: send again from here
    Snapshot ->               <- Snapshot            of what the other lacks of a log there is a sum: go on from there
    Bye    ->                 <- Bye                 nothing more waits here; the dialler hangs up when both have said so
    Status ->                                     what the dialler says of itself (sync.line.telling); changes nothing
    Refused, then the end

Each side names the versions that it speaks (`min_version` to `version`) and its `features`; only what both have is used. A later
version adds fields with defaults, and frames behind a feature: unknown fields are skipped, an unknown frame of a newer peer is
read as `Unknown`. Rows are kept as the bytes received. Every list has a bound. Pure. Source: the design, 3.4.
"""

from collections.abc import Collection, Sequence
from itertools import accumulate
from operator import sub
from typing import Annotated

import msgspec
from backports import zstd
from msgspec import Meta, Struct

from sync.batch import BYTES_MAX, ROWS_MAX, SEQ_MAX, Batch, Boundary, Digest, Rep, Seq, StreamName
from sync.columns import pack, unpack
from sync.errors import ProtocolError
from sync.json_errors import NOT_JSON
from sync.model import Feed
from sync.opening import PART_ROWS, Part

VERSION = 1
VERSION_MIN = 1  # the oldest that this side still speaks
SUBPROTOCOL = "storehub.sync.v1"
FRAME_MAX = 2 * 1024 * 1024  # a larger message ends the connection
ZSTD_LEVEL = 3  # higher ones save 3 % and cost ten times as much
_FRAME_BYTES_MAX = 4 * BYTES_MAX  # what a frame may unpack to
COLUMNS, ZSTD, BYE, LIVES, SNAPSHOT, OPENING = "columns", "zstd", "bye", "lives", "snapshot", "opening"
STATUS = "status"
# without columns rows travel one by one, without zstd as they are
FEATURES = (COLUMNS, ZSTD, BYE, LIVES, SNAPSHOT, OPENING, STATUS)
VECTOR_MAX = 10_000  # streams of one store's lives: 20 of each of 500
LIVES_MAX = 500
CODE_MAX, DETAIL_MAX = 64, 2000  # of a refusal that is sent
Millis = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Version = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Features = Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=64)]
Detail = Annotated[str, Meta(max_length=20_000)]


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


class FormerLife(Struct, frozen=True, array_like=True):
    """A life of the sender that has ended: nobody writes as `rep` here any more; `heads` is how far it holds its own logs."""

    rep: Rep
    heads: Annotated[dict[StreamName, Seq], Meta(max_length=VECTOR_MAX)]


Vector = Annotated[tuple[Held, ...], Meta(max_length=VECTOR_MAX)]


class Hello(Struct, frozen=True, tag="hello", kw_only=True):
    """First frame of the dialler; `t1_ms` is its clock. `former` lives are to be sealed once the receiver holds them."""

    version: Version = VERSION
    min_version: Version = 1
    rep: Rep
    schema: int = 1
    features: Features = FEATURES
    vector: Vector
    t1_ms: Millis
    former: Annotated[tuple[FormerLife, ...], Meta(max_length=LIVES_MAX)] = ()


class HelloOk(Struct, frozen=True, tag="hello_ok", kw_only=True):
    """Answer of the acceptor; t2_ms and t3_ms are its clock at the arrival of the hello and at this answer (NTP's four).

    `sealed` names the lives of the dialler's store of which nothing more is taken; `mode` and `every_s` say when the dialler is
    wanted, nothing where `mode` is empty.
    """

    version: Version = VERSION
    min_version: Version = 1
    rep: Rep
    schema: int = 1
    features: Features = FEATURES
    vector: Vector
    t1_ms: Millis
    t2_ms: Millis
    t3_ms: Millis
    sealed: Annotated[tuple[Rep, ...], Meta(max_length=LIVES_MAX)] = ()
    mode: Annotated[str, Meta(max_length=64)] = ""
    every_s: Annotated[float, Meta(ge=0, le=SEQ_MAX)] = 0.0


class Pull(Struct, frozen=True, tag="pull"):
    """Send this stream again from behind a boundary."""

    rep: Rep
    stream: StreamName
    last: Seq
    digest: Digest


class Packed(Struct, frozen=True, tag="batch", omit_defaults=True):
    """A batch on the wire. `steps` are the differences between seqs; a log has none."""

    rep: Rep
    stream: StreamName
    feed: Feed
    after: Seq
    last: Seq
    digest: Digest
    rows: bytes
    steps: Annotated[tuple[Seq, ...], Meta(max_length=ROWS_MAX)] = ()
    columns: bool = True
    zstd: bool = True


class Ack(Struct, frozen=True, tag="ack"):
    """The sender of this has committed everything up to `last`."""

    rep: Rep
    stream: StreamName
    last: Seq
    digest: Digest


class Refused(Struct, frozen=True, tag="refused"):
    """Why the sender of this ends the connection."""

    code: Annotated[str, Meta(max_length=200)]
    detail: Detail = ""


class Sealed(Struct, frozen=True, tag="sealed"):
    """The lives of the receiver's store of which nothing more is taken, in the order of their seals."""

    reps: Annotated[tuple[Rep, ...], Meta(max_length=LIVES_MAX)]


class Snapshot(Struct, frozen=True, tag="snapshot", omit_defaults=True):
    """Rows of a log up to `last` are not sent: the receiver's cursor goes there.

    With `opens` (feature `opening`) it is the part `n` of what they came to (sync.opening), and the cursor goes with the last
    one, which has no `more`; without, nobody can tell, and what the receiver lacks is a hole.
    """

    rep: Rep
    stream: StreamName
    last: Seq
    digest: Digest
    opens: bool = False
    n: Seq = 0
    more: bool = False
    rows: bytes = b""
    columns: bool = True
    zstd: bool = True


class Bye(Struct, frozen=True, tag="bye"):
    """All that waited at the sender of this is acknowledged; the dialler hangs up when both sides have said so."""


class Exposure(Struct, frozen=True, kw_only=True):
    """What a store has accepted without a right in its last days: coupons, what they took off in minor units, points."""

    coupons: Seq = 0
    amount: Seq = 0
    currency: Annotated[str, Meta(max_length=3)] = ""
    points: Seq = 0


class Status(Struct, frozen=True, tag="status", omit_defaults=True, kw_only=True):
    """What a hub says of itself: telemetry. `copies`: machines and media that hold what it sold; 0: it does not say.

    `waiting` rows are not at the cloud, the oldest since `oldest_ms`, 0 for none; `clock_offset_ms`: the cloud's less its own;
    `exposure` None: it does not say.
    """

    software: Annotated[str, Meta(max_length=64)] = ""
    copies: Annotated[int, Meta(ge=0, le=99)] = 0
    waiting: Seq = 0
    oldest_ms: Millis = 0
    clock_offset_ms: Annotated[int, Meta(ge=-SEQ_MAX, le=SEQ_MAX)] | None = None
    clock_unsure: bool = False
    exposure: Exposure | None = None


class Unknown(Struct, frozen=True):
    """A frame of a kind that this version does not know; never sent."""

    kind: str


class _Tagged(Struct, frozen=True):
    type: str


_Known = Hello | HelloOk | Pull | Packed | Ack | Refused | Sealed | Snapshot | Bye | Status
Frame = _Known | Unknown
_KINDS = {
    kind.__struct_config__.tag for kind in (Hello, HelloOk, Pull, Packed, Ack, Refused, Sealed, Snapshot, Bye, Status)
}
_decoder = msgspec.msgpack.Decoder(_Known)
_tags = msgspec.msgpack.Decoder(_Tagged)
_plain_rows = msgspec.msgpack.Decoder(Annotated[list[bytes], Meta(max_length=PART_ROWS)])


def encode(frame: Frame) -> bytes:
    """Return a frame as one message."""
    return msgspec.msgpack.encode(frame)


def decode(message: bytes) -> Frame:
    """Return the frame of a message, `Unknown` for a kind of a later version; raise ProtocolError for anything else."""
    try:
        frame: Frame = _decoder.decode(message)
    except NOT_JSON as err:
        kind = _kind_of(message)
        if kind is None or kind in _KINDS:
            raise ProtocolError(f"a message is no frame: {err}") from err
        return Unknown(kind[:64])
    return frame


def packed(batch: Batch, *, features: Collection[str] = FEATURES) -> Packed:
    """Return a batch ready for the wire, packed as a peer with these features can read it."""
    seqs, bodies = zip(*batch.rows, strict=True)
    rows, columns, compressed = _packed_rows(bodies, features)
    steps = () if batch.feed is Feed.LOG else tuple(map(sub, seqs, (batch.after, *seqs)))
    return Packed(
        *(batch.rep, batch.stream, batch.feed, batch.after, batch.last, batch.digest),
        rows=rows,
        steps=steps,
        columns=columns,
        zstd=compressed,
    )


def unpacked(frame: Packed) -> Batch:
    """Return the batch of a frame; raise ProtocolError when it cannot be read."""
    rows = _unpacked_rows(frame, ROWS_MAX)
    if frame.feed is Feed.LOG:
        seqs = list(range(frame.after + 1, frame.after + 1 + len(rows)))
    else:
        seqs = list(accumulate(frame.steps, initial=frame.after))[1:]
    if len(seqs) != len(rows):
        raise ProtocolError(f"{frame.rep} {frame.stream}: {len(rows)} rows for {len(seqs)} seqs")
    return Batch(
        frame.rep, frame.stream, frame.feed, frame.after, frame.last, frame.digest, tuple(zip(seqs, rows, strict=True))
    )


def refusal(code: str, detail: str) -> Refused:
    """Return the frame that says why this side ends, no longer than a peer takes."""
    return Refused(code[:CODE_MAX], detail[:DETAIL_MAX])


def snapshot(part: Part, *, features: Collection[str] = FEATURES) -> Snapshot:
    """Return a part of an opening balance as a frame."""
    rows, columns, compressed = _packed_rows(part.rows, features)
    return Snapshot(
        *(part.rep, part.stream, part.at.last, part.at.digest),
        opens=True,
        n=part.n,
        more=part.more,
        rows=rows,
        columns=columns,
        zstd=compressed,
    )


def part_of(frame: Snapshot) -> Part:
    """Return the part of an opening balance that a frame is; raise ProtocolError when it cannot be read."""
    at = Boundary(frame.last, frame.digest)
    return Part(frame.rep, frame.stream, at, frame.n, frame.more, tuple(_unpacked_rows(frame, PART_ROWS)))


def _packed_rows(bodies: Sequence[bytes], features: Collection[str]) -> tuple[bytes, bool, bool]:
    """Return rows as a peer with these features reads them: bytes, whether by column, whether compressed."""
    columns, compressed = COLUMNS in features, ZSTD in features
    rows = pack(bodies) if columns else msgspec.msgpack.encode(bodies)
    return zstd.compress(rows, ZSTD_LEVEL) if compressed else rows, columns, compressed


def _unpacked_rows(frame: Packed | Snapshot, rows_max: int) -> list[bytes]:
    raw = _decompressed(frame.rows) if frame.zstd else frame.rows
    rows = unpack(raw, rows_max=rows_max) if frame.columns else _plain(raw)
    if len(rows) > rows_max:
        raise ProtocolError(f"{frame.rep} {frame.stream}: {len(rows)} rows in one frame, at most {rows_max}")
    return rows


def _kind_of(message: bytes) -> str | None:
    try:
        return _tags.decode(message).type
    except NOT_JSON:
        return None


def _plain(raw: bytes) -> list[bytes]:
    try:
        rows: list[bytes] = _plain_rows.decode(raw)
    except NOT_JSON as err:
        raise ProtocolError(f"a batch is no list of rows: {err}") from err
    return rows


def _decompressed(compressed: bytes) -> bytes:
    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(compressed, max_length=_FRAME_BYTES_MAX)
    except zstd.ZstdError as err:
        raise ProtocolError(f"a batch does not decompress: {err}") from err
    if not decompressor.eof:
        raise ProtocolError(f"a batch is cut, or unpacks to more than {_FRAME_BYTES_MAX} bytes")
    return raw
