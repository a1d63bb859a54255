"""A store asks what another one has sold.

GET /cloud/v1/receipts/{name}   a receipt's number or a sale's id   (any store's own token, or head office's)
"""

from aiohttp import web
from aiohttp.web_routedef import RouteDef

from sync.cloud.receipts import sold_as
from sync.cloud.web.http import CLOUD, AnswerError, answer, holder_of
from sync.retail.selling.claims import SoldList

NAME_CHARS_MAX = 64  # of a receipt's number or an id; a longer one is neither


async def get_receipt(request: web.Request) -> web.StreamResponse:
    """Sales of a receipt, of whatever store."""
    if holder_of(request) is None:
        raise AnswerError(401, "unauthorized")
    name = request.match_info["name"]
    found = sold_as(request.app[CLOUD].books.db.read, name) if len(name) <= NAME_CHARS_MAX else []
    return answer(SoldList(tuple(found)))


def receipt_routes() -> list[RouteDef]:
    """Return the route."""
    return [web.get("/cloud/v1/receipts/{name}", get_receipt)]
