"""GET /v1/trail: who did what, for a manager; filtered, newest first, a page at a time."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.store.staff.audit_trail import TrailFilter, TrailPage, trail_page

PAGE_MAX = 200
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, Meta(tz=True)]


class TrailQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is given must hold: who, what, to what, from `since`, before `until`. `after` is `next` of the page before."""

    actor: Word | None = None
    action: Word | None = None
    subject: Word | None = None
    since: Moment | None = None
    until: Moment | None = None
    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50


async def get_trail(call: Call) -> Reply:
    """GET /v1/trail"""
    query = call.query
    wanted = TrailFilter(query.actor, query.action, query.subject, _ms(query.since), _ms(query.until))
    return Reply(trail_page(call.hub.db.read, wanted, after=query.after, limit=query.limit))


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


ROUTES = (
    Route(
        "GET",
        "/v1/trail",
        get_trail,
        "Who did what: the audit trail, newest first",
        MANAGER,
        TrailPage,
        query=TrailQuery,
        problems=(403, 422),
    ),
)
