"""A route is one declaration: from it come the handler's checks (token, scope, body, query) and its page in the OpenAPI.

The same msgspec struct validates a body and describes it. Not here: what a route does (one file a noun beside this one).
"""

import base64
import binascii
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from hub.api.bulk import bulk_response
from hub.api.problems import PROBLEM, problem, problem_of
from hub.api.staff.persons import SESSION_HEADER, person_for
from hub.duties import Person
from hub.errors import HubError
from hub.runtime import Runtime
from hub.store.staff.tills import Paired, Scope
from sync.errors import SyncError

BODY_MAX = 1024 * 1024  # request body; a larger one is answered 413 without being read
DEPTH_REFUSED = "nested too deeply"
# what clients that name no type send (curl -d, urllib, aiohttp) is read as JSON as well
JSON_TYPES = frozenset({"application/json", "application/octet-stream", "application/x-www-form-urlencoded"})
SUBPROTOCOL_TOKEN = "storehub.bearer."  # noqa: S105 - the prefix, not a token
SUBPROTOCOL = "storehub.v1"
BEARER, BASIC = "Bearer", 'Basic realm="storehub", charset="UTF-8"'
_WIRE = re.compile(r"/v1/devices/[^/]+/wire")  # the one path where a token may come by HTTP Basic
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NAMED = re.compile(r"(?:unknown|required) field `(.*)`")
_NUMBER = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?")
_IMPLIED: dict[Scope, frozenset[Scope]] = {"manager": frozenset({"manager", "till", "ops"})}

log = logging.getLogger(__name__)
refused = logging.getLogger("hub.refused")
RUNTIME = web.AppKey("runtime", Runtime)
SALE = web.RequestKey("sale", str)
PUBLIC: frozenset[Scope] = frozenset()


class Call(Struct, frozen=True):
    """One request after its checks. `body` and `query` are of the route's types. Any: checked by the route's struct.

    `person` is who does the route's duty; `session` the session token as it was sent, for routes without one; `remote` the
    address that asks.
    """

    hub: Runtime
    client: Paired
    path: dict[str, str]
    body: Any = None
    query: Any = None
    session: str = ""
    person: Person | None = None
    remote: str = ""

    @property
    def actor(self) -> str:
        """How the audit trail calls whoever asks: the person, else the till."""
        return self.person.actor if self.person else f"till:{self.client.till_id}"


class Reply(Struct, frozen=True):
    """What a route answers: a struct, or bytes that are encoded already."""

    body: Struct | list[Any] | bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = {}


class WireRequest(Struct, frozen=True):
    """A device's request as it came; all of it is the device's own form."""

    method: str
    query: dict[str, str]
    content_type: str
    body: bytes


Handle = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the API. An empty `scopes` is open to everybody; `statuses` are the good answers beside `status`.

    `duty`: what it is called in hub.duties, where it says who may do it; empty for a matter of tills and not of persons.
    `is_bulk`: a page that is long, sent as hub.api.bulk says. `is_wire`: bodies are of a device's own form
    (hub.api.attached.device_wire).
    """

    method: str
    path: str
    handle: Handle
    summary: str
    scopes: frozenset[Scope]
    answer: Any  # a struct type, or list[...] of one
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    status: int = 200
    statuses: tuple[int, ...] = ()
    problems: tuple[int, ...] = ()
    duty: str = ""
    is_bulk: bool = False
    is_wire: bool = False


NOBODY = Paired("", "", "till")


def endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the aiohttp handler of a route."""
    decoder = msgspec.json.Decoder(route.body) if route.body else None

    async def handler(request: web.Request) -> web.StreamResponse:
        hub = request.app[RUNTIME]
        client = client_of(request, hub)
        if route.scopes and client is None:
            return problem(401, "unauthorized", challenge=BASIC if route.is_wire else BEARER)
        if route.scopes and client is not None and not may(client, route.scopes):
            return problem(403, "forbidden", f"needs {' or '.join(sorted(route.scopes))}, this token is {client.scope}")
        if decoder and request.content_type not in JSON_TYPES:
            return problem(415, "not_json", f"{request.content_type} is not JSON", pointer="")
        body = await _read_wire(request) if route.is_wire else await read_body(request, decoder) if decoder else None
        query = read_query(request, route.query) if route.query else None
        session = request.headers.get(SESSION_HEADER, "")
        person = person_for(hub, client or NOBODY, session, duty=route.duty) if route.duty else None
        call = Call(hub, client or NOBODY, dict(request.match_info), body, query, session, person, request.remote or "")
        try:
            reply = await route.handle(call)
        except SyncError:
            request[SALE] = getattr(body, "sale_id", "")  # what is refused can be followed, too
            raise
        if route.is_bulk and isinstance(reply.body, Struct):
            return bulk_response(request, reply.body, status=reply.status)
        content = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
        headers = {"Content-Type": reply.content_type} | reply.headers
        return web.Response(status=reply.status, body=content, headers=headers)

    return handler


def client_of(request: web.Request, hub: Runtime) -> Paired | None:
    """Return who holds the request's token; tokens come in the Authorization header, on WebSockets as a subprotocol."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic" and _WIRE.fullmatch(request.path):
        return _by_basic(token, hub)
    if scheme.lower() != "bearer":
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        token = next((p.strip().removeprefix(SUBPROTOCOL_TOKEN) for p in offered if SUBPROTOCOL_TOKEN in p), "")
    return hub.tokens.holder(token) if token else None


def _by_basic(credentials: str, hub: Runtime) -> Paired | None:
    """Return the device whose id and token these are. RFC 7617."""
    try:
        user, _, token = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    client = hub.tokens.holder(token)
    return client if client is not None and client.scope == "device" and client.till_id == user else None


def may(client: Paired, scopes: frozenset[Scope]) -> bool:
    """Whether a client's scope, or one that it implies, is among `scopes`."""
    return bool(_IMPLIED.get(client.scope, {client.scope}) & scopes)


class UnreadableError(HubError):
    """The body is no JSON of the route's shape; nothing was changed."""


async def read_body(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode a body; raise UnreadableError (400) or a problem of the field (422)."""
    raw = await _read_whole(request)
    if rb"\u0000" in raw and _NUL_ESCAPE.search(raw):  # the search alone takes longer than to decode a sale
        raise UnreadableError("unreadable", "U+0000 is not allowed in any text")
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as err:
        raise _invalid(err) from err
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise UnreadableError("unreadable", str(err)) from err
    except RecursionError as err:
        raise UnreadableError("unreadable", DEPTH_REFUSED) from err


async def _read_wire(request: web.Request) -> WireRequest:
    """Return a device's request; of a name that stands twice in the query the first is taken."""
    content_type = request.headers.get("Content-Type", "")
    return WireRequest(
        request.method, dict(list(request.query.items())[::-1]), content_type, await _read_whole(request)
    )


async def _read_whole(request: web.Request) -> bytes:
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as err:
        request.content.feed_eof()  # aiohttp would read on after the answer, and log a traceback
        raise UnreadableError("unreadable", "the body ended early or its Content-Encoding is not what it is") from err


def read_query(request: web.Request, query: type[Struct]) -> Any:
    """Convert the query string; every parameter may stand once."""
    if "%00" in request.rel_url.raw_query_string:
        raise UnreadableError("unreadable", "U+0000 is not allowed in any text")
    asked = request.query
    said = dict(asked)
    if len(said) < len(asked):
        name = next(name for name in said if len(asked.getall(name)) > 1)
        raise InvalidFieldError("invalid_field", f"{name} stands twice in the query", pointer=f"/{name}")
    for name in _moments(query):
        if name in said and _NUMBER.fullmatch(said[name]):
            raise InvalidFieldError(
                "invalid_field", "Expected a date and time as RFC 3339 writes it", pointer=f"/{name}"
            )
    try:
        return msgspec.convert(said, query, strict=False)
    except msgspec.ValidationError as err:
        raise _invalid(err) from err


@cache
def _moments(query: type[Struct]) -> frozenset[str]:
    """The parameters that are moments; a lax conversion would read a number there as seconds since 1970."""
    _, components = msgspec.json.schema_components([query])
    return frozenset(
        name for name, said in components[query.__name__]["properties"].items() if "date-time" in str(said)
    )


class InvalidFieldError(HubError):
    """A field has the wrong type or is out of range; nothing was changed."""


def _invalid(err: msgspec.ValidationError) -> InvalidFieldError:
    """Say which field it is: msgspec names the place, and a field that is unknown or missing there in its sentence (RFC 6901)."""
    detail, _, path = str(err).partition(" - at `$")
    pointer = re.sub(r"\[(\d+)\]", r"/\1", path.rstrip("`").partition("[...]")[0]).replace(".", "/")
    if (named := _NAMED.search(detail)) and "[...]" not in path:
        pointer += "/" + named[1].replace("~", "~0").replace("/", "~1")
    return InvalidFieldError("invalid_field", detail, pointer=pointer)


@web.middleware
async def translate_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every error into a problem document, once, here; count the request."""
    try:
        response = await handler(request)
    except InvalidFieldError as err:
        response = problem(422, err.code, err.detail, pointer=err.pointer)
    except SyncError as err:
        response = problem_of(err)
    except web.HTTPException as err:
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(err.status)
        if code is None:
            raise
        response = problem(err.status, code, "" if err.status != 413 else f"more than {BODY_MAX} bytes")
        if "Allow" in err.headers:
            response.headers["Allow"] = err.headers["Allow"]
    except Exception:  # the API edge: the request fails loudly, the shop goes on
        log.exception("request failed", extra={"method": request.method, "path": request.path})
        response = problem(500, "internal")
    if response.status >= 400:
        _log_refusal(request, response)
    if request.content.exception() is not None:
        response.force_close()  # what follows on this connection is no request
    resource = request.match_info.route.resource
    path = resource.canonical if resource else "unknown"
    request.app[RUNTIME].metrics.count_request(request.method, path, response.status)
    return response


def _log_refusal(request: web.Request, response: web.StreamResponse) -> None:
    """One line: who asked for what and why not. Never the body, a token, or what a pointer points at."""
    client = client_of(request, request.app[RUNTIME])
    level = logging.WARNING if response.status >= 500 or response.status == 409 else logging.INFO
    said = response.get(PROBLEM)
    fields = {"status": response.status, "code": said.code if said else "", "pointer": said.pointer if said else ""}
    asked = {"method": request.method, "path": request.path[:200], "till": client.till_id if client else ""}
    if request.get(SALE):
        asked["sale"] = request[SALE]
    refused.log(level, "request refused", extra=fields | asked)
