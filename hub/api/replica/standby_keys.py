"""What the two hubs of a store tell each other and nobody else. A token of scope `standby` only.

POST /sync/v1/pin-keys    the other hub tells its PIN keys and is told ours
GET  /sync/v1/store-ca    the store's CA with its key; beyond this machine there is no way here but by TLS (hub.api.lan)
"""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.routing import Call, Reply, Route
from hub.errors import NotFoundError
from hub.store.staff.pin_keys import add_keys, all_keys
from hub.store.staff.tills import Scope

STANDBY: frozenset[Scope] = frozenset({"standby"})
KEYS_MAX = 100  # a store has one, or one for each hub that was ever set up alone


class KeyTold(Struct, frozen=True, forbid_unknown_fields=True):
    """A key and when it was made."""

    secret: Annotated[str, Meta(min_length=32, max_length=200, pattern=r"^[A-Za-z0-9_-]+\Z")]
    made_ms: Annotated[int, Meta(ge=0, le=2**53)]


class KeysTold(Struct, frozen=True, forbid_unknown_fields=True):
    """All keys that one side holds."""

    keys: Annotated[list[KeyTold], Meta(max_length=KEYS_MAX)]


async def post_pin_keys(call: Call) -> Reply:
    """POST /sync/v1/pin-keys"""
    hub, told = call.hub, [(key.secret, key.made_ms) for key in call.body.keys]
    await hub.db.write(lambda tx: add_keys(tx, told))
    return Reply(KeysTold([KeyTold(*key) for key in all_keys(hub.db.read)]))


class StoreAuthority(Struct, frozen=True):
    """Private key and certificate, PEM."""

    pem: str

    def __repr__(self) -> str:
        return "StoreAuthority(…)"


async def get_store_authority(call: Call) -> Reply:
    """GET /sync/v1/store-ca"""
    tls = call.hub.tls
    if tls is None or tls.authority is None:
        raise NotFoundError("no_authority", "there is none here")
    return Reply(StoreAuthority(await asyncio.to_thread(tls.authority_with_key)))


ROUTES = (
    Route(
        "GET",
        "/sync/v1/store-ca",
        get_store_authority,
        "Between the two hubs of a store: the CA that its tablets trust, with the key",
        STANDBY,
        StoreAuthority,
        problems=(404, 503),
    ),
    Route(
        "POST",
        "/sync/v1/pin-keys",
        post_pin_keys,
        "Between the two hubs of a store: the keys by which PINs are hashed",
        STANDBY,
        KeysTold,
        body=KeysTold,
        problems=(403, 422, 503),
    ),
)
