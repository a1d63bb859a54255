"""GET /v1/attention: what waits for the manager, a page at a time: overdraws, promises at risk, rows set aside, baskets left."""

from typing import Annotated

from msgspec import Meta, Struct

from hub.api.clock import MANAGER
from hub.api.routing import Call, Reply, Route
from hub.store.attention import Read, Waiting, page, readers
from hub.store.baskets import left_baskets

PAGE_MAX = 200


class AttentionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is `next` of the page before."""

    after: Annotated[str, Meta(max_length=2000)] = ""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50


class AttentionPage(Struct, frozen=True):
    """Lines by kind; `next` is empty on the last page."""

    items: list[Waiting]
    next: str = ""


async def get_attention(call: Call) -> Reply:
    """GET /v1/attention"""
    hub, query = call.hub, call.query
    rights = hub.rights.attention(hub.replication.link.peer_rep)
    overdrawn = [
        (f"{debt.sku} {debt.location}", f"{debt.qty} more were sold than this shop has rights to")
        for debt in rights.debts
    ]
    at_risk = [(promise, "it may have to give way to goods that were sold") for promise in rights.at_risk]
    kinds = {"overdrawn": _of(overdrawn), "at_risk": _of(at_risk), **readers(hub.db.read)}
    today = hub.today
    kinds["left_basket"] = lambda after, limit: left_baskets(hub.db.read, today=today, after=after, limit=limit)
    items = page(kinds, after=query.after, limit=query.limit)
    last = f"{items[-1].kind} {items[-1].key}" if len(items) == query.limit else ""
    return Reply(AttentionPage(items, last))


def _of(lines: list[tuple[str, str]]) -> Read:
    return lambda after, limit: [line for line in sorted(lines) if line[0] > after][:limit]


ROUTES = (
    Route(
        "GET",
        "/v1/attention",
        get_attention,
        "What waits for the manager",
        MANAGER,
        AttentionPage,
        query=AttentionQuery,
        problems=(403, 422),
    ),
)
