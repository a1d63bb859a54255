"""What a subscriber is told: one message a row, of all its streams in the order in which they arrived here.

    {"type": "sale", "timestamp": "…", "data": {"stream", "n", "store", "rep", "seq", "key", "row": {…}}}

The id is made of the row's dot and content, so that it is the same at every attempt, by every worker, and after this cloud was
restored and the row came again. A fact whose key is known already counts for nothing and is told to nobody.
"""

import base64
from datetime import UTC, datetime
from hashlib import blake2b
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Raw, Struct

from sync.cloud.arrivals.rows import is_json_line
from sync.cloud.web.feed_page import shown_key_of
from sync.cloud.web.views import FeedRow, feed_rows
from sync.db import Database
from sync.entities import REGISTRY
from sync.json_errors import NOT_JSON

PAGE_MAX = 100  # rows that are read ahead for one subscriber


class _Kind(Struct):
    kind: str


_kind = msgspec.json.Decoder(_Kind).decode


class Message(Struct, frozen=True):
    """A row on its way; not `is_wanted`: its place is passed over without a word."""

    message_id: str
    kind: str
    stream: str
    n: int
    arrived_ms: int
    body: bytes
    is_wanted: bool = True


async def next_messages(
    db: Database, cursors: dict[str, int], kinds: tuple[str, ...], *, limit: int = PAGE_MAX
) -> list[Message]:
    """Return what comes behind the cursors, oldest arrival first."""
    found: list[Message] = []
    for stream, after in cursors.items():
        rows = await feed_rows(db, stream, after=after, limit=limit)
        late = duplicates(db.read, stream, after, rows[-1].n) if rows else set()
        arrived_ms = (
            0  # this machine's clock may have gone back meanwhile: the order of a stream is that of its numbers
        )
        for row in rows[:limit]:
            arrived_ms = max(arrived_ms, row.received_ms)
            message = message_of(stream, row)
            is_wanted = row.n not in late and (not kinds or message.kind in kinds)
            found.append(msgspec.structs.replace(message, arrived_ms=arrived_ms, is_wanted=is_wanted))
    order = {stream: place for place, stream in enumerate(dict.fromkeys([*REGISTRY.streams, *cursors]))}
    found.sort(key=lambda each: (each.arrived_ms, order[each.stream], each.n))
    return found[:limit]


def message_of(stream: str, row: FeedRow) -> Message:
    """Return the message of a row."""
    dot = f"{row.rep} {stream} {row.seq} ".encode()
    message_id = "msg_" + blake2b(dot + row.body, digest_size=16).hexdigest()
    kind = kind_of(stream, row.body)
    at = datetime.fromtimestamp(row.received_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data: dict[str, Any] = {  # Any: JSON
        "stream": stream,
        "n": row.n,
        "store": row.store,
        "rep": row.rep,
        "seq": row.seq,
        "key": shown_key_of(stream, row.body),
    }
    data |= {"row": Raw(row.body)} if is_json_line(row.body) else {"raw": base64.b64encode(row.body).decode()}
    body = msgspec.json.encode({"type": kind, "timestamp": at, "data": data})
    return Message(message_id, kind, stream, row.n, row.received_ms, body)


def kind_of(stream: str, body: bytes) -> str:
    """Return what a row is: its entity, the kind it says where a stream has several, else the stream's name."""
    entities = REGISTRY.of(stream)
    if len(entities) == 1:
        return entities[0].name
    try:
        return _kind(body).kind[:64] if entities else stream
    except NOT_JSON:
        return stream


def duplicates(read: Connection, stream: str, after: int, upto: int) -> set[int]:
    """Return the places of facts behind one, up to another, that came under a known key."""
    rows = read.execute(
        """
        SELECT duplicate.n FROM duplicate JOIN feed ON feed.id = duplicate.stream
        WHERE feed.stream = ? AND duplicate.n > ? AND duplicate.n <= ?
        """,
        (stream, after, upto),
    ).fetchall()
    return {n for (n,) in rows}
