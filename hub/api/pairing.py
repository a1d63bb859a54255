"""POST /v1/pair: a one-time code becomes a token. POST /v1/pair/rotate: a token becomes another one.

Not here: who holds which token while the hub runs (hub.tokens), wrong codes (hub.store.guesses).
"""

from sqlite3 import Connection
from typing import Annotated, get_args

from msgspec import Meta, Struct

from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.errors import RefusedError, WaitError
from hub.store import guesses, tills
from hub.store.tills import Paired, Scope

TOKEN_BYTES = 32
ALL: frozenset[Scope] = frozenset(get_args(Scope))


class PairRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`code` as the hub showed it; `name` is what people call this till."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class PairAnswer(Struct, frozen=True):
    """The token is shown once; the hub keeps only its hash."""

    token: str
    till_id: str
    scope: Scope


async def post_pair(call: Call) -> Reply:
    """POST /v1/pair"""
    hub, request, now_ms = call.hub, call.body, call.hub.now_ms()
    token, code = hub.new_secret(TOKEN_BYTES), request.code.strip().upper()

    def job(tx: Connection) -> Paired | None:
        who = guesses.stranger(tx, call.remote, now_ms=now_ms)
        if wait_s := guesses.left_s(tx, who, guesses.ADDRESS, now_ms=now_ms):
            raise WaitError("too_many_guesses", f"after wrong codes: {wait_s} s", wait_s=wait_s)
        paired = tills.pair(tx, code, request.name, token=token, now_ms=now_ms)
        if paired is None:
            guesses.count(tx, who, now_ms=now_ms)
        else:
            guesses.forget(tx, who)
        return paired

    paired = await hub.db.write(job, then=lambda paired: None if paired is None else hub.tokens.admit(token, paired))
    if paired is None:
        raise RefusedError("pairing_code", "the pairing code is unknown, used or expired", pointer="/code")
    return Reply(PairAnswer(token, paired.till_id, paired.scope), 201)


async def post_rotate(call: Call) -> Reply:
    """POST /v1/pair/rotate"""
    hub, client = call.hub, call.client
    token = hub.new_secret(TOKEN_BYTES)
    await hub.db.write(
        lambda tx: tills.offer_token(tx, client.till_id, token=token), then=lambda _: hub.tokens.offer(token, client)
    )
    return Reply(PairAnswer(token, client.till_id, client.scope), 201)


ROUTES = (
    Route(
        "POST",
        "/v1/pair",
        post_pair,
        "Spend a one-time code for a token",
        PUBLIC,
        PairAnswer,
        body=PairRequest,
        status=201,
        problems=(403, 422, 429, 503),
    ),
    Route(
        "POST",
        "/v1/pair/rotate",
        post_rotate,
        "Get another token; the present one is good until the new one is used once",
        ALL,
        PairAnswer,
        status=201,
        problems=(404, 503),
    ),
)
