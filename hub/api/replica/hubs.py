"""Where the hubs of this store are, for tills; and what the two tell each other every few seconds.

GET  /v1/hubs                     staff: both hubs, the one to be at first
POST /sync/v1/beside              the other hub: cards, which hub is preferred, pairings, keys of receipt links
GET  /control/standby             this machine: what an operator wants to know before tills go over
PUT  /control/standby/preferred   this machine: which hub tills are to be at from now on

Not here: at which hub tills are to be (hub.standby.hubs), how pairings merge (hub.store.staff.pairings), asking
(hub.following.beside).
"""

from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.replica.standby_keys import STANDBY
from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.errors import RefusedError
from hub.runtime import Runtime
from hub.standby.hubs import HubList, StandbyReport
from hub.store.replica.beside import Card, Preference, preference
from hub.store.selling.receipt_links import KEYS_BESIDE_MAX, add_keys_beside, keys_beside
from hub.store.staff.audit_trail import MACHINE, note
from hub.store.staff.pairings import PAIRINGS_MAX, Pairing, TakenPairings, all_pairings, digest_of, take_pairings
from hub.store.staff.tills import good_tokens

ReceiptKey = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class BesideTold(Struct, frozen=True):
    """What one hub says to the other. `pairings` only where the digests of both tables differ.

    `sales` is its newest sale; `receipt_keys` those by which it reads links, its own first.
    """

    card: Card
    preferred: Preference
    sales: Annotated[int, Meta(ge=0, le=2**53)]
    pairings_digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    receipt_keys: Annotated[tuple[ReceiptKey, ...], Meta(max_length=KEYS_BESIDE_MAX + 1)] = ()
    pairings: Annotated[tuple[Pairing, ...], Meta(max_length=PAIRINGS_MAX)] | None = None


class PreferRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`here`: this hub; else the other one."""

    here: bool


async def get_hubs(call: Call) -> Reply:
    """GET /v1/hubs"""
    return Reply(call.hub.hubs.view())


async def post_beside(call: Call) -> Reply:
    """POST /sync/v1/beside"""
    hub, told = call.hub, call.body
    if told.card.rep.rpartition(":")[0] != hub.replica.store:
        raise RefusedError("not_this_store", f"{told.card.rep} is no life of {hub.replica.store}", pointer="/card/rep")
    await take_beside(hub, call.client.till_id, told)
    return Reply(tell_beside(hub, with_pairings=told.pairings is not None))


async def get_standby(call: Call) -> Reply:
    """GET /control/standby"""
    return Reply(call.hub.hubs.report())


async def put_preferred(call: Call) -> Reply:
    """PUT /control/standby/preferred"""
    hub = call.hub
    if not hub.hubs.others():
        raise RefusedError("no_other_hub", "no other hub of this store was ever heard of here")
    said, now_ms = await hub.hubs.prefer(here=call.body.here), hub.now_ms()
    await hub.db.write(
        lambda tx: note(tx, actor=MACHINE, action="hub_preferred", subject=said.role, reason="", now_ms=now_ms)
    )
    return Reply(hub.hubs.report())


def tell_beside(hub: Runtime, *, with_pairings: bool) -> BesideTold:
    """Return what this hub says."""
    read, pairings = hub.db.read, all_pairings(hub.db.read)
    return BesideTold(
        hub.hubs.card(),
        preference(read),
        hub.hubs.own_sales(),
        digest_of(pairings),
        tuple(key.hex() for key in (hub.receipt_key, *keys_beside(read))),
        pairings if with_pairings else None,
    )


async def take_beside(hub: Runtime, client: str, told: BesideTold) -> None:
    """Take what the other hub says; who is shut out there is cut off here at once."""
    await hub.hubs.hear(client, told.card, told.preferred, sales=told.sales)
    keys = [bytes.fromhex(key) for key in told.receipt_keys]
    if not {hub.receipt_key, *keys_beside(hub.db.read)} >= set(keys):
        await hub.db.write(lambda tx: add_keys_beside(tx, keys, own=hub.receipt_key))
    if told.pairings is None:
        return
    pairings = told.pairings

    def job(tx: Connection) -> TakenPairings:
        return take_pairings(tx, pairings)

    def admit(taken: TakenPairings) -> None:
        hub.hubs.clashes = taken.clashes
        for till_id in taken.changed:
            held, offered = good_tokens(hub.db.read, till_id)
            hub.tokens.renew(till_id, held, offered=offered)
            if not held:
                hub.bus.cut(till_id)

    await hub.db.write(job, then=admit)


ROUTES = (
    Route(
        "GET", "/v1/hubs", get_hubs, "The hubs of this store: where they are, and at which one to be", STAFF, HubList
    ),
    Route(
        "POST",
        "/sync/v1/beside",
        post_beside,
        "Between the two hubs of a store: where each is, pairings, keys of receipt links",
        STANDBY,
        BesideTold,
        body=BesideTold,
        problems=(403, 422, 503),
    ),
)
CONTROL = (
    Route("GET", "/control/standby", get_standby, "How the two hubs stand to each other", PUBLIC, StandbyReport),
    Route(
        "PUT",
        "/control/standby/preferred",
        put_preferred,
        "Say which hub tills are to be at",
        PUBLIC,
        StandbyReport,
        body=PreferRequest,
    ),
)
