"""Two ends compare what they hold without sending it: 256 buckets of row-hash sums (mod 2^64) for each stream. Pure.

    both ends agree on a bucket      its rows are the same (a difference is missed once in 2^64)
    a bucket differs                 the names and hashes of its rows are compared, and each that differs is named

A row's *name* is its seq in a log, its key in a state stream; the name chooses the bucket, so that a changed row changes one
bucket and is found at the same place on both sides. The sums do not depend on the order. Source: the design, 3.4.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated
from zlib import crc32

from msgspec import Meta, Struct

from sync.batch import Rep, Seq, StreamName

BUCKETS = 256
MODULUS = 2**64
NAMES_MAX = 20_000  # rows of one bucket that are named in one answer: a stream of five million has as many in each
Bucket = Annotated[int, Meta(ge=0, lt=BUCKETS)]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows (after, last] of a stream: their sums, or, of one `bucket`, their names."""

    rep: Rep
    stream: StreamName
    after: Seq
    last: Seq
    bucket: Bucket | None = None


class Sums(Struct, frozen=True):
    """The sums of all buckets, in hex, and how many rows are in them."""

    rows: int
    buckets: Annotated[tuple[str, ...], Meta(min_length=BUCKETS, max_length=BUCKETS)]


class Names(Struct, frozen=True):
    """Rows of a bucket: name -> hash in hex."""

    rows: dict[str, str]


class Difference(Struct, frozen=True, order=True):
    """A row that differs: which of the two ends has it at all."""

    name: str
    is_here: bool
    is_there: bool


Named = tuple[str, bytes]
"""A row's name and its bytes."""


def row_hash(stream: str, name: str, body: bytes) -> int:
    """Return a row's hash. The name is in it: two rows that changed places are a difference."""
    state = blake2b(stream.encode() + b"\0" + name.encode() + b"\0", digest_size=8)
    state.update(body)
    return int.from_bytes(state.digest())


def bucket_of(name: str) -> int:
    """Return which bucket a row belongs to, whatever it says."""
    return crc32(name.encode()) % BUCKETS


def sums_of(stream: str, rows: Iterable[Named]) -> Sums:
    """Return the sums of rows."""
    sums, count = [0] * BUCKETS, 0
    for name, body in rows:
        count += 1
        at = bucket_of(name)
        sums[at] = (sums[at] + row_hash(stream, name, body)) % MODULUS
    return Sums(count, tuple(f"{each:x}" for each in sums))


def names_of(stream: str, rows: Iterable[Named], bucket: int) -> Names:
    """Return the rows of one bucket."""
    found = ((name, body) for name, body in rows if bucket_of(name) == bucket)
    return Names({name: f"{row_hash(stream, name, body):x}" for name, body in found})


def differing_buckets(here: Sums, there: Sums) -> Sequence[int]:
    """Return the buckets whose sums differ."""
    return [at for at, (one, other) in enumerate(zip(here.buckets, there.buckets, strict=True)) if one != other]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[Difference]:
    """Return the rows of a bucket that differ, those in a log in their order."""
    found = [
        Difference(name, name in here, name in there) for name in {*here, *there} if here.get(name) != there.get(name)
    ]
    return sorted(found, key=lambda each: (len(each.name) if each.name.isdecimal() else 0, each.name))
