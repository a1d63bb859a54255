"""Letting stores in and shutting them out, while the cloud runs.

POST /cloud/v1/enrolments {store, minutes?}            a one-time code for a store's hub                        (office)
GET  /cloud/v1/enrolments                              which stores have a code that is good                    (office)
GET  /cloud/v1/stores/{store}/tokens                   every token of a store, by its id                        (office)
POST /cloud/v1/stores/{store}/revoke {why, token?}     end one token, or all: who uses it is cut at once        (office)
POST /sync/v1/enrol {code, store, token, name?, csr?}  spend a code: the token that the hub drew is its own     (open)
POST /sync/v1/renew {token?, csr?}                     another token, another certificate                       (store)

A hub draws its token itself and keeps it before it asks: the same request again has the same answer, so that a lost answer
harms nothing. Not here: SQL (sync.cloud.collect), what a certificate says (sync.cloud.collect.authority).
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from functools import partial
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.collect.admission import certificate_fault
from sync.cloud.collect.codes import CodeError, add_code, draw_code, open_codes, spend_code
from sync.cloud.collect.guesses import Guesses
from sync.cloud.collect.tokens import add_token, is_known, token_id, tokens_of
from sync.cloud.config import Holder, token_hash
from sync.cloud.web.http import CLOUD, AnswerError, Cloud, answer, holder_of, office, read_body, token_of

MINUTES, MINUTES_MAX = 60, 7 * 24 * 60
CSR_CHARS_MAX = 8192
GUESSES = web.AppKey("guesses", Guesses)
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{32,200}\Z")]
Csr = Annotated[str, Meta(max_length=CSR_CHARS_MAX)]
StoreId = Annotated[str, Meta(min_length=1, max_length=40)]

log = logging.getLogger(__name__)


class CodeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """For which store, and for how long the code is good."""

    store: StoreId
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_MAX)] = MINUTES


class RevokeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which token, by its id; without one all of the store. `why` is for the record."""

    why: Annotated[str, Meta(min_length=1, max_length=200)]
    token: str | None = None


class EnrolRequest(Struct, frozen=True):
    """What a hub says of itself: unknown fields of a later one are no reason to turn it away."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    store: StoreId
    token: Token
    name: Annotated[str, Meta(max_length=64)] = ""
    csr: Csr = ""


class RenewRequest(Struct, frozen=True):
    """What is to be exchanged."""

    token: Token | None = None
    csr: Csr = ""


class Joined(Struct, frozen=True):
    """A hub that is let in: who it is here, and its certificate where this cloud signs some."""

    store: str
    cloud: str
    certificate: str | None = None


_code_request = msgspec.json.Decoder(CodeRequest)
_revoke_request = msgspec.json.Decoder(RevokeRequest)
_enrol_request = msgspec.json.Decoder(EnrolRequest)
_renew_request = msgspec.json.Decoder(RenewRequest)


async def post_code(request: web.Request) -> web.StreamResponse:
    """Make a code; the one that was open for the store is worth nothing any more."""
    asked, cloud = await read_body(request, _code_request), request.app[CLOUD]
    _check_store(cloud, asked.store)
    code, now_ms = draw_code(secrets.randbelow), cloud.books.now_ms()
    ends_ms = now_ms + asked.minutes * 60_000
    await cloud.books.db.write(lambda tx: add_code(tx, asked.store, code, now_ms=now_ms, ends_ms=ends_ms))
    log.info("a store may be enrolled", extra={"store": asked.store, "minutes": asked.minutes})
    return answer({"store": asked.store, "code": code, "ends_ms": ends_ms}, status=201)


async def get_codes(request: web.Request) -> web.StreamResponse:
    """Stores whose code is good now; the codes are known to whom they were shown."""
    books = request.app[CLOUD].books
    return answer({"items": open_codes(books.db.read, now_ms=books.now_ms())})


async def get_tokens(request: web.Request) -> web.StreamResponse:
    """Every token of a store, also those that ended."""
    cloud, store = request.app[CLOUD], request.match_info["store"]
    _check_store(cloud, store)
    return answer({"items": list(tokens_of(cloud.books.db.read, cloud.config, store).values())})


async def post_revoke(request: web.Request) -> web.StreamResponse:
    """End tokens; the same again changes nothing."""
    cloud, store = request.app[CLOUD], request.match_info["store"]
    asked = await read_body(request, _revoke_request)
    _check_store(cloud, store)
    known = tokens_of(cloud.books.db.read, cloud.config, store)
    wanted = [each for each, view in known.items() if asked.token in (None, view.id) and view.revoked_ms is None]
    if asked.token is not None and asked.token not in {view.id for view in known.values()}:
        raise AnswerError(404, "token", f"{store} has no token {asked.token[:40]!r}", pointer="/token")
    if wanted:
        await cloud.admission.revoke(store, wanted, why=asked.why)
    return answer({"revoked": [token_id(each) for each in wanted]})


async def post_enrol(request: web.Request) -> web.StreamResponse:
    """Let a hub in that knows a code."""
    cloud, guesses = request.app[CLOUD], request.app[GUESSES]
    now_s, address = asyncio.get_running_loop().time(), request.remote or ""
    wait_s = guesses.wait_s(address, now_s)
    if wait_s:
        raise AnswerError(429, "too_many_guesses", f"{wait_s:.0f} s to wait")
    asked = await read_body(request, _enrol_request)
    sign = _signing(cloud, asked.csr)
    now_ms, hashed = cloud.books.now_ms(), token_hash(asked.token)
    if asked.store not in cloud.config.stores or hashed in cloud.config.holders:
        guesses.was_wrong(address, now_s)
        raise AnswerError(403, "wrong_code", "no such code is open")
    try:
        await cloud.books.db.write(
            lambda tx: spend_code(
                tx, asked.code, store=asked.store, token_hash=hashed, name=asked.name or "hub", now_ms=now_ms
            )
        )
    except CodeError as err:
        guesses.was_wrong(address, now_s)
        raise AnswerError(403, err.code, err.detail) from err
    guesses.was_right(address)
    log.info("a store's hub was enrolled", extra={"store": asked.store, "token": token_id(hashed), "from": address})
    return answer(Joined(asked.store, cloud.config.cloud_id, sign(asked.store)), status=201)


async def post_renew(request: web.Request) -> web.StreamResponse:
    """Give out another token and another certificate; the present token is good until the new one is used."""
    cloud = request.app[CLOUD]
    asked = await read_body(request, _renew_request)
    holder, present = store_of(request)
    sign = _signing(cloud, asked.csr)
    if asked.token is not None:
        now_ms, hashed = cloud.books.now_ms(), token_hash(asked.token)
        mine = tokens_of(cloud.books.db.read, cloud.config, holder.name)
        is_mine = hashed in mine and mine[hashed].revoked_ms is None
        if not is_mine and (hashed in cloud.config.holders or is_known(cloud.books.db.read, hashed)):
            raise AnswerError(409, "token_known", "this token was given out before", pointer="/token")
        add = partial(
            add_token, token_hash=hashed, store=holder.name, name="exchanged", replaces=present, now_ms=now_ms
        )
        await cloud.books.db.write(add)
    return answer(Joined(holder.name, cloud.config.cloud_id, sign(holder.name)))


def store_of(request: web.Request) -> tuple[Holder, bytes]:
    """Return the store that asks and the hash of its token; raise AnswerError where token or certificate are not its own."""
    holder, token, config = holder_of(request), token_of(request), request.app[CLOUD].config
    if holder is None or token is None:
        raise AnswerError(401, "unauthorized")
    if holder.scope != "store":
        raise AnswerError(403, "forbidden", f"needs a store's token, this one is of scope {holder.scope}")
    if config.tls is not None:
        shown = request.transport.get_extra_info("peercert") if request.transport is not None else None
        fault = certificate_fault(shown, holder.name, config.tls.client_certificates)
        if fault:
            log.error("a store does not show its own certificate", extra={"store": holder.name, "fault": fault})
            raise AnswerError(403, fault, f"the token is {holder.name}'s")
    return holder, token


def enrol_routes() -> list[RouteDef]:
    """Return the routes; the application holds Guesses under GUESSES."""
    return [
        web.post("/cloud/v1/enrolments", office(post_code)),
        web.get("/cloud/v1/enrolments", office(get_codes)),
        web.get("/cloud/v1/stores/{store}/tokens", office(get_tokens)),
        web.post("/cloud/v1/stores/{store}/revoke", office(post_revoke)),
        web.post("/sync/v1/enrol", post_enrol),
        web.post("/sync/v1/renew", post_renew),
    ]


def _check_store(cloud: Cloud, store: str) -> None:
    if store not in cloud.config.stores:
        known = ", ".join(cloud.config.stores) or "none"
        raise AnswerError(404, "store", f"no store {store!r}; known: {known[:400]}", pointer="/store")


def _signing(cloud: Cloud, csr: str) -> Callable[[str], str | None]:
    """Return what signs a request for a store; raise AnswerError for one that cannot be signed, before anything is spent."""
    if cloud.authority is None or not csr:
        return lambda _store: None
    from sync.cloud.collect import authority  # here: a cloud that signs nothing needs no `cryptography`

    try:
        checked = authority.check_request(csr)
    except authority.RequestError as err:
        raise AnswerError(422, err.code, err.detail, pointer="/csr") from err
    return partial(authority.sign, cloud.authority, checked, now_ms=cloud.books.now_ms())
