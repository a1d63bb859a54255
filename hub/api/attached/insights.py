"""Insights: what the shop's figures say."""

import datetime

from msgspec import Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.errors import RefusedError
from hub.insights.dwells import DwellDay, dwell_of_day
from hub.insights.footfall import FootfallDay, footfall_of_day
from hub.insights.phones import PhonesDay, phones_of_day

YEARS = range(2000, 2100)  # a date beyond is a typing mistake, and calendars end


class DayQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`date` is a business date; without it, today's."""

    date: datetime.date | None = None


async def get_footfall(call: Call) -> Reply:
    """GET /v1/insights/footfall"""
    return Reply(footfall_of_day(call.hub.db.read, call.hub.shop, _day(call)))


async def get_dwells(call: Call) -> Reply:
    """GET /v1/insights/dwells"""
    return Reply(dwell_of_day(call.hub.db.read, call.hub.shop, _day(call)))


def _day(call: Call) -> datetime.date:
    day: datetime.date = call.query.date or datetime.date.fromisoformat(call.hub.today)
    if day.year not in YEARS:
        raise RefusedError("invalid_field", f"no business date: {day}", pointer="/date")
    return day


async def get_phones(call: Call) -> Reply:
    """GET /v1/insights/phones"""
    hub = call.hub
    return Reply(phones_of_day(hub.db.read, hub.shop, _day(call), now_ms=hub.now_ms()))


ROUTES = (
    Route(
        "GET",
        "/v1/insights/phones",
        get_phones,
        "Phones that Wi-Fi probes heard on a business day, by place and hour, with the coverage",
        STAFF,
        PhonesDay,
        query=DayQuery,
        problems=(422,),
    ),
    Route(
        "GET",
        "/v1/insights/footfall",
        get_footfall,
        "Visitors of a business day, by entrance and hour",
        STAFF,
        FootfallDay,
        query=DayQuery,
        problems=(422,),
    ),
    Route(
        "GET",
        "/v1/insights/dwells",
        get_dwells,
        "How long visitors stayed on a business day, by zone and hour",
        STAFF,
        DwellDay,
        query=DayQuery,
        problems=(422,),
    ),
)
