"""The night's files over HTTP.

GET  /cloud/v1/exports                               days, newest first, each with the manifest of its newest revision    (office)
POST /cloud/v1/exports {day}                         201 a new revision   200 nothing has changed                         (office)
GET  /cloud/v1/exports/{day}/{revision}/{file}       a file, the manifest among them                                      (office)
"""

import asyncio
import re
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.exports import files
from sync.cloud.exports.nightly import Nightly
from sync.cloud.handing.tables import day_said
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body
from sync.errors import SyncError

DAYS_MAX = 100
_FILE = re.compile(r"[a-z_]{1,40}\.(csv|json)")


class ExportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which business day."""

    day: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]


_export = msgspec.json.Decoder(ExportRequest)


def export_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.get("/cloud/v1/exports", office(get_exports)),
        web.post("/cloud/v1/exports", office(post_export)),
        web.get(r"/cloud/v1/exports/{day:\d{4}-\d\d-\d\d}/r{revision:\d{1,6}}/{file}", office(get_file)),
    ]


async def get_exports(request: web.Request) -> web.StreamResponse:
    """What there is."""
    folder = _nightly(request).folder
    days = (await asyncio.to_thread(files.days, folder))[: -DAYS_MAX - 1 : -1]
    found = await asyncio.to_thread(lambda: [files.newest(folder, day) for day in days])
    return answer({"items": [each for each in found if each is not None]})


async def post_export(request: web.Request) -> web.StreamResponse:
    """Make a day's files now."""
    day = (await read_body(request, _export)).day
    if not day_said(day):
        raise AnswerError(422, "invalid_field", f"{day} is no day", pointer="/day")
    try:
        made = await _nightly(request).make(day)
    except SyncError as err:
        raise AnswerError(503, err.code, err.detail) from err
    return answer(made.manifest, status=201 if made.is_new else 200)


async def get_file(request: web.Request) -> web.StreamResponse:
    """One of the files."""
    day, revision, name = (request.match_info[each] for each in ("day", "revision", "file"))
    path = _nightly(request).folder / day / f"r{revision}" / name
    if not _FILE.fullmatch(name) or not await asyncio.to_thread(path.is_file):
        raise AnswerError(404, "export_file", f"no {name[:60]!r} of {day} r{revision}")
    return web.FileResponse(path)


def _nightly(request: web.Request) -> Nightly:
    nightly = request.app[CLOUD].nightly
    if nightly is None:
        raise AnswerError(404, "no_exports")
    return nightly
