"""What head office asks of rights: promises of goods at the stores, and who may still give how much.

POST /cloud/v1/promises                       GET /cloud/v1/rights?sku=&store=&location=      (office)
POST /cloud/v1/promises/{promise_id}/cancel                                                   (office)

    201 created   200 repeated, ended   202 the store's hub was asked   404 unknown   409 refused: with what is left
"""

from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.rights.contact import Contact
from sync.cloud.rights.promises import Promised, PromiseRequest
from sync.cloud.rights.rights import Place
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query, texts
from sync.errors import RuleError

CONTACT = web.AppKey("contact", Contact)


class RightsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A SKU at a store's location."""

    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    store: Annotated[str, Meta(min_length=1, max_length=40)]
    location: Annotated[str, Meta(min_length=1, max_length=40)] = "shop"


class Cancelled(Struct, frozen=True):
    """`asked`: the store's hub was asked to end it, which may have picked it already."""

    promise_id: str
    status: str


_promise = msgspec.json.Decoder(PromiseRequest)


async def post_promise(request: web.Request) -> web.StreamResponse:
    """Promise goods to an order."""
    wanted = await read_body(request, _promise)
    known = request.app[CLOUD].config.stores
    if wanted.store not in known:
        raise AnswerError(404, "store", f"no store {wanted.store!r}; known: {', '.join(known)}", pointer="/store")
    try:
        promised = await request.app[CONTACT].promise(wanted)
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    if promised.status == "refused":
        return _refusal(promised)
    return answer(promised, status=201 if promised.status == "created" else 200)


async def post_cancel(request: web.Request) -> web.StreamResponse:
    """Call a promise off."""
    promise_id = request.match_info["promise_id"]
    try:
        done = await request.app[CONTACT].cancel(promise_id)
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail, pointer=err.pointer) from err
    if done is None:
        raise AnswerError(404, "promise", f"no promise {promise_id[:80]!r}")
    return answer(Cancelled(promise_id, done), status=202 if done == "asked" else 200)


async def get_rights(request: web.Request) -> web.StreamResponse:
    """Who holds what."""
    query = read_query(request, RightsQuery)
    return answer(request.app[CONTACT].account(Place(query.sku, query.store, query.location)))


def promise_routes() -> list[RouteDef]:
    """Return the routes; the application holds a Contact under CONTACT."""
    return [
        web.post("/cloud/v1/promises", office(post_promise)),
        web.post("/cloud/v1/promises/{promise_id}/cancel", office(post_cancel)),
        web.get("/cloud/v1/rights", office(get_rights)),
    ]


def _refusal(promised: Promised) -> web.Response:
    """A problem document with what is left, and what the store was asked for: the same request may be repeated then."""
    said = texts()["no_right"]
    body = {
        "type": "urn:storehub:problem:no_right",
        "title": said["en"]["title"],
        "status": 409,
        "code": "no_right",
        "detail": f"{promised.left} may still be promised there",
        "pointer": "/qty",
        "remedy": {language: said[language]["remedy"] for language in said},
        "left": promised.left,
        "asked": promised.asked,
    }
    return web.Response(status=409, body=msgspec.json.encode(body), content_type="application/problem+json")
