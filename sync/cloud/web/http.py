"""HTTP as the cloud end speaks it: problem documents in both languages, tokens, bodies and queries that are checked.

Not here: what a route does (sync.cloud.web.routes, sync.cloud.web.feed_page), who is connected (sync.cloud.talk.line).
"""

import logging
import re
import tomllib
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from importlib import resources
from pathlib import Path
from ssl import SSLContext
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from sync.cloud.allocation.work import Allocator
from sync.cloud.campaigns.work import CampaignWork
from sync.cloud.channels.channels import Channels
from sync.cloud.collect.admission import Admission
from sync.cloud.collect.tokens import holder_of_token
from sync.cloud.config import CloudConfig, Holder, token_hash
from sync.cloud.exports.nightly import Nightly
from sync.cloud.handing.news import News
from sync.cloud.persons.work import PeopleWatch
from sync.cloud.rights.contact import Contact
from sync.cloud.store import CloudStore
from sync.cloud.talk.line import Line
from sync.errors import BusyError, OutcomeUnknownError, SyncError

BODY_MAX = 4 * 1024 * 1024  # 500 products of the largest kind; a larger body is answered 413
LANGUAGES = ("en", "zh-Hant")
RETRY_AFTER_S = 1
JSON_TYPES = frozenset({"application/json", "application/octet-stream", "application/x-www-form-urlencoded"})
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
T = TypeVar("T", bound=Struct)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

refused = logging.getLogger("sync.cloud.refused")


class Cloud:
    """What the routes work on; `hear_others` runs beside it where other workers share its database."""

    def __init__(
        self,
        config: CloudConfig,
        books: CloudStore,
        line: Line,
        contact: Contact,
        *,
        news: News,
        people: PeopleWatch,
        campaigns: CampaignWork,
        nightly: Nightly | None = None,
        hear_others: Callable[[], Coroutine[None, None, None]] | None = None,
        tls: SSLContext | None = None,
        authority: Path | None = None,
    ) -> None:
        """`tls` is what it listens with; `authority`, who signs certificates of stores here, None where nobody does."""
        self.config = config
        self.books = books
        self.line = line
        self.contact = contact
        self.news = news
        self.hear_others = hear_others
        self.tls = tls
        self.authority = authority
        self.admission = Admission(books, line)
        self.allocator = Allocator(books, contact)
        contact.on_looked = self.allocator.on_news
        self.nightly = nightly
        self.channels = Channels(books, config.channels, config.rights, config.members)
        self.people = people
        self.campaigns = campaigns


CLOUD = web.AppKey("cloud", Cloud)


class AnswerError(SyncError):
    """A request is answered with this problem; nothing was changed."""

    def __init__(self, status: int, code: str, detail: str = "", *, pointer: str = "") -> None:
        super().__init__(code, detail, pointer=pointer)
        self.status = status


class Problem(Struct, frozen=True, omit_defaults=True):
    """application/problem+json, RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    pointer: str = ""
    remedy: dict[str, str] = {}


@cache
def texts() -> dict[str, dict[str, dict[str, str]]]:
    """Return code -> language -> {title, remedy}."""
    return tomllib.loads(resources.files("sync.cloud").joinpath("texts.toml").read_text(encoding="utf-8"))


def problem(status: int, code: str, detail: str = "", *, pointer: str = "") -> web.Response:
    """Return the response for a problem."""
    said = texts()[code]
    body = Problem(
        type=f"urn:storehub:problem:{code}",
        title=said["en"]["title"],
        status=status,
        code=code,
        detail=detail,
        pointer=pointer,
        remedy={language: said[language]["remedy"] for language in LANGUAGES},
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/problem+json", headers=headers
    )


def answer(body: Struct | dict[str, Any], *, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def token_of(request: web.Request) -> bytes | None:
    """Return the hash of the token in the Authorization header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token_hash(token.strip()) if scheme.lower() == "bearer" and token else None


def holder_of(request: web.Request) -> Holder | None:
    """Return who holds the token in the Authorization header now."""
    token, cloud = token_of(request), request.app[CLOUD]
    return None if token is None else holder_of_token(cloud.books.db.read, cloud.config, token)


def office(handler: Handler) -> Handler:
    """Return the handler, for tokens of head office only."""

    async def checked(request: web.Request) -> web.StreamResponse:
        holder = holder_of(request)
        if holder is None:
            raise AnswerError(401, "unauthorized")
        if holder.scope != "office":
            raise AnswerError(403, "forbidden", f"needs an office token, this one is store {holder.name}'s")
        return await handler(request)

    return checked


async def read_body(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the checked body; raise AnswerError."""
    if request.content_type not in JSON_TYPES:
        raise AnswerError(415, "not_json", f"{request.content_type} is not JSON")
    try:
        raw = await request.read()
    except (web.RequestPayloadError, ConnectionError) as err:
        request.content.feed_eof()  # aiohttp would read on after the answer, and log a traceback
        raise AnswerError(400, "unreadable", "the body ended early or its Content-Encoding is not what it is") from err
    if _NUL_ESCAPE.search(raw):
        raise AnswerError(400, "unreadable", "U+0000 is not allowed in any text")
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as err:
        raise _invalid(err) from err
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise AnswerError(400, "unreadable", str(err)) from err
    except RecursionError as err:
        raise AnswerError(400, "unreadable", "nested too deeply") from err


def read_query(request: web.Request, query: type[T]) -> T:
    """Return the checked query; every parameter may stand once; raise AnswerError."""
    if "\x00" in request.query_string:
        raise AnswerError(400, "unreadable", "U+0000 is not allowed in any text")
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise AnswerError(422, "invalid_field", f"{name} stands twice in the query", pointer=f"/{name}")
    try:
        return msgspec.convert(dict(request.query), query, strict=False)
    except msgspec.ValidationError as err:
        raise _invalid(err) from err


def _invalid(err: msgspec.ValidationError) -> AnswerError:
    detail, _, path = str(err).partition(" - at `$")
    pointer = re.sub(r"\[(\d+)\]", r"/\1", path.rstrip("`")).replace(".", "/")
    return AnswerError(422, "invalid_field", detail, pointer=pointer)


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every operating error into a problem document; count the request.

    A mistake of ours is aiohttp's own answer 500, and a traceback in the log.
    """
    try:
        if "\x00" in request.path:
            raise AnswerError(400, "unreadable", "U+0000 is not allowed in any text")
        response = await handler(request)
    except AnswerError as err:
        response = problem(err.status, err.code, err.detail, pointer=err.pointer)
    except (BusyError, OutcomeUnknownError) as err:
        response = problem(503, err.code, err.detail)
    except web.HTTPException as err:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(err.status)
        if code is None:
            raise
        response = problem(err.status, code, "" if err.status != 413 else f"more than {BODY_MAX} bytes")
    if response.status >= 400:
        holder = holder_of(request)
        asked = {"method": request.method, "path": request.path[:200], "holder": holder.name if holder else ""}
        level = logging.DEBUG if response.status == 404 else logging.INFO  # who waits for a sale asks again and again
        refused.log(level, "request refused", extra={**asked, "status": response.status})
    if request.content.exception() is not None:
        response.force_close()  # what follows on this connection is no request
    resource = request.match_info.route.resource
    path = resource.canonical if resource else "unknown"
    request.app[CLOUD].books.metrics.requests.labels(request.method, path, response.status).inc()
    return response
