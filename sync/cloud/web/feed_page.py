"""A page of a feed as NDJSON, with the digest that proves it whole. Pure.

{"v":1,"stream":"sales","after":41}
{"n":42,"store":"hk01","rep":"hk01:9f…","seq":7,"key":"0199…","row":{…}}
{"next":42,"rows":1,"digest":"5c…","more":false}

`digest` is d of the last row, d = blake2b-8(d of the row before ‖ the row's bytes), zero before the first: the rolling digest of
sync.digest over the bytes of `row` as they stand in the line. A row that is no line of JSON stands as `raw`, in base64. A body
without its last line is cut. `next` goes into `after`; in a state stream a row that changes moves to the end.
"""

import base64
from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from sync.batch import BYTES_MAX
from sync.cloud.arrivals.rows import is_json_line, key_of, shown_key
from sync.cloud.web.views import FeedRow
from sync.digest import EMPTY, roll
from sync.json_errors import NOT_JSON
from sync.model import Stream
from sync.retail.catalogue.registers import ProductRow, read_row

CONTENT_TYPE = "application/x-ndjson"


class Header(Struct, frozen=True):
    """First line."""

    v: int
    stream: str
    after: int


class Line(Struct, frozen=True):
    """One row as JSON, as it came."""

    n: int
    store: str
    rep: str
    seq: int
    key: str | None
    row: Raw


class RawLine(Struct, frozen=True):
    """One row that is no JSON."""

    n: int
    store: str
    rep: str
    seq: int
    key: None
    raw: str


class Trailer(Struct, frozen=True):
    """Last line."""

    next: int
    rows: int
    digest: str
    more: bool


def write_page(stream: str, rows: Sequence[FeedRow], *, after: int, limit: int) -> bytes:
    """Return a page; `rows` may be one more than `limit`, or more than BYTES_MAX of them, which says that there are more."""
    digest, size = EMPTY, 0
    lines = [msgspec.json.encode(Header(1, stream, after))]
    last = after
    for row in rows[:limit]:
        size += len(row.body)
        if last > after and size > BYTES_MAX:
            break
        digest, last = roll(digest, row.body), row.n
        lines.append(msgspec.json.encode(_line(stream, row)))
    count = len(lines) - 1
    lines.append(msgspec.json.encode(Trailer(last, count, digest.hex(), more=count < len(rows))))
    return b"\n".join(lines) + b"\n"


def shown_key_of(stream: str, body: bytes) -> str | None:
    """Return what stands as the key of a row, None where it has none."""
    if stream != Stream.CATALOGUE:
        return shown_key(stream, body)
    try:
        register = read_row(body)
    except NOT_JSON:
        return None
    return key_of("product" if isinstance(register, ProductRow) else "price", register.sku)


def _line(stream: str, row: FeedRow) -> Line | RawLine:
    if not is_json_line(row.body):
        return RawLine(row.n, row.store, row.rep, row.seq, None, base64.b64encode(row.body).decode())
    return Line(row.n, row.store, row.rep, row.seq, shown_key_of(stream, row.body), Raw(row.body))
