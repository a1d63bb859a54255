"""What head office does about members: the chain's key for identities, and tiers.

POST /cloud/v1/identity-keys             one more key: the stores write under it, the former ones still find   (office)
POST /cloud/v1/members/{member_id}/tier  give a member a tier                                                  (office)

A key is never told here, nor its secret: it goes to the stores that share members, in the stream `identity_keys`.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.loyalty.member_tier import set_tier
from sync.cloud.scopes.scope_work import rotate_key, stores_with_members
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body
from sync.errors import RuleError


class KeyAnswer(Struct, frozen=True):
    """The new key's name and to whom it goes."""

    key_id: str
    begun_at: datetime
    stores: list[str]


class TierRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A tier, as the coupons and the shops' screens call it; empty: none."""

    tier: Annotated[str, Meta(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class TierAnswer(Struct, frozen=True):
    """What the member has now."""

    member_id: str
    tier: str


_tier_request = msgspec.json.Decoder(TierRequest)


async def post_key(request: web.Request) -> web.StreamResponse:
    """Rotate. Asked twice it rotates twice, which harms nothing: 64 keys are looked through."""
    cloud = request.app[CLOUD]
    key = await rotate_key(cloud.config, cloud.books)
    return answer(KeyAnswer(key.key_id, key.begun_at, stores_with_members(cloud.config)), status=201)


async def post_tier(request: web.Request) -> web.StreamResponse:
    """Give a tier; the same again is the same."""
    wanted, member_id, books = (
        await read_body(request, _tier_request),
        request.match_info["member_id"],
        request.app[CLOUD].books,
    )
    now_ms = books.now_ms()
    try:
        is_news = await books.db.write(lambda tx: set_tier(tx, books.replica, member_id, wanted.tier, now_ms=now_ms))
    except RuleError as err:
        raise AnswerError(503, "not_ready", "the cloud's clock was never set") from err
    if is_news is None:
        raise AnswerError(404, "member", f"no member {member_id[:64]!r}")
    if is_news:
        books.on_grown()
    return answer(TierAnswer(member_id, wanted.tier), status=201 if is_news else 200)


def member_routes() -> list[RouteDef]:
    """Return the routes."""
    return [
        web.post("/cloud/v1/identity-keys", office(post_key)),
        web.post("/cloud/v1/members/{member_id}/tier", office(post_tier)),
    ]
