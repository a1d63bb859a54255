"""Coupons at a till: /v1/coupons. A sale names its coupons itself (POST /v1/sales); here is what goes without one."""

import asyncio
from contextlib import closing
from datetime import date, datetime
from sqlite3 import Connection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.paging import cut
from hub.api.routing import Call, Reply, Route
from hub.errors import NotFoundError, RefusedError
from hub.store.catalogue.pricing import at_moment
from hub.store.people import coupons
from hub.store.people.coupon_issues import issue
from hub.store.people.coupon_offers import Asked, Offer, offers
from hub.store.people.coupon_serials import known_serial
from hub.store.people.coupons import Wish
from hub.store.readers import open_to_read
from hub.store.selling.days import day_of
from sync.json_errors import NOT_JSON
from sync.model import Dot
from sync.retail.names import Name
from sync.retail.people.coupons import Basket, amount_for, is_in_window
from sync.retail.selling.sales import AMOUNT_MAX, LINES_MAX, Currency, Id, Sku
from sync.retail.selling.sales import Amount as MoneyAmount

BASKET_CHARS_MAX = 6000  # of an address that servers and proxies still take
OFFERS_MAX = 100
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]


class BasketSent(Struct, frozen=True, forbid_unknown_fields=True):
    """What is bought, as (sku, amount after discounts), and by whom; the member's tier is looked up."""

    currency: Currency
    lines: Annotated[tuple[tuple[Sku, MoneyAmount], ...], Meta(max_length=LINES_MAX)]
    member_id: Id | None = None

    @property
    def basket(self) -> Basket:
        """The same for the rules."""
        return Basket(self.currency, self.lines, self.member_id)


class CouponQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`basket`: `{"currency":"HKD","lines":[["TEA-01",1090]],"member_id":"m1"}` as JSON; `amount`: what it is to take off."""

    basket: Annotated[str, Meta(max_length=BASKET_CHARS_MAX)] = ""
    amount: Amount | None = None


class CouponView(Struct, frozen=True):
    """A serial. `verdict`: held, ask (the cloud, when it is redeemed), conditional or refused, `against` why."""

    serial: str
    coupon_id: str
    name: Name
    currency: str
    amount: int
    amount_max: int
    spend_min: int
    valid_from: date
    valid_until: date
    uses: int
    uses_left: int
    verdict: str
    against: tuple[str, ...]
    by_grace: bool


class OffersQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`after` is `next` of the page before."""

    after: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=OFFERS_MAX)] = 50


class OfferView(Struct, frozen=True):
    """A coupon that is good today. `is_open`: at this hour and weekday, too; hours are [from, until) by the store's zone.

    `held`: uses that this hub may still redeem without asking; `unissued`: serials that it may still give away. `redeem`: what
    becomes of a serial that a customer has: held, ask (the cloud), conditional (under the day's cap) or refused.
    """

    coupon_id: str
    name: Name
    currency: str
    amount_max: int
    spend_min: int
    valid_from: date
    valid_until: date
    weekdays: tuple[int, ...]
    hours: tuple[int, int] | None
    is_open: bool
    skus: tuple[str, ...]
    members_only: bool
    tiers: tuple[str, ...]
    uses: int
    held: int
    unissued: int
    redeem: str


class OfferPage(Struct, frozen=True):
    """Coupons by id; `next` is null on the last page."""

    items: list[OfferView]
    next: str | None = None


class RedemptionRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A serial is redeemed without a sale, as for a gift. `offline`: it has happened already and is not refused."""

    redemption_id: Id
    amount: Amount
    basket: BasketSent | None = None
    offline: bool = False


class RedemptionAnswer(Struct, frozen=True):
    """A redemption. `conditional`: without a right; whether it stands, the cloud says."""

    redemption_id: str
    serial: str
    amount: int
    currency: str
    business_date: str
    conditional: bool
    against: tuple[str, ...]
    dot: Dot


class IssueRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An instant coupon for somebody."""

    issue_id: Id
    coupon_id: Id
    member_id: Id | None = None


class IssueAnswer(Struct, frozen=True):
    """The serial that was given."""

    issue_id: str
    serial: str
    coupon_id: str
    dot: Dot


async def list_coupons(call: Call) -> Reply:
    """GET /v1/coupons"""
    hub, query = call.hub, call.query
    own, now = hub.replica, hub.now.astimezone(hub.shop.zone)
    asked = Asked(
        after=query.after,
        limit=query.limit + 1,
        business_date=date.fromisoformat(hub.today),
        currency=hub.shop.currency,
        store=hub.shop.store_id,
        terms=hub.coupons.terms,
        is_line_up=hub.coupons.may_ask,
    )

    def read_file() -> list[Offer]:
        with closing(open_to_read(hub.config.database)) as read:
            return offers(read, own, asked)

    found = await asyncio.to_thread(
        read_file
    )  # a batch of many thousand redemptions takes longer than the loop may stand still
    items = [_offer(each, now) for each in found]
    return Reply(OfferPage(*cut(items, query.limit, name=lambda item: item.coupon_id)))


def _offer(offer: Offer, now: datetime) -> OfferView:
    definition = offer.definition
    return OfferView(
        coupon_id=definition.coupon_id,
        name=offer.name,
        currency=definition.currency,
        amount_max=definition.amount_max,
        spend_min=definition.spend_min,
        valid_from=definition.valid_from,
        valid_until=definition.valid_until,
        weekdays=definition.weekdays,
        hours=definition.hours,
        is_open=is_in_window(definition, now),
        skus=definition.skus,
        members_only=definition.members_only,
        tiers=definition.tiers,
        uses=definition.uses,
        held=offer.held,
        unissued=offer.unissued,
        redeem=offer.redeem,
    )


async def get_coupon(call: Call) -> Reply:
    """GET /v1/coupons/{serial}"""
    hub, serial, query = call.hub, call.path["serial"], call.query
    terms, read = hub.coupons.terms, hub.db.read
    known = known_serial(read, hub.replica, serial, is_alone=terms.is_alone)
    if known is None:
        raise NotFoundError("coupon_unknown", f"no coupon {serial[:64]!r}")
    basket, definition = _read_basket(query.basket), known.definition
    amount = query.amount if query.amount is not None else definition.amount_max
    if query.amount is None and basket is not None:
        amount = max(1, amount_for(definition, basket))
    wish = _wish(call, serial, amount, basket, hub.today)
    found = coupons.examine(read, hub.replica, wish, terms=terms, shop=hub.shop, is_line_up=hub.coupons.may_ask)
    view = CouponView(
        serial=serial,
        coupon_id=definition.coupon_id,
        name=known.name,
        currency=definition.currency,
        amount=amount,
        amount_max=definition.amount_max,
        spend_min=definition.spend_min,
        valid_from=definition.valid_from,
        valid_until=definition.valid_until,
        uses=definition.uses,
        uses_left=max(0, known.left(hub.replica.rep)),
        verdict=found.verdict,
        against=found.against,
        by_grace=found.is_by_grace,
    )
    return Reply(view)


async def post_redemption(call: Call) -> Reply:
    """POST /v1/coupons/{serial}/redemptions"""
    hub, serial, request = call.hub, call.path["serial"], call.body
    _check_serial(serial)
    is_known = coupons.find_redemption(hub.db.read, request.redemption_id) is not None
    asks = not (request.offline or is_known)
    terms = await hub.coupons.terms_for([serial]) if asks else hub.coupons.terms
    own, shop, now_ms, has_happened = hub.replica, hub.shop, hub.now_ms(), request.offline

    def job(tx: Connection) -> coupons.Redeemed:
        day = day_of(tx, shop, hub.now, now_ms=now_ms).business_date
        basket = request.basket.basket if request.basket is not None else None
        wish = _wish(call, serial, request.amount, basket, day)
        redemption_id = request.redemption_id
        return coupons.redeem_alone(
            tx, own, shop, wish, terms=terms, redemption_id=redemption_id, has_happened=has_happened
        )

    done = await hub.db.write(job)
    fact = done.fact
    answer = RedemptionAnswer(
        redemption_id=fact.redemption_id,
        serial=fact.serial,
        amount=fact.amount,
        currency=fact.currency,
        business_date=fact.business_date,
        conditional=fact.conditional,
        against=fact.against,
        dot=done.dot,
    )
    return Reply(answer, 201 if done.status == "created" else 200)


async def post_issue(call: Call) -> Reply:
    """POST /v1/coupons/issues"""
    hub, request = call.hub, call.body
    own, now, is_alone = hub.replica, hub.now, hub.coupons.terms.is_alone
    done = await hub.db.write(
        lambda tx: issue(
            tx,
            own,
            issue_id=request.issue_id,
            coupon_id=request.coupon_id,
            member_id=request.member_id,
            is_alone=is_alone,
            now=now,
        )
    )
    answer = IssueAnswer(done.fact.issue_id, done.fact.serial, request.coupon_id, done.dot)
    return Reply(answer, 201 if done.status == "created" else 200)


def _wish(call: Call, serial: str, amount: int, basket: Basket | None, business_date: str) -> Wish:
    hub = call.hub
    at = at_moment(hub.shop, hub.now, is_sure=hub.clock.is_sure)
    return Wish(serial=serial, amount=amount, basket=basket, at=at, business_date=business_date)


def _check_serial(serial: str) -> None:
    try:
        msgspec.convert(serial, Id)
    except msgspec.ValidationError as err:
        raise NotFoundError("coupon_unknown", f"no coupon {serial[:64]!r}") from err


def _read_basket(text: str) -> Basket | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=BasketSent).basket
    except NOT_JSON as err:
        raise RefusedError("invalid_field", f"basket: {err}", pointer="/basket") from err


ROUTES = (
    Route(
        "GET",
        "/v1/coupons",
        list_coupons,
        "Coupons that this shop can issue or redeem today, with what it holds of them",
        STAFF,
        OfferPage,
        query=OffersQuery,
        problems=(422,),
    ),
    Route(
        "GET",
        "/v1/coupons/{serial}",
        get_coupon,
        "What a coupon's serial is good for, here and now",
        STAFF,
        CouponView,
        query=CouponQuery,
        problems=(404, 422),
    ),
    Route(
        "POST",
        "/v1/coupons/{serial}/redemptions",
        post_redemption,
        "Redeem a coupon without a sale",
        STAFF,
        RedemptionAnswer,
        body=RedemptionRequest,
        status=201,
        statuses=(200,),
        problems=(404, 409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/coupons/issues",
        post_issue,
        "Give somebody the next serial of an instant coupon",
        STAFF,
        IssueAnswer,
        body=IssueRequest,
        status=201,
        statuses=(200,),
        problems=(404, 409, 422, 503),
    ),
)
