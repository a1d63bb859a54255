"""POST /sync/v1/pin-keys: the store's other hub tells its PIN keys and is told ours. A token of scope `standby` only."""

from typing import Annotated

from msgspec import Meta, Struct

from hub.api.routing import Call, Reply, Route
from hub.store.pin_keys import add_keys, all_keys
from hub.store.tills import Scope

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


ROUTES = (
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
