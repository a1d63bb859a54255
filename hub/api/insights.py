"""Insights: what the shop's figures say."""

import datetime

from msgspec import Struct

from hub.api.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.errors import RefusedError
from hub.insights.footfall import FootfallDay, footfall_of_day
from hub.store.model import utc
from sync.retail.selling.days import business_date

YEARS = range(2000, 2100)  # a date beyond is a typing mistake, and calendars end


class FootfallQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`date` is a business date; without it, today's."""

    date: datetime.date | None = None


async def get_footfall(call: Call) -> Reply:
    """GET /v1/insights/footfall"""
    hub, day = call.hub, call.query.date
    if day is None:
        shop = hub.shop
        day = datetime.date.fromisoformat(business_date(utc(hub.now_ms()), shop.zone, cut_over_hour=shop.cut_over_hour))
    if day.year not in YEARS:
        raise RefusedError("invalid_field", f"no business date: {day}", pointer="/date")
    return Reply(footfall_of_day(hub.db.read, hub.shop, day))


ROUTES = (
    Route(
        "GET",
        "/v1/insights/footfall",
        get_footfall,
        "Visitors of a business day, by entrance and hour",
        STAFF,
        FootfallDay,
        query=FootfallQuery,
        problems=(422,),
    ),
)
