"""What the cloud holds of a store's stream, as sums of 256 buckets, or one bucket by name: for the store's own daily audit.

POST /cloud/v1/audit   with the store's own token, or head office's; see sync.audit. Reads only, a thousand rows at a time, so
that other stores wait for none of it.
"""

import asyncio
from sqlite3 import Connection

import msgspec
from aiohttp import web
from aiohttp.web import RouteDef

from sync.audit import NAMES_MAX, Asked, Named, Names, Sums, names_of, sums_of
from sync.cloud.web.http import CLOUD, AnswerError, answer, holder_of, read_body
from sync.entities import REGISTRY
from sync.model import Feed
from sync.store.audit import state_name
from sync.store.replicas import known_id

PAGE = 1000
_asked = msgspec.json.Decoder(Asked)


async def post_audit(request: web.Request) -> web.StreamResponse:
    """Sums or names of rows that a store has sent."""
    holder = holder_of(request)
    if holder is None:
        raise AnswerError(401, "unauthorized")
    asked = await read_body(request, _asked)
    if holder.scope == "store" and asked.rep.rpartition(":")[0] != holder.name:
        raise AnswerError(403, "forbidden", f"this token is of store {holder.name}", pointer="/rep")
    told = await told_of(request.app[CLOUD].books.db.read, asked)
    if isinstance(told, Names) and len(told.rows) > NAMES_MAX:
        raise AnswerError(413, "too_large", f"{len(told.rows)} rows in bucket {asked.bucket}: ask for a smaller range")
    return answer(told)


async def told_of(read: Connection, asked: Asked) -> Sums | Names:
    """Return what is asked for, read a page at a time with the loop free between them."""
    rows: list[Named] = []
    at = asked.after
    while page := held_rows(read, asked, at):
        rows += [(name, body) for _, name, body in page]
        at = page[-1][0]
        await asyncio.sleep(0)
    return sums_of(asked.stream, rows) if asked.bucket is None else names_of(asked.stream, rows, asked.bucket)


def held_rows(read: Connection, asked: Asked, at: int) -> list[tuple[int, str, bytes]]:
    """Return (number, name, body) of the next rows behind a number: a log's by seq, a state stream's by its place in the feed."""
    replica = known_id(read, asked.rep)
    feed = REGISTRY.feeds.get(asked.stream, Feed.LOG)
    if replica is None:
        return []
    if feed is Feed.LOG:
        rows = read.execute(
            """
            SELECT seq, body FROM fact
            WHERE replica = ? AND stream = (SELECT id FROM feed WHERE stream = ?) AND seq > ? AND seq <= ?
            ORDER BY seq LIMIT ?
            """,
            (replica, asked.stream, at, asked.last, PAGE),
        ).fetchall()
        return [(seq, str(seq), body) for seq, body in rows]
    rows = read.execute(
        """
        SELECT n, body FROM tally
        WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND replica = ? AND n > ? AND seq <= ? ORDER BY n LIMIT ?
        """,
        (asked.stream, replica, at, asked.last, PAGE),
    ).fetchall()
    return [(n, state_name(asked.stream, body) or f"? {n}", body) for n, body in rows]


def audit_routes() -> list[RouteDef]:
    """Return the route."""
    return [web.post("/cloud/v1/audit", post_audit)]
