"""What head office does with webhooks: subscribes, lets rest, rotates secrets, looks at what was not taken.

GET  /cloud/v1/webhooks                                     POST {name, url, streams, …}   201 made, with its secret, 200 known
GET  /cloud/v1/webhooks/{name}                              DELETE                                       204
POST /cloud/v1/webhooks/{name}/state {state}                POST …/rotate {secret}                       the new secret, once
POST /cloud/v1/webhooks/{name}/url {url}                    from where it stood
GET  /cloud/v1/webhooks/{name}/dead                         POST …/dead/retry {ids}, …/dead/drop {ids}   {letters}

A secret is answered where it is made, and never again.
"""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.handing import dead_letters, subscriptions
from sync.cloud.handing.addresses import URL_CHARS_MAX, Allowed
from sync.cloud.handing.dead_letters import LETTERS_MAX
from sync.cloud.handing.signing import SECRET_BYTES, key_of, secret_of
from sync.cloud.handing.subscriptions import NewSubscription, Subscription
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body
from sync.errors import RuleError

STATUS = {"webhook_known": 409, "webhooks_full": 409, "stream": 422, "webhook_url": 422, "webhook_secret": 422}


class StateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Rest, or go on."""

    state: Literal["active", "paused"]


class UrlRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Another address."""

    url: Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]


class RotateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret of one's own, or none."""

    secret: Annotated[str, Meta(max_length=120)] = ""


class LettersRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters."""

    ids: Annotated[list[Annotated[str, Meta(min_length=1, max_length=80)]], Meta(min_length=1, max_length=LETTERS_MAX)]


_new = msgspec.json.Decoder(NewSubscription)
_state = msgspec.json.Decoder(StateRequest)
_url = msgspec.json.Decoder(UrlRequest)
_rotate = msgspec.json.Decoder(RotateRequest)
_letters = msgspec.json.Decoder(LettersRequest)


def webhook_routes() -> list[RouteDef]:
    """Return the routes."""
    one = "/cloud/v1/webhooks/{name}"
    return [
        web.get("/cloud/v1/webhooks", office(get_webhooks)),
        web.post("/cloud/v1/webhooks", office(post_webhook)),
        web.get(one, office(get_webhook)),
        web.delete(one, office(delete_webhook)),
        web.post(f"{one}/state", office(post_state)),
        web.post(f"{one}/url", office(post_url)),
        web.post(f"{one}/rotate", office(post_rotate)),
        web.get(f"{one}/dead", office(get_dead)),
        web.post(f"{one}/dead/retry", office(post_retry)),
        web.post(f"{one}/dead/drop", office(post_drop)),
    ]


async def get_webhooks(request: web.Request) -> web.StreamResponse:
    """All of them."""
    read = request.app[CLOUD].books.db.read
    return answer({"items": [_item(request, name) for name in subscriptions.names(read)]})


async def get_webhook(request: web.Request) -> web.StreamResponse:
    """One of them."""
    return answer(_item(request, request.match_info["name"]))


async def post_webhook(request: web.Request) -> web.StreamResponse:
    """Subscribe."""
    cloud, new = request.app[CLOUD], await read_body(request, _new)
    try:
        Allowed(cloud.config.handing.allow).check_url(new.url)
        secret = _secret(new.secret)
        is_new = await cloud.books.db.write(lambda tx: subscriptions.create(tx, new, secret=secret))
    except RuleError as err:
        raise AnswerError(STATUS[err.code], err.code, err.detail, pointer=err.pointer) from err
    cloud.news.tell()
    shown = {"secret": secret} if is_new and not new.secret else {}
    return answer(_item(request, new.name) | shown, status=201 if is_new else 200)


async def delete_webhook(request: web.Request) -> web.StreamResponse:
    """Forget it, with its place and its dead letters."""
    name = request.match_info["name"]
    if not await request.app[CLOUD].books.db.write(lambda tx: subscriptions.remove(tx, name)):
        raise _unknown(name)
    return web.Response(status=204)


async def post_state(request: web.Request) -> web.StreamResponse:
    """Let it rest, or go on where it stood."""
    cloud, name = request.app[CLOUD], request.match_info["name"]
    state = (await read_body(request, _state)).state
    if not await cloud.books.db.write(lambda tx: subscriptions.switch(tx, name, state)):
        raise _unknown(name)
    cloud.news.tell()
    return answer(_item(request, name))


async def post_url(request: web.Request) -> web.StreamResponse:
    """Tell another address from now on."""
    cloud, name = request.app[CLOUD], request.match_info["name"]
    url = (await read_body(request, _url)).url
    try:
        Allowed(cloud.config.handing.allow).check_url(url)
    except RuleError as err:
        raise AnswerError(STATUS[err.code], err.code, err.detail, pointer=err.pointer) from err
    if not await cloud.books.db.write(lambda tx: subscriptions.move(tx, name, url)):
        raise _unknown(name)
    cloud.news.tell()
    return answer(_item(request, name))


async def post_rotate(request: web.Request) -> web.StreamResponse:
    """Sign with a new secret, for a day with the former one as well."""
    books, name = request.app[CLOUD].books, request.match_info["name"]
    given = (await read_body(request, _rotate)).secret
    try:
        secret, now_ms = _secret(given), books.now_ms()
    except RuleError as err:
        raise AnswerError(422, err.code, err.detail, pointer=err.pointer) from err
    if not await books.db.write(lambda tx: subscriptions.rotate(tx, name, secret, now_ms=now_ms)):
        raise _unknown(name)
    return answer(_item(request, name) | ({} if given else {"secret": secret}))


async def get_dead(request: web.Request) -> web.StreamResponse:
    """What was given up, oldest first."""
    name = request.match_info["name"]
    _item(request, name)
    items = [
        {
            "message_id": each.message_id,
            "stream": each.stream,
            "n": each.n,
            "kind": each.kind,
            "attempts": each.attempts,
            "why": each.why,
            "dead_at": _utc(each.dead_ms),
            "retrying": bool(each.is_due),
        }
        for each in dead_letters.letters(request.app[CLOUD].books.db.read, name)
    ]
    return answer({"items": items})


async def post_retry(request: web.Request) -> web.StreamResponse:
    """Tell letters again."""
    cloud, name = request.app[CLOUD], request.match_info["name"]
    ids = (await read_body(request, _letters)).ids
    _item(request, name)
    count = await cloud.books.db.write(lambda tx: dead_letters.retry(tx, name, ids))
    cloud.news.tell()
    return answer({"letters": count})


async def post_drop(request: web.Request) -> web.StreamResponse:
    """Forget letters."""
    name = request.match_info["name"]
    ids = (await read_body(request, _letters)).ids
    _item(request, name)
    count = await request.app[CLOUD].books.db.write(lambda tx: dead_letters.drop(tx, name, ids))
    return answer({"letters": count})


def _item(request: web.Request, name: str) -> dict[str, Any]:
    """Return a subscription without its secrets. Any: JSON."""
    books = request.app[CLOUD].books
    found = subscriptions.find(books.db.read, name)
    if found is None:
        raise _unknown(name)
    return _view(found, dead_letters.count(books.db.read, name), now_ms=books.now_ms())


def _view(of: Subscription, dead: int, *, now_ms: int) -> dict[str, Any]:
    return {
        "name": of.name,
        "url": of.url,
        "streams": of.streams,
        "kinds": of.kinds,
        "state": of.state,
        "why": of.why,
        "after": of.cursors,
        "attempts": of.attempts,
        "attempts_max": of.attempts_max,
        "next_attempt": _utc(of.next_ms) if of.next_ms > now_ms else None,
        "former_secret_until": _utc(of.former_until_ms) if of.former_until_ms > now_ms else None,
        "dead": dead,
    }


def _secret(given: str) -> str:
    """Return the secret to sign with: a good one that was given, else a new one; raise RuleError."""
    if given:
        key_of(given)
    return given or secret_of(secrets.token_bytes(SECRET_BYTES))


def _unknown(name: str) -> AnswerError:
    return AnswerError(404, "webhook", f"no webhook {name[:80]!r}")


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
