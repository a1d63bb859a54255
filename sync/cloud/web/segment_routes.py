"""Segments by HTTP: declared, looked at before they are used, evaluated.

POST /cloud/v1/segments {segment, name, filter, tag?}     a version, where it says something new                     (office)
POST /cloud/v1/segments/preview {filter}                  how many, and a masked sample; nothing is written
GET  /cloud/v1/segments, /cloud/v1/segments/{segment}     what is declared, the last evaluation
POST /cloud/v1/segments/{segment}/evaluation              who is in it is brought to whom the filter finds
GET  /cloud/v1/segments/{segment}/members?after=          who is in it since when, by id
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Struct

from sync.cloud.persons.people import members_of
from sync.cloud.persons.registers import masked, shown_of
from sync.cloud.segments.filters import Filter, Segment
from sync.cloud.segments.segments import Kept, kept_of, persons_in, put_segment, segment_names
from sync.cloud.segments.work import evaluate_segment, find_persons
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query
from sync.cloud.web.pages import PageQuery, answer_page

SAMPLE = 10


class PreviewRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A filter to try."""

    filter: Filter


_segment = msgspec.json.Decoder(Segment)
_preview = msgspec.json.Decoder(PreviewRequest)


async def post_segment(request: web.Request) -> web.StreamResponse:
    """Declare a segment."""
    wanted, books = await read_body(request, _segment), request.app[CLOUD].books
    now_ms = books.now_ms()
    version, is_new = await books.db.write(lambda tx: put_segment(tx, wanted, now_ms=now_ms))
    return answer({"segment": wanted.segment, "version": version}, status=201 if is_new else 200)


async def post_preview(request: web.Request) -> web.StreamResponse:
    """Say whom a filter would find."""
    wanted, cloud = (await read_body(request, _preview)).filter, request.app[CLOUD]
    found = await find_persons(cloud.books, wanted, cloud.config.cities)
    read = cloud.books.db.read
    sample = [
        {"member_id": person} | masked(shown_of(read, members_of(read, person)) or {}) for person in found[:SAMPLE]
    ]
    return answer({"count": len(found), "sample": sample})


async def get_segments(request: web.Request) -> web.StreamResponse:
    """All segments."""
    read = request.app[CLOUD].books.db.read
    return answer({"items": [_view(kept) for name in segment_names(read) if (kept := kept_of(read, name))]})


async def get_segment(request: web.Request) -> web.StreamResponse:
    """One segment."""
    return answer(_view(_kept(request)))


async def post_evaluation(request: web.Request) -> web.StreamResponse:
    """Evaluate a segment."""
    cloud, kept = request.app[CLOUD], _kept(request)
    return answer(await evaluate_segment(cloud.books, kept, cloud.config.cities))


async def get_members(request: web.Request) -> web.StreamResponse:
    """A page of who is in a segment by the last evaluation."""
    query, kept = read_query(request, PageQuery), _kept(request)
    found = persons_in(request.app[CLOUD].books.db.read, kept.segment.segment, after=query.after, limit=query.limit)
    items = [{"member_id": person, "since": _utc(entered_ms)} for person, entered_ms in found]
    return answer_page(items, [person for person, _ in found], query)


def segment_routes() -> list[RouteDef]:
    """Return the routes."""
    one = "/cloud/v1/segments/{segment}"
    return [
        web.post("/cloud/v1/segments", office(post_segment)),
        web.get("/cloud/v1/segments", office(get_segments)),
        web.post("/cloud/v1/segments/preview", office(post_preview)),
        web.get(one, office(get_segment)),
        web.post(f"{one}/evaluation", office(post_evaluation)),
        web.get(f"{one}/members", office(get_members)),
    ]


def _kept(request: web.Request) -> Kept:
    name = request.match_info["segment"]
    kept = kept_of(request.app[CLOUD].books.db.read, name)
    if kept is None:
        raise AnswerError(404, "segment", f"no segment {name[:64]!r}")
    return kept


def _view(kept: Kept) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(kept.segment)
    run = {"version": kept.run_version, "at": _utc(kept.run_ms), "count": kept.count} if kept.run_ms else None
    return said | {"version": kept.version, "evaluated": run}


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
