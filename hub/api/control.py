"""The control socket: what commands of this machine ask of a running hub. Only the hub's own user can open it."""

from typing import Annotated

from msgspec import Meta, Struct

from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.store import products, tills
from hub.store.model import Entry
from hub.store.products import Put
from hub.store.tills import CODE_LIFE_S, Scope

BODY_MAX = 4 * 1024 * 1024  # 500 products of the largest kind
BATCH_MAX = 500  # products in one write job: a sale never waits for more
CODE_CHARS = 8


class CodeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Make a pairing code of this scope."""

    scope: Scope = "till"


class CodeAnswer(Struct, frozen=True):
    """A one-time code, good for `expires_s`."""

    code: str
    scope: Scope
    expires_s: int


class PutRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Products to write in one job."""

    entries: Annotated[list[Entry], Meta(max_length=BATCH_MAX)]


async def post_code(call: Call) -> Reply:
    """POST /control/codes"""
    hub, scope = call.hub, call.body.scope
    code = hub.new_secret(CODE_CHARS).upper().translate(_READABLE)[:CODE_CHARS]
    now_ms = hub.now_ms()
    await hub.db.write(lambda tx: tills.add_code(tx, code, scope, now_ms=now_ms))
    return Reply(CodeAnswer(code, scope, CODE_LIFE_S), 201)


async def post_products(call: Call) -> Reply:
    """POST /control/products"""
    hub, entries = call.hub, call.body.entries
    now_ms = hub.now_ms()
    put = await hub.db.write(
        lambda tx: products.put_products(tx, hub.replica, entries, location=hub.shop.location, now_ms=now_ms)
    )
    return Reply(put)


_READABLE = str.maketrans({"0": "X", "1": "Y", "I": "Z", "O": "W", "-": "K", "_": "M"})
ROUTES = (
    Route("POST", "/control/codes", post_code, "Make a pairing code", PUBLIC, CodeAnswer, body=CodeRequest, status=201),
    Route("POST", "/control/products", post_products, "Write products", PUBLIC, Put, body=PutRequest),
)
