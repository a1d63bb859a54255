"""What head office writes of prices: POST /cloud/v1/pricing (office): price lists, their prices, promotions; all or none."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiohttp.web_routedef import RouteDef
from msgspec import Meta, Struct

from sync.cloud.pricing import Row, put_pricing
from sync.cloud.scopes.scope_work import share_prices
from sync.cloud.web.http import CLOUD, AnswerError, answer, office, read_body
from sync.errors import RuleError
from sync.retail.catalogue.catalogue import Problem
from sync.retail.catalogue.price_lists import (
    ListPriceRow,
    PriceListRow,
    PromotionRow,
    check_price_list,
    check_promotion,
)
from sync.retail.names import NameIn

BATCH_MAX = 1000  # rows of one request


class ListIn(PriceListRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price list; `gone` ends it."""

    name: NameIn


class ListPriceIn(ListPriceRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SKU's price in a list; `gone` takes it out."""


class PromotionIn(PromotionRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A promotion; `gone` ends it."""

    name: NameIn


class PricingRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to stand. `n` is given by the cloud."""

    lists: Annotated[list[ListIn], Meta(max_length=BATCH_MAX)] = []
    prices: Annotated[list[ListPriceIn], Meta(max_length=BATCH_MAX)] = []
    promotions: Annotated[list[PromotionIn], Meta(max_length=BATCH_MAX)] = []


_request = msgspec.json.Decoder(PricingRequest)


async def post_pricing(request: web.Request) -> web.StreamResponse:
    """Write it, then bring each store's scope to it, a job a store; what a stop leaves undone is done at the next start."""
    asked, cloud = await read_body(request, _request), request.app[CLOUD]
    for index, each in enumerate(asked.lists):
        _refuse(check_price_list(each), f"/lists/{index}")
    for index, promotion in enumerate(asked.promotions):
        _refuse(check_promotion(promotion), f"/promotions/{index}")
    rows: list[Row] = [
        *(PriceListRow(**_fields(each)) for each in asked.lists),
        *(ListPriceRow(**_fields(each)) for each in asked.prices),
        *(PromotionRow(**_fields(each)) for each in asked.promotions),
    ]
    books, now_ms = cloud.books, cloud.books.now_ms()
    try:
        written = await books.db.write(lambda tx: put_pricing(tx, rows, now_ms=now_ms))
    except RuleError as err:
        raise AnswerError(409, err.code, err.detail) from err
    await share_prices(books, cloud.config)
    return answer({"written": written, "unchanged": len(rows) - written})


def pricing_routes() -> list[RouteDef]:
    """Return the routes."""
    return [web.post("/cloud/v1/pricing", office(post_pricing))]


def _fields(row: Struct) -> dict[str, Any]:  # Any: of the row's own types
    said = {name: getattr(row, name) for name in row.__struct_fields__ if name != "n"}
    return said | {"name": said["name"].plain} if "name" in said else said


def _refuse(problems: Iterable[Problem], above: str) -> None:
    for problem in problems:
        raise AnswerError(422, "pricing_refused", problem.detail, pointer=f"{above}{problem.field}")
