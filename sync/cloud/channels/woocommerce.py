"""WooCommerce: webhooks in. Pure.

    order.created, .updated, .restored      the whole order; what it says counts, not the topic
    order.deleted                           {id}
    product.*                               the list of goods is read again
    webhook_id=…                            the greeting of a new webhook: a form, and no order

    status      pending, failed, checkout-draft: unpaid   on-hold, processing and what plugins invent: open
                completed: fulfilled                      cancelled, refunded, trash: cancelled

A buyer is the billing address's, with the shop's number of the customer unless it is 0; the shop knows no consent. An order
whose customer WordPress has overwritten (`_anonymized`: on request, or by the shop's own terms) names nobody. Refunds stand
in the order, each with its sum; their lines: sync.cloud.channels.woocommerce_refunds. Money is the order's
currency as text. Levels out: sync.cloud.channels.woocommerce_levels. Source: WooCommerce REST API v3, Orders and Webhooks;
the delivery's id is X-WC-Webhook-Delivery-ID in its code, X-WC-Delivery-ID in its documentation.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from sync.cloud.channels.buyers import (
    country,
    email,
    full_name,
    is_nowhere,
    known,
    loosely,
    moment_ms,
    part,
    phone,
    text,
)
from sync.cloud.channels.reading import address_of, checked_id, minor_of, minor_or_none, ms_of, one_line
from sync.cloud.channels.said import (
    Bought,
    BoughtLine,
    Buyer,
    ChannelError,
    ChannelLine,
    ChannelOrder,
    ChannelRefund,
    ItemsChanged,
    OrderGone,
    Said,
    Wish,
)
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON
from sync.retail.orders.order_rows import OrderKind

SIGNATURE, TOPIC = "X-WC-Webhook-Signature", "X-WC-Webhook-Topic"
DELIVERY = ("X-WC-Webhook-Delivery-ID", "X-WC-Delivery-ID")
ANONYMOUS = "_anonymized"
TILLS = ("pos-rest-api", "woocommerce-pos")  # `created_via` of the shop's own app, and of the plugin WCPOS
PICKUP_METHODS = frozenset({"local_pickup", "pickup_location"})
_WISHES = {
    **dict.fromkeys(("pending", "failed", "checkout-draft", "auto-draft"), Wish.UNPAID),
    **dict.fromkeys(("cancelled", "refunded", "trash"), Wish.CANCELLED),
    "completed": Wish.FULFILLED,
}


class _Line(Struct, frozen=True):
    id: int
    quantity: int
    total: Decimal = Decimal(0)
    total_tax: Decimal = Decimal(0)
    name: str | None = None
    sku: str | None = None
    product_id: int | None = None
    variation_id: int | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """The names of the goods."""
        named = (("variation", self.variation_id), ("product", None if self.variation_id else self.product_id))
        items = [f"{kind}:{value}" for kind, value in named if value]
        if self.sku:
            items.append(f"sku:{one_line(self.sku, 200)}")
        return tuple(items) or (f"line:{self.id}",)


class _Address(Struct, frozen=True):
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    address_1: str = ""
    address_2: str = ""
    city: Any = ""  # not of its shape: left out
    state: Any = ""
    postcode: str = ""
    country: str = ""
    phone: Any = ""

    @property
    def name(self) -> str:
        """The name as it is written there."""
        return full_name(self.first_name, self.last_name)


class _Shipping(Struct, frozen=True):
    method_id: str | None = None
    method_title: str | None = None


class _Refund(Struct, frozen=True):
    id: int
    total: Decimal


class _Order(Struct, frozen=True):
    id: int
    status: str
    currency: str
    total: Decimal
    date_modified_gmt: datetime
    line_items: list[_Line]
    number: str = ""
    billing: _Address = _Address()
    shipping: _Address = _Address()
    shipping_lines: list[_Shipping] = []
    refunds: list[_Refund] = []


class _Named(Struct, frozen=True):
    id: int


_order = msgspec.json.Decoder(_Order).decode
_named = msgspec.json.Decoder(_Named).decode


def read(channel: Channel, topic: str, body: bytes) -> tuple[Said, ...]:
    """Return what a webhook says, nothing for a topic that says nothing to us; raise ChannelError for an unreadable one."""
    if not topic or body.startswith(b"webhook_id="):
        return ()
    resource, _, event = topic.partition(".")
    try:
        if topic == "order.deleted":
            return (OrderGone(str(_named(body).id)),)
        if resource == "order":
            return _said(channel, _order(body), body)
    except NOT_JSON as err:
        raise ChannelError("channel_shape", f"{topic}: {err}") from err
    return (ItemsChanged(),) if resource == "product" and event else ()


def _said(channel: Channel, order: _Order, body: bytes) -> tuple[Said, ...]:
    goes_to = order.shipping if order.shipping.address_1 else order.billing
    said = ChannelOrder(
        channel_order_id=checked_id(str(order.id)),
        number=one_line(order.number or str(order.id)),
        changed_ms=ms_of(order.date_modified_gmt),
        wish=_WISHES.get(order.status, Wish.OPEN),
        kind=_kind(channel, order),
        currency=order.currency,
        total=minor_of(order.total, order.currency),
        lines=tuple(_line(each, order.currency) for each in order.line_items if each.quantity > 0),
        name=one_line(goes_to.name or order.billing.name),
        address=_address(goes_to, text(order.billing.phone)),
        bought=_bought(order, body),
    )
    refunds = (_refund_of(said, each) for each in order.refunds)
    return (said, *refunds)


def _bought(order: _Order, body: bytes) -> Bought:
    """Return the order as a purchase."""
    told = loosely(body)
    billing, shipping = part(told.get("billing")), part(told.get("shipping"))
    customer_id = text(told.get("customer_id"))
    buyer = Buyer(
        customer_id="" if customer_id == "0" else customer_id,
        name=full_name(billing.get("first_name"), billing.get("last_name")),
        phone=phone(billing.get("phone")),
        email=email(billing.get("email")),
        region=country(billing.get("country"), shipping.get("country")),
    )
    places = (shipping.get("city"), shipping.get("state"), billing.get("city"), billing.get("state"))
    said, metas = told.get("customer_id"), told.get("meta_data")
    marks = [part(each).get("key") for each in metas] if isinstance(metas, list) else []
    return Bought(
        bought_ms=moment_ms(told.get("date_created_gmt")) or ms_of(order.date_modified_gmt),
        lines=tuple(
            BoughtLine(
                line_id=str(each.id),
                items=each.items,
                qty=each.quantity,
                amount=minor_or_none(each.total + each.total_tax, order.currency) or 0,
            )
            for each in order.line_items
            if each.quantity > 0
        ),
        city=next((place for each in places if (place := text(each, 60))), ""),
        buyer=known(buyer),
        unread=("customer_id",) if said is not None and not customer_id else (),
        is_anonymous=ANONYMOUS in marks or is_nowhere(billing.get("email")),
        in_shop=told.get("created_via") in TILLS,
    )


def _kind(channel: Channel, order: _Order) -> OrderKind:
    for each in order.shipping_lines:
        if each.method_id in PICKUP_METHODS or {each.method_id, each.method_title} & channel.pickup:
            return OrderKind.CLICK_AND_COLLECT
    return channel.delivery


def _line(line: _Line, currency: str) -> ChannelLine:
    return ChannelLine(
        line_id=str(line.id),
        items=line.items,
        title=one_line(line.name or "", 200),
        qty=line.quantity,
        amount=minor_of(line.total + line.total_tax, currency),
    )


def _address(said: _Address, phone_of_bill: str) -> str:
    town = " ".join(each for each in (said.postcode, text(said.city), text(said.state)) if each)
    return address_of(
        said.company, said.address_1, said.address_2, town, said.country, text(said.phone) or phone_of_bill
    )


def _refund_of(order: ChannelOrder, said: _Refund) -> ChannelRefund:
    """A refund in an order has no date of its own: it is the version's that names it first."""
    amount = abs(minor_of(said.total, order.currency))
    return ChannelRefund(
        refund_id=str(said.id),
        channel_order_id=order.channel_order_id,
        currency=order.currency,
        amount=amount,
        goods=amount,
        refunded_ms=order.changed_ms,
        is_sum=True,
    )
