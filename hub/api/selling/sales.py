"""Selling: POST /v1/sales and what is known of a sale."""

from collections.abc import Callable
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from hub.api.selling.returns import announce_return
from hub.api.staff.tills import check_till
from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.monitoring import trail
from hub.printing.spooler import Spooler
from hub.replication import SafeView, Seen
from hub.runtime import Runtime
from hub.store.model import SaleAnswer
from hub.store.people.coupons import CouponTerms
from hub.store.people.points import PointsWord
from hub.store.selling import sales
from hub.store.selling.admission import Context
from hub.store.selling.printing import PrintTo
from hub.store.selling.returns import ReturnAnswer, returned_by_line
from hub.store.selling.sale_approvals import Authority
from hub.store.selling.sales import Recorded, SaleView
from hub.store.selling.sold import just_sold
from hub.store.selling.voids import Void, void_job
from hub.store.stock.reservations import Names
from sync.errors import SyncError
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import Id, Sale, Warned


class SaleRequest(Sale, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A sale and what to do with it: `print` true for the shop's receipt printer, or a printer's name.

    `seen` is the newest fact that the till was ever answered: by it a hub that was restored from a copy finds out off line.
    `reservations` and `basket_id` name what was held for it.
    """

    print: bool | Id = False
    reservations: Annotated[tuple[Id, ...], Meta(max_length=100)] = ()
    basket_id: Id | None = None
    seen: Seen | None = None


class StatusRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Sales a till wants to forget."""

    ids: Annotated[list[Id], Meta(max_length=1000)]


class SaleStatus(Struct, frozen=True):
    """`durable`: on this hub's disk; `safe`: on a second machine too."""

    sale_id: str
    durable: bool
    safe: bool


class StatusAnswer(Struct, frozen=True):
    """In the order asked; `safe` says up to which dot of this hub all sales are safe."""

    sales: list[SaleStatus]
    safe: SafeView


async def post_sale(call: Call) -> Reply:
    """POST /v1/sales"""
    hub, request = call.hub, call.body
    check_till(call, request.till_id, what="sale")

    sale, coupons = await hear_sale(call, request)
    async with hub.point_holds.word_for(sale) as points:
        counter = counter_of(call, request, sale, coupons=coupons, points=points)
        job = counter.job(sale, now_ms=hub.now_ms())
        recorded = await hub.db.write(job, then=counter.announce, otherwise=counter.paper.give_up, is_brief=True)
    if recorded.answer is None:
        detail = f"sale {sale.sale_id} is known with other content; this one waits in the manager's list"
        raise ConflictError("other_content", detail, pointer="/sale_id")
    return Reply(recorded.answer, 200 if recorded.status == "repeated" else 201)


async def hear_sale(call: Call, request: SaleRequest) -> tuple[Sale, CouponTerms]:
    """Return the till's content of a sale, and the cloud's word on its coupons; take its till's witness and clock."""
    if request.seen is not None:
        await call.hub.replication.witness(request.seen)
    sale = Sale(**{name: getattr(request, name) for name in Sale.__struct_fields__})
    _hear_till(call, request)
    return sale, await _coupon_terms(call, sale)


def counter_of(
    call: Call,
    request: SaleRequest,
    sale: Sale,
    *,
    coupons: CouponTerms,
    points: PointsWord,
) -> "Counter":
    """Return what a sale's job needs beside the sale: what it is made in, and a printer, which is promised it from now on."""
    hub, paper = call.hub, _paper_of(call, request)
    context = Context(
        hub.replication.is_cut_off,
        hub.clock.is_sure,
        authority_of(call),
        coupons=coupons,
        points=points,
    )
    return Counter(hub, sale, paper, context, Names(request.reservations, request.basket_id))


async def _coupon_terms(call: Call, sale: Sale) -> CouponTerms:
    """Ask the cloud about a new sale's coupons; what has happened, or never will, is not asked for."""
    hub = call.hub
    if not sale.coupons or sale.offline or sale.training or sales.is_known(hub.db.read, sale.sale_id):
        return hub.coupons.terms
    return await hub.coupons.terms_for(coupon.serial for coupon in sale.coupons)


def authority_of(call: Call) -> Authority:
    """Return what whoever is signed in may do alone."""
    return Authority(call.hub.config.approvals, call.person.role if call.person else None)


def announce_sale(hub: Runtime, recorded: Recorded) -> None:
    """Count it, and tell other screens of one that is new."""
    hub.metrics.count_sale(recorded.status)
    if recorded.view is None:
        return
    now_ms = hub.now_ms()
    event = sales.sale_event(recorded.view)
    hub.bus.publish("sale", event, now_ms=now_ms)
    seen = {"sale": event.sale_id, "receipt_no": event.receipt_no, "till": event.till_id, "seq": event.dot.seq}
    seen |= {"rep": event.dot.rep, "event": hub.bus.cursor}
    if recorded.print_job is not None:
        seen["printer"] = recorded.print_job.printer_id
    trail.say("sale recorded", **seen)
    if recorded.stock:
        hub.bus.publish("stock", recorded.stock, now_ms=now_ms)


async def get_sale(call: Call) -> Reply:
    """GET /v1/sales/{sale_id}"""
    view = sales.find_sale(call.hub.db.read, call.path["sale_id"])
    if view is None:
        raise NotFoundError("sale", f"no sale {call.path['sale_id']!r}")
    return Reply(replace(view, returned=returned_by_line(call.hub.db.read, view.fact.sale.sale_id)))


async def post_status(call: Call) -> Reply:
    """POST /v1/sales/status"""
    replication = call.hub.replication
    dots = sales.dots_of_sales(call.hub.db.read, call.body.ids)
    status = [
        SaleStatus(sale_id, sale_id in dots, sale_id in dots and replication.is_safe(*dots[sale_id]))
        for sale_id in call.body.ids
    ]
    return Reply(StatusAnswer(status, replication.safe))


async def post_void(call: Call) -> Reply:
    """POST /v1/sales/{sale_id}/void"""
    hub, void = call.hub, call.body
    check_till(call, void.till_id, what="void")
    job = void_job(
        hub.replica,
        hub.shop,
        call.path["sale_id"],
        void,
        now_ms=hub.now_ms(),
        actor=call.actor,
        authority=authority_of(call),
        warnings=hub.clock.warnings,
    )
    taken = await hub.db.write(job, then=lambda taken: announce_return(hub, taken))
    return Reply(taken.answer, 201 if taken.status == "created" else 200)


def _hear_till(call: Call, request: SaleRequest) -> None:
    """A sale that is made now shows what time it is at the till."""
    hub = call.hub
    if request.sold_at is None or request.offline or sales.is_known(hub.db.read, request.sale_id):
        return
    hub.clock.till_shows(call.client.till_id, round(request.sold_at.timestamp() * 1000))


class Paper(Struct, frozen=True):
    """Where a sale's receipt goes, None for nowhere; a printer may wait for it."""

    spooler: Spooler | None = None
    to: PrintTo | None = None
    warnings: tuple[Warned, ...] = ()

    def give_up(self) -> None:
        """Nothing comes: let the printer go."""
        if self.spooler and self.to and self.to.is_promised:
            self.spooler.release()

    def follow(self, hub: Runtime, recorded: Recorded) -> None:
        """After the commit: the printer begins, or looks whether anything is left to do."""
        if recorded.status != "created":
            self.give_up()
            for known in hub.spoolers.values():  # the first answer may have been lost with what followed it
                known.poke()
            return
        if self.spooler and self.to and recorded.print_job:
            if self.to.is_promised:
                self.spooler.hand_over(recorded.print_job, just_sold(recorded))
            else:
                hub.on_print(recorded.print_job)
                self.spooler.poke()


class Counter(Struct, frozen=True):
    """A sale that is about to be booked, and what was learnt for it."""

    hub: Runtime
    sale: Sale
    paper: Paper
    context: Context
    names: Names

    def job(self, sale: Sale, *, now_ms: int, back: ReturnFact | None = None) -> Callable[[Connection], Recorded]:
        """Return the write job; an exchange gives the sale one more tender, for what came `back`."""
        return self.hub.rights.sale_job(
            self.hub.replica,
            sale,
            print_to=self.paper.to,
            now_ms=now_ms,
            warnings=(*self.paper.warnings, *self.hub.clock.warnings),
            context=replace(self.context, back=back) if back else self.context,
            names=self.names,
        )

    def announce(self, recorded: Recorded) -> None:
        """After the commit: tell everybody, let the printer begin."""
        announce_sale(self.hub, recorded)
        if recorded.status == "repeated":
            trail.say("sale answered again", sale=self.sale.sale_id, till=self.sale.till_id)
        self.paper.follow(self.hub, recorded)


def _paper_of(call: Call, request: SaleRequest) -> Paper:
    """Return where the receipt goes; one that already happened is booked without it. A known sale prints nothing, wherever to."""
    try:
        spooler = _spooler(call, request.print)
    except SyncError as err:
        if sales.is_known(call.hub.db.read, request.sale_id):
            return Paper()
        if not request.offline:
            raise
        return Paper(warnings=(Warned(err.code, detail=err.detail),))
    return Paper(spooler, PrintTo(spooler.printer_id, spooler.reserve())) if spooler else Paper()


def _spooler(call: Call, wanted: bool | str) -> Spooler | None:
    if wanted is False:
        return None
    if wanted is True:
        if call.hub.config.receipt_printer is None:
            raise RefusedError("no_receipt_printer", "no receipt printer is configured", pointer="/print")
        return call.hub.spooler(call.hub.config.receipt_printer)
    return call.hub.spooler(wanted)


ROUTES = (
    Route(
        "POST",
        "/v1/sales",
        post_sale,
        "Record a sale",
        STAFF,
        SaleAnswer,
        body=SaleRequest,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
        duty="sales.sell",
    ),
    Route(
        "POST",
        "/v1/sales/status",
        post_status,
        "Which sales are durable, which are safe",
        STAFF,
        StatusAnswer,
        body=StatusRequest,
    ),
    Route(
        "GET",
        "/v1/sales/{sale_id}",
        get_sale,
        "One sale by its id, receipt number or receipt bar code",
        STAFF,
        SaleView,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/sales/{sale_id}/void",
        post_void,
        "Void a sale of today: all of it comes back",
        STAFF,
        ReturnAnswer,
        body=Void,
        status=201,
        statuses=(200,),
        problems=(403, 404, 409, 422, 503),
        duty="sales.void",
    ),
)
