"""Lives of the stores' hubs, as head office sees and ends them.

GET  /cloud/v1/lives?store=   every life of a store: how far it is held, whether it was given up or sealed
POST /cloud/v1/seals          give up a life whose machine is gone for good: nothing more of it is taken
"""

from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.batch import Rep
from sync.cloud.arrivals.lives import lives_of
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body, read_query


class SealRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The life to seal, who takes over what is left of its rights, and why; for the record."""

    rep: Rep
    why: Annotated[str, Meta(min_length=1, max_length=200)]
    heir: Rep | None = None


class LivesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which store."""

    store: Annotated[str, Meta(min_length=1, max_length=64)]


_seal_request = msgspec.json.Decoder(SealRequest)


async def get_lives(request: web.Request) -> web.StreamResponse:
    """Every life of a store that ever sent something."""
    query = read_query(request, LivesQuery)
    return answer({"items": lives_of(request.app[CLOUD].books.db.read, query.store)})


async def post_seal(request: web.Request) -> web.StreamResponse:
    """Seal a life as far as it is held. A machine that still writes as it begins a new life when it calls."""
    asked, books = await read_body(request, _seal_request), request.app[CLOUD].books
    store = asked.rep.rpartition(":")[0]
    if asked.rep not in [each.rep for each in lives_of(books.db.read, store)]:
        raise AnswerError(404, "life", f"no life {asked.rep!r} has ever sent anything", pointer="/rep")
    if asked.heir is not None and asked.heir.rpartition(":")[0] != store:
        raise AnswerError(422, "heir", f"{asked.heir} is no life of {store}", pointer="/heir")
    await books.end_life(asked.rep, heir=asked.heir or "", why=asked.why, wanted=None)
    return answer(next(each for each in lives_of(books.db.read, store) if each.rep == asked.rep))


def life_routes() -> list[RouteDef]:
    """Return the routes."""
    return [web.get("/cloud/v1/lives", office(get_lives)), web.post("/cloud/v1/seals", office(post_seal))]
