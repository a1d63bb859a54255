"""Stocktaking: what a counting device has seen, and the count that it posts, there and then or an hour later."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, field

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.stock.documents import book
from hub.errors import RefusedError
from hub.store.model import utc
from hub.store.stock import counts
from hub.store.stock.stock import Booked
from sync.model import Dot
from sync.retail.selling.sales import LINES_MAX, QTY_MAX, Id, ShortText, Sku, StockEffect
from sync.retail.stock.movements import Flag, Movement, MovementLine, Vector


class CountLine(Struct, frozen=True, forbid_unknown_fields=True):
    """How much lies there, in the product's unit; `seen`: what GET /v1/stock/seen said when this shelf was counted."""

    sku: Sku
    counted: Annotated[int, Meta(ge=0, le=QTY_MAX)]
    seen: Vector = field(default_factory=dict)


class CountRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A count. `seen` is for the lines that do not say it themselves; without any the shelf was counted just now.

    `blind`: whoever counts is not told what the books said. `recount_of` names the count that is checked.
    """

    count_id: Id
    lines: Annotated[tuple[CountLine, ...], Meta(max_length=LINES_MAX)]
    location: ShortText = ""
    seen: Vector = field(default_factory=dict)
    blind: bool = False
    recount_of: Id | None = None
    note: ShortText = ""
    by: Id | None = None


class CountAnswer(Struct, frozen=True, omit_defaults=True):
    """A count in the books. `stock` is what it added to the figures, `flags` what was found; of a blind one neither is told."""

    count_id: str
    dot: Dot
    lines: int
    committed_at: datetime | None = None
    blind: bool = False
    stock: tuple[StockEffect, ...] = ()
    flags: tuple[Flag, ...] = ()


class SeenAnswer(Struct, frozen=True):
    """How far everything that moves stock is booked: replica -> stream -> seq. To be sent back with what is counted now."""

    seen: Vector
    at: datetime


async def get_seen(call: Call) -> Reply:
    """GET /v1/stock/seen"""
    hub = call.hub
    return Reply(SeenAnswer(counts.seen_now(hub.db.read, hub.replica), utc(hub.now_ms())))


async def post_count(call: Call) -> Reply:
    """POST /v1/stock/counts"""
    hub, request = call.hub, call.body
    if request.location not in ("", hub.shop.location):
        detail = f"{request.location!r} is no location of this store: {hub.shop.location}"
        raise RefusedError("location", detail, pointer="/location")
    said = Movement(
        request.count_id,
        reason="count",
        note=request.note,
        lines=tuple(MovementLine(line.sku, line.counted, seen=line.seen) for line in request.lines),
        by=request.by,
        seen=request.seen,
        is_blind=request.blind,
        recount_of=request.recount_of,
    )
    booked = await book(call, said, counts.book_count)
    return Reply(_answer(said, booked), 201 if booked.is_new else 200)


def _answer(said: Movement, booked: Booked) -> CountAnswer:
    fact = booked.fact
    told = None if said.is_blind else fact
    return CountAnswer(
        said.movement_id,
        booked.dot,
        len(said.lines),
        fact.committed_at if fact else None,
        said.is_blind,
        told.stock if told else (),
        told.flags if told else (),
    )


ROUTES = (
    Route("GET", "/v1/stock/seen", get_seen, "What is booked now, for what is counted now", STAFF, SeenAnswer),
    Route(
        "POST",
        "/v1/stock/counts",
        post_count,
        "Book a count of the shelf",
        STAFF,
        CountAnswer,
        body=CountRequest,
        duty="stock.move",
        status=201,
        statuses=(200,),
        problems=(409, 422, 503),
    ),
)
