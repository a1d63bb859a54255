"""Documents of stock: deliveries, transfers to and from other branches, adjustments; how transfers stand."""

from collections.abc import Callable
from datetime import datetime
from sqlite3 import Connection
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from hub.api.catalogue.catalogue import STAFF
from hub.api.paging import cut
from hub.api.replica.clock import MANAGER
from hub.api.routing import Call, Reply, Route, may
from hub.errors import RefusedError
from hub.store.stock import documents, transfers
from hub.store.stock.stock import Booked
from hub.store.stock.transfers import Direction, TransferView
from sync.model import Dot
from sync.retail.selling.sales import LINES_MAX, Id, ShortText, Sku, StockEffect
from sync.retail.stock.movements import Cause, Expected, Flag, Movement, MovementLine, Qty, TransferId
from sync.retail.stock.transfers import transfer_id

Kind = Literal["receive", "transfer_out", "transfer_in", "adjust"]
Store = Annotated[str, Meta(max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
Text = Annotated[str, Meta(max_length=200)]


class DocumentLine(Struct, frozen=True, forbid_unknown_fields=True):
    """What came or went of a SKU, in its unit; signed where it adjusts. `expected`: what the delivery note says."""

    sku: Sku
    qty: Qty
    expected: Expected | None = None


class DocumentRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A document. `to` is the branch of a transfer out; `transfer` names what a transfer in is of; `cause` is an adjustment's.

    `partial`: more of the transfer is to come. `by` is who did it.
    """

    document_id: Id
    kind: Kind
    lines: Annotated[tuple[DocumentLine, ...], Meta(max_length=LINES_MAX)]
    to: Store | None = None
    transfer: TransferId = ""
    cause: Cause | None = None
    reference: ShortText = ""
    note: ShortText = ""
    by: Id | None = None
    partial: bool = False


class DocumentAnswer(Struct, frozen=True, omit_defaults=True):
    """A document in the books: what it moved, what was found. `transfer_id` is what the other branch receives it by.

    The lines, flags and time of one that is older than the books reach back are not told any more.
    """

    document_id: str
    dot: Dot
    committed_at: datetime | None = None
    stock: tuple[StockEffect, ...] = ()
    flags: tuple[Flag, ...] = ()
    transfer_id: str = ""


class DocumentView(Struct, frozen=True):
    """A document as it was said, and what became of it."""

    said: Movement
    booked: DocumentAnswer


class FlaggedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is `next` of the page before."""

    after: Text = ""
    limit: Annotated[int, Meta(ge=1, le=documents.PAGE_MAX)] = 50


class FlaggedPage(Struct, frozen=True):
    """Documents on which something was noted, by id; `next` is null on the last page."""

    items: list[DocumentAnswer]
    next: str | None = None


class TransferQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`direction`: sent by this branch (out), or to it (in). `after` is `next` of the page before."""

    direction: Direction | None = None
    after: Text = ""
    limit: Annotated[int, Meta(ge=1, le=transfers.PAGE_MAX)] = 50


class TransferPage(Struct, frozen=True):
    """Transfers that wait for something, by name; `next` is null on the last page."""

    items: list[TransferView]
    next: str | None = None


async def post_document(call: Call) -> Reply:
    """POST /v1/stock/documents"""
    said = movement_of(call.body)
    booked = await book(call, said, documents.book_document)
    return Reply(answer_of(said, booked, call.hub.shop.store_id), 201 if booked.is_new else 200)


async def book(call: Call, said: Movement, does: Callable[..., Booked]) -> Booked:
    """Book a movement as documents and counts are, in one job, and tell what is on hand since."""
    hub, now_ms = call.hub, call.hub.now_ms()

    def announce(booked: Booked) -> None:
        if booked.stock:
            hub.tell("stock", dict(booked.stock))
        hub.tell_requests()

    def job(tx: Connection) -> Booked:
        own, location, rule = hub.replica, hub.shop.location, hub.rights.rule
        return does(tx, own, said, location=location, rule=rule, now_ms=now_ms, actor=call.actor)

    return await hub.db.write(job, then=announce)


async def get_document(call: Call) -> Reply:
    """GET /v1/stock/documents/{document_id}"""
    booked = documents.find_document(call.hub.db.read, call.path["document_id"])
    assert booked.fact is not None
    said = booked.fact.movement
    return Reply(DocumentView(said, _shown(call, booked)))


async def list_flagged(call: Call) -> Reply:
    """GET /v1/stock/documents"""
    query = call.query
    found = documents.flagged(call.hub.db.read, after=query.after, limit=query.limit + 1)
    items = [_shown(call, booked) for booked in found]
    return Reply(FlaggedPage(*cut(items, query.limit, name=lambda item: item.document_id)))


async def list_transfers(call: Call) -> Reply:
    """GET /v1/stock/transfers"""
    hub, query = call.hub, call.query
    store = hub.shop.store_id
    found = await transfers.waiting_transfers(
        hub.db, store=store, direction=query.direction, after=query.after, limit=query.limit + 1
    )
    names, behind = cut(found, query.limit, name=str)
    items = [transfers.transfer_view(hub.db.read, name, store=store, now_ms=hub.now_ms()) for name in names]
    return Reply(TransferPage(items, behind))


async def get_transfer(call: Call) -> Reply:
    """GET /v1/stock/transfers/{transfer_id}"""
    hub = call.hub
    name = call.path["transfer_id"]
    return Reply(transfers.transfer_view(hub.db.read, name, store=hub.shop.store_id, now_ms=hub.now_ms()))


def movement_of(request: DocumentRequest) -> Movement:
    """Return a document as it is booked; raise RefusedError where its kind lacks something, or has what is another's."""
    kind = request.kind
    wanted = {"to": kind == "transfer_out", "transfer": kind == "transfer_in", "cause": kind == "adjust"}
    for name, is_wanted in wanted.items():
        if is_wanted and not getattr(request, name):
            raise RefusedError("document_incomplete", f"{kind} needs `{name}`", pointer=f"/{name}")
        if not is_wanted and getattr(request, name):
            raise RefusedError("document_field", f"`{name}` is not for {kind}", pointer=f"/{name}")
    if request.partial and kind != "transfer_in":
        raise RefusedError("document_field", f"`partial` is not for {kind}", pointer="/partial")
    return Movement(
        request.document_id,
        reason=kind,
        note=request.note,
        lines=tuple(MovementLine(line.sku, line.qty, line.expected) for line in request.lines),
        cause=request.cause,
        reference=request.reference,
        transfer=request.transfer,
        store=request.to or "",
        by=request.by,
        is_partial=request.partial,
    )


def answer_of(said: Movement, booked: Booked, store: str) -> DocumentAnswer:
    """Return what is told of a document, the same whenever it is asked."""
    travels = transfer_id(store, said.movement_id) if said.reason == "transfer_out" else ""
    fact = booked.fact
    if fact is None:
        return DocumentAnswer(said.movement_id, booked.dot, transfer_id=travels)
    return DocumentAnswer(said.movement_id, booked.dot, fact.committed_at, fact.stock, fact.flags, travels)


def _shown(call: Call, booked: Booked) -> DocumentAnswer:
    """Return what a client may see: who counted blind may count again, and is not told what the books say."""
    assert booked.fact is not None
    said = booked.fact.movement
    answer = answer_of(said, booked, call.hub.shop.store_id)
    is_hidden = said.is_blind and not may(call.client, MANAGER)
    return replace(answer, stock=(), flags=()) if is_hidden else answer


ROUTES = (
    Route(
        "POST",
        "/v1/stock/documents",
        post_document,
        "Book a delivery, a transfer or an adjustment",
        STAFF,
        DocumentAnswer,
        body=DocumentRequest,
        duty="stock.move",
        status=201,
        statuses=(200,),
        problems=(409, 422, 503),
    ),
    Route(
        "GET",
        "/v1/stock/documents",
        list_flagged,
        "Documents on which something was noted",
        STAFF,
        FlaggedPage,
        query=FlaggedQuery,
        problems=(422,),
    ),
    Route(
        "GET",
        "/v1/stock/documents/{document_id}",
        get_document,
        "One document by its id",
        STAFF,
        DocumentView,
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/stock/transfers",
        list_transfers,
        "Transfers that wait for something",
        STAFF,
        TransferPage,
        query=TransferQuery,
        problems=(422, 503),
    ),
    Route(
        "GET",
        "/v1/stock/transfers/{transfer_id}",
        get_transfer,
        "One transfer: what was sent, what has come",
        STAFF,
        TransferView,
        problems=(404,),
    ),
)
