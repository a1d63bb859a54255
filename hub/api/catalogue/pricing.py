"""Prices that the shop itself writes: its manager's own, and, without a cloud, price lists and promotions."""

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.errors import ConflictError, RefusedError
from hub.store.catalogue import pricing
from hub.store.catalogue.pricing import Pricing
from sync.retail.catalogue.catalogue import Problem
from sync.retail.catalogue.price_lists import (
    Day,
    ListPriceRow,
    Per,
    PriceAmount,
    PriceListRow,
    PromotionRow,
    StorePriceRow,
    check_price_list,
    check_promotion,
    check_window,
)
from sync.retail.names import NameIn
from sync.retail.selling.sales import Sku

ROWS_MAX = 1000


class ListIn(PriceListRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price list; `gone` ends it."""

    name: NameIn


class ListPriceIn(ListPriceRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SKU's price in a list; `gone` takes it out."""


class PromotionIn(PromotionRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A promotion; `gone` ends it."""

    name: NameIn


class PricingRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to stand, all of it or none. `n` is given by the hub."""

    lists: Annotated[list[ListIn], Meta(max_length=ROWS_MAX)] = []
    prices: Annotated[list[ListPriceIn], Meta(max_length=ROWS_MAX)] = []
    promotions: Annotated[list[PromotionIn], Meta(max_length=ROWS_MAX)] = []


class PricingAnswer(Struct, frozen=True):
    """How many rows said something new."""

    written: int
    unchanged: int


class StorePriceRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A SKU's price in this shop, and why."""

    sku: Sku
    amount: PriceAmount
    per: Per = 1
    valid_from: Day = ""
    valid_until: Day = ""
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class StorePriceList(Struct, frozen=True):
    """The shop's own prices, by SKU."""

    items: list[StorePriceRow]


async def get_pricing(call: Call) -> Reply:
    """GET /v1/pricing"""
    return Reply(pricing.pricing(call.hub.db.read))


async def post_pricing(call: Call) -> Reply:
    """POST /v1/pricing"""
    hub, request = call.hub, call.body
    if hub.config.cloud is not None:
        raise ConflictError("joined", "this store is joined to a cloud, which keeps price lists and promotions")
    for index, each in enumerate(request.lists):
        _refuse(check_price_list(each), f"/lists/{index}")
    for index, each in enumerate(request.promotions):
        _refuse(check_promotion(each), f"/promotions/{index}")
    rows: list[pricing.PricingRow] = [
        *(PriceListRow(**_fields(each)) for each in request.lists),
        *(ListPriceRow(**_fields(each)) for each in request.prices),
        *(PromotionRow(**_fields(each)) for each in request.promotions),
    ]
    written = await hub.db.write(lambda tx: pricing.put_rows(tx, hub.replica, rows))
    return Reply(PricingAnswer(written, len(rows) - written))


async def list_store_prices(call: Call) -> Reply:
    """GET /v1/store-prices"""
    return Reply(StorePriceList(pricing.store_prices(call.hub.db.read, call.hub.shop)))


async def post_store_price(call: Call) -> Reply:
    """POST /v1/store-prices"""
    hub, request = call.hub, call.body
    said = {name: getattr(request, name) for name in request.__struct_fields__}
    row = StorePriceRow(store=hub.shop.store_id, set_by=call.client.till_id, **said)
    _refuse(check_window(row), "")
    if not pricing.goods_of(hub.db.read, hub.shop, [row.sku], pricing.at_moment(hub.shop, hub.now, is_sure=True)):
        raise RefusedError("unknown_sku", f"no product {row.sku}", pointer="/sku")
    await hub.db.write(lambda tx: pricing.put_rows(tx, hub.replica, [row]))
    standing = {each.sku: each for each in pricing.store_prices(hub.db.read, hub.shop)}
    return Reply(standing[row.sku])


async def delete_store_price(call: Call) -> Reply:
    """DELETE /v1/store-prices/{sku}"""
    hub, sku = call.hub, call.path["sku"]
    return Reply(await hub.db.write(lambda tx: pricing.drop_store_price(tx, hub.replica, hub.shop, sku)))


def _fields(row: Struct) -> dict[str, Any]:  # Any: of the row's own types
    said = {name: getattr(row, name) for name in row.__struct_fields__ if name != "n"}
    return said | {"name": said["name"].plain} if "name" in said else said


def _refuse(problems: Iterable[Problem], above: str) -> None:
    for problem in problems:
        raise RefusedError("pricing", problem.detail, pointer=f"{above}{problem.field}")


ROUTES = (
    Route("GET", "/v1/pricing", get_pricing, "Price lists and promotions that stand", STAFF, Pricing),
    Route(
        "POST",
        "/v1/pricing",
        post_pricing,
        "Write price lists and promotions of a shop without a cloud",
        MANAGER,
        PricingAnswer,
        body=PricingRequest,
        problems=(403, 409, 422, 503),
    ),
    Route("GET", "/v1/store-prices", list_store_prices, "The shop's own prices", STAFF, StorePriceList),
    Route(
        "POST",
        "/v1/store-prices",
        post_store_price,
        "Set the shop's own price of a SKU",
        MANAGER,
        StorePriceRow,
        body=StorePriceRequest,
        problems=(403, 422, 503),
    ),
    Route(
        "DELETE",
        "/v1/store-prices/{sku}",
        delete_store_price,
        "Take the shop's own price of a SKU back",
        MANAGER,
        StorePriceRow,
        problems=(403, 404, 503),
    ),
)
