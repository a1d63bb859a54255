"""A one-time code becomes a token, a token another one.

POST /v1/pair              whoever has a code
POST /v1/pair/rotate       whoever has a token
POST /v1/pairing-codes     a manager: a code for one more till, with the link and QR that take a tablet there. Not repeated by an
                           id: asked twice there are two codes, and what nobody spends is worth nothing within the hour

Not here: who holds which token while the hub runs (hub.tokens), wrong codes (hub.store.staff.guesses).
"""

from hashlib import blake2b
from sqlite3 import Connection
from typing import Annotated, get_args

from msgspec import Meta, Struct

from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.errors import RefusedError, WaitError
from hub.mosquitto import SALT_BYTES, password_hash
from hub.pairing_link import page_url, pairing_link, spelled
from hub.receipt_page import qr_png
from hub.runtime import Runtime
from hub.store.staff import guesses, tills
from hub.store.staff.tills import CODE_LIFE_S, Paired, Scope

TOKEN_BYTES = 32
CODE_CHARS = 8
ALL: frozenset[Scope] = frozenset(get_args(Scope))
MANAGER: frozenset[Scope] = frozenset({"manager"})
_READABLE = str.maketrans({"0": "X", "1": "Y", "I": "Z", "O": "W", "-": "K", "_": "M"})


class PairRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`code` as the hub showed it; `name` is what people call this till."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class PairAnswer(Struct, frozen=True):
    """The token is shown once; the hub keeps only its hash."""

    token: str
    till_id: str
    scope: Scope


class CodeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say: a code for a till. Managers are paired at the hub itself (`storehub pair --scope manager`)."""


class CodeAnswer(Struct, frozen=True):
    """A one-time code, good for `expires_s`. `ca_sha256` is "" where the hub serves its own machine only."""

    code: str
    scope: Scope
    expires_s: int
    url: str
    ca_sha256: str
    link: str
    qr_png: str


async def make_code(hub: Runtime, scope: Scope) -> CodeAnswer:
    """Make a code and say where it is spent."""
    code = hub.new_secret(CODE_CHARS).upper().translate(_READABLE)[:CODE_CHARS]
    now_ms = hub.now_ms()
    await hub.db.write(lambda tx: tills.add_code(tx, code, scope, now_ms=now_ms))
    link = pairing_link(hub, code)
    return CodeAnswer(code, scope, CODE_LIFE_S, page_url(hub), spelled(hub.ca_fingerprint()), link, qr_png(link))


async def post_pairing_code(call: Call) -> Reply:
    """POST /v1/pairing-codes"""
    return Reply(await make_code(call.hub, "till"), 201)


async def post_pair(call: Call) -> Reply:
    """POST /v1/pair"""
    hub, request, now_ms = call.hub, call.body, call.hub.now_ms()
    token, code = hub.new_secret(TOKEN_BYTES), request.code.strip().upper()
    mqtt_hash, is_beside = _mqtt_hash(hub, token), hub.config.follows is not None

    def job(tx: Connection) -> Paired | None:
        who = guesses.stranger(tx, call.remote, now_ms=now_ms)
        if wait_s := guesses.left_s(tx, who, guesses.ADDRESS, now_ms=now_ms):
            raise WaitError("too_many_guesses", f"after wrong codes: {wait_s} s", wait_s=wait_s)
        paired = tills.pair(
            tx, code, request.name, token=token, now_ms=now_ms, mqtt_hash=mqtt_hash, is_beside=is_beside
        )
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
    mqtt_hash = _mqtt_hash(hub, token)
    await hub.db.write(
        lambda tx: tills.offer_token(tx, client.till_id, token=token, mqtt_hash=mqtt_hash),
        then=lambda _: hub.tokens.offer(token, client),
    )
    return Reply(PairAnswer(token, client.till_id, client.scope), 201)


def _mqtt_hash(hub: Runtime, token: str) -> str:
    salt = blake2b(hub.new_secret(SALT_BYTES).encode(), digest_size=SALT_BYTES).digest()
    return password_hash(token, salt=salt)


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
    Route(
        "POST",
        "/v1/pairing-codes",
        post_pairing_code,
        "Make a code for one more till, with its link and QR",
        MANAGER,
        CodeAnswer,
        body=CodeRequest,
        status=201,
        problems=(422, 503),
    ),
)
