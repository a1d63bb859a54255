"""A batch as NDJSON over HTTP: header, rows, trailer with the digest. Pure. Source: the design, 3.4.

{"v":1,"rep":"hk01:9f…","stream":"sales","feed":"log","after":41}
{"seq":42,"row":{…}}
{"last":42,"digest":"5c…","rows":1}
"""

import msgspec
from msgspec import Raw, Struct

from sync.batch import ROWS_MAX, Batch, Boundary, Head, Rep, Seq, StreamName
from sync.errors import ProtocolError
from sync.model import Feed

CONTENT_TYPE = "application/x-ndjson"


class Header(Struct, frozen=True):
    """First line."""

    rep: Rep
    stream: StreamName
    feed: Feed
    after: Seq
    v: int = 1


class Line(Struct, frozen=True):
    """One row, its bytes as they are in the stream."""

    seq: Seq
    row: Raw


class Trailer(Struct, frozen=True):
    """Last line: where the range ends; a body without it is cut."""

    last: Seq
    digest: str
    rows: int


def write_feed(head: Head, after: Boundary, batch: Batch | None) -> bytes:
    """Return a feed's body; `batch` is None when nothing stands behind `after`."""
    rows, end = (batch.rows, batch.end) if batch else ((), after)
    lines = [
        msgspec.json.encode(Header(head.rep, head.stream, head.feed, after.last)),
        *(b'{"seq":%d,"row":%b}' % row for row in rows),
        msgspec.json.encode(Trailer(end.last, end.digest.hex(), len(rows))),
    ]
    return b"\n".join(lines) + b"\n"


def read_feed(body: bytes) -> Batch | None:
    """Return the batch of a body, None for an empty one; raise ProtocolError when it is cut or no feed."""
    lines = body.split(b"\n")
    if len(lines) < 3 or lines.pop():
        raise ProtocolError("a feed is cut: its last line has no end")
    if len(lines) > ROWS_MAX + 2:
        raise ProtocolError(f"a feed of {len(lines)} lines, at most {ROWS_MAX} rows")
    try:
        header = msgspec.json.decode(lines[0], type=Header)
        trailer = msgspec.json.decode(lines[-1], type=Trailer)
        read = [msgspec.json.decode(line, type=Line) for line in lines[1:-1]]
        digest = bytes.fromhex(trailer.digest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise ProtocolError(f"what came is no feed: {err}") from err
    if len(read) != trailer.rows:
        raise ProtocolError(f"a feed of {len(read)} rows, its trailer says {trailer.rows}")
    if not read:
        return None
    rows = tuple((line.seq, bytes(line.row)) for line in read)
    return Batch(header.rep, header.stream, header.feed, header.after, trailer.last, digest, rows)
