"""A record of a feed copy: bytes and values, pure. A segment is records, one behind the other.

    "SHF1" ─ length ─ head (JSON, in clear) ─ length ─ body (age) ─ SHA-256 of all that       lengths: four bytes, big-endian

In clear is whose rows these are and how far they go: streams, seqs, digests, so that a hub, which has no key that
reads, finds where it stands. The rows are in the body. What is cut or changed is passed over up to the next whole
record; whether that was a loss is seen by the streams, which have no holes. Not here: files (hub.medium.segments), what
becomes of rows.
"""

import hashlib
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from sync.batch import Batch, Boundary
from sync.errors import ProtocolError
from sync.json_errors import NOT_JSON
from sync.protocol import Packed, decode, encode, packed, unpacked

MAGIC = b"SHF1"
DIGEST_BYTES = 32
HEAD_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = 16 << 20


class Head(Struct, frozen=True):
    """In clear: `upto` is how far each stream of the life `rep` is on this medium, `former` which lives had ended
    before it."""

    rep: str
    at: str
    upto: dict[str, Boundary]
    former: list[str] = []


class Body(Struct, frozen=True):
    """Encrypted: batches as frames of the line, and how far the cloud held each stream then."""

    frames: list[bytes]
    held: dict[str, Boundary] = {}

    @property
    def batches(self) -> list[Batch]:
        """The rows; raise ProtocolError for what is no batch."""
        found = [decode(frame) for frame in self.frames]
        if not all(isinstance(frame, Packed) for frame in found):
            raise ProtocolError("a record of this copy holds something else than rows")
        return [unpacked(frame) for frame in found if isinstance(frame, Packed)]


class Record(Struct, frozen=True):
    """One that was read: from where to where in its segment, and its body as it lies there."""

    head: Head
    sealed: bytes
    begin: int
    end: int


def body_of(batches: list[Batch], held: Mapping[str, Boundary]) -> bytes:
    """Return the plain bytes of a body."""
    return msgspec.msgpack.encode(Body([encode(packed(batch)) for batch in batches], dict(held)))


def read_body(plain: bytes) -> Body:
    """Return what a body holds; raise ProtocolError for what is none."""
    try:
        return msgspec.msgpack.decode(plain, type=Body)
    except NOT_JSON as err:
        raise ProtocolError(f"a record of this copy cannot be read: {err}") from err


def write_record(head: Head, sealed: bytes) -> bytes:
    """Return a record."""
    said = msgspec.json.encode(head)
    whole = b"".join((MAGIC, len(said).to_bytes(4), said, len(sealed).to_bytes(4), sealed))
    return whole + hashlib.sha256(whole).digest()


def read_records(segment: bytes) -> Iterator[Record]:
    """Yield every whole record, wherever it begins."""
    at = segment.find(MAGIC)
    while at >= 0:
        record = _read_one(segment, at)
        if record is not None:
            yield record
        at = segment.find(MAGIC, record.end if record else at + 1)


def _read_one(segment: bytes, at: int) -> Record | None:
    said, upto = _part(segment, at + len(MAGIC), HEAD_BYTES_MAX)
    sealed, upto = _part(segment, upto, BODY_BYTES_MAX)
    if hashlib.sha256(segment[at:upto]).digest() != segment[upto : upto + DIGEST_BYTES]:
        return None
    try:
        return Record(msgspec.json.decode(said, type=Head), sealed, at, upto + DIGEST_BYTES)
    except NOT_JSON:
        return None


def _part(segment: bytes, at: int, bytes_max: int) -> tuple[bytes, int]:
    length = min(int.from_bytes(segment[at : at + 4]), bytes_max)
    return segment[at + 4 : at + 4 + length], at + 4 + length
