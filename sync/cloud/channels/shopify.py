"""Shopify: webhooks in. Pure.

    orders/create, /updated, /paid, /cancelled, /fulfilled, …   the whole order; what it says counts, not the topic
    orders/delete                                               {id}
    refunds/create                                              a refund; those of an order stand in the order as well
    products/create, /update, /delete                           the list of goods is read again
    customers_email_marketing_consent/update, customers_marketing_consent/update    a customer's word on marketing
    customers/redact                                            a customer wants to be forgotten, after the shop's own delay
    customers/data_request                                      a customer wants to know what is held
    shop/redact                                                 the app is gone from the shop for two days

Money is the shop's currency as text; unknown fields are kept as received by whoever stores the body. Levels out:
sync.cloud.channels.shopify_levels. Source: shopify.dev, webhooks and the REST shapes of Order and Refund (Admin API 2026-10).
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from sync.cloud.channels.buyers import loosely, moment_ms, text
from sync.cloud.channels.reading import address_of, checked_id, minor_of, minor_or_none, ms_of, one_line
from sync.cloud.channels.said import (
    Bought,
    BoughtLine,
    ChannelError,
    ChannelLine,
    ChannelOrder,
    ChannelRefund,
    DataAsked,
    Forget,
    ForgetShop,
    ItemsChanged,
    OrderGone,
    RefundLine,
    Said,
    Wish,
)
from sync.cloud.channels.settings import Channel
from sync.cloud.channels.shopify_buyers import buyer_of, consent_of
from sync.json_errors import NOT_JSON
from sync.retail.orders.order_rows import OrderKind

SIGNATURE, TOPIC, DELIVERY = "X-Shopify-Hmac-Sha256", "X-Shopify-Topic", ("X-Shopify-Webhook-Id",)
POS = "pos"  # `source_name` of what the shop's own till has sold; `location_id` is where that stands
RESTOCKED = frozenset({"return", "legacy_restock"})


class _Part(Struct, frozen=True):
    amount: Decimal = Decimal(0)
    kind: str | None = None


class _Line(Struct, frozen=True):
    id: int
    quantity: int
    current_quantity: int | None = None
    price: Decimal = Decimal(0)
    total_discount: Decimal = Decimal(0)
    sku: str | None = None
    variant_id: int | None = None
    title: str | None = None
    name: str | None = None
    requires_shipping: bool | None = True
    gift_card: bool | None = False
    discount_allocations: list[_Part] | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """The names of the goods."""
        named = (("variant", self.variant_id), ("sku", self.sku))
        return tuple(f"{kind}:{one_line(str(value), 200)}" for kind, value in named if value) or (f"line:{self.id}",)

    @property
    def discount(self) -> Decimal:
        """What is off; `total_discount` has only what was given on the line itself, by a draft order or a script."""
        return sum((each.amount for each in self.discount_allocations or ()), Decimal(0)) or self.total_discount


class _Address(Struct, frozen=True):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: Any = None  # not of its shape: left out
    province: Any = None
    zip: str | None = None
    country: str | None = None
    phone: Any = None


class _Shipping(Struct, frozen=True):
    code: str | None = None
    title: str | None = None
    delivery_category: str | None = None


class _RefundLine(Struct, frozen=True):
    line_item_id: int
    quantity: int
    restock_type: str | None = None
    subtotal: Decimal | None = None


class _Transaction(Struct, frozen=True):
    amount: Decimal
    kind: str | None = None
    status: str | None = None
    currency: str | None = None


class _Refund(Struct, frozen=True):
    id: int
    order_id: int
    created_at: datetime
    processed_at: datetime | None = None
    refund_line_items: list[_RefundLine] = []
    transactions: list[_Transaction] = []
    currency: str | None = None
    order_adjustments: list[_Part] | None = None


class _Order(Struct, frozen=True):
    id: int
    currency: str
    total_price: Decimal
    updated_at: datetime
    line_items: list[_Line]
    name: str | None = None
    cancelled_at: datetime | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    test: bool | None = False
    shipping_address: _Address | None = None
    billing_address: _Address | None = None
    shipping_lines: list[_Shipping] = []
    refunds: list[_Refund] = []


class _Named(Struct, frozen=True):
    id: int


class _OfCustomer(Struct, frozen=True):
    customer: _Named | None = None
    orders_to_redact: list[int] | None = None
    orders_requested: list[int] | None = None
    data_request: _Named | None = None


_order = msgspec.json.Decoder(_Order).decode
_refund = msgspec.json.Decoder(_Refund).decode
_named = msgspec.json.Decoder(_Named).decode
_of_customer = msgspec.json.Decoder(_OfCustomer).decode


def read(channel: Channel, topic: str, body: bytes) -> tuple[Said, ...]:
    """Return what a webhook says, nothing for a topic that says nothing to us; raise ChannelError for an unreadable one."""
    resource, _, event = topic.partition("/")
    try:
        if topic == "orders/delete":
            return (OrderGone(str(_named(body).id)),)
        if resource == "orders" and event != "edited":  # of an edit only the difference is sent; orders/updated follows
            return _said(channel, _order(body), body)
        if topic == "refunds/create":
            return (_refund_of(channel, channel.currency, _refund(body)),)
        if resource == "products":
            return (ItemsChanged(),)
        if resource in ("customers_email_marketing_consent", "customers_marketing_consent"):
            return consent_of(body)
        if topic in ("customers/redact", "customers/data_request"):
            return _asked(topic, _of_customer(body))
        if topic == "shop/redact":
            return (ForgetShop(),)
    except NOT_JSON as err:
        raise ChannelError("channel_shape", f"{topic}: {err}") from err
    return ()


def _said(channel: Channel, order: _Order, body: bytes) -> tuple[Said, ...]:
    shipping = order.shipping_address or order.billing_address or _Address()
    said = ChannelOrder(
        channel_order_id=checked_id(str(order.id)),
        number=one_line(order.name or str(order.id)),
        changed_ms=ms_of(order.updated_at),
        wish=_wish(order),
        kind=_kind(channel, order),
        currency=order.currency,
        total=minor_of(order.total_price, order.currency),
        lines=tuple(line for each in order.line_items if (line := _line(each, order.currency))),
        name=one_line(shipping.name or ""),
        address=_address(shipping),
        bought=None if order.test else _bought(order, body),
    )
    return (said, *(_refund_of(channel, order.currency, each) for each in order.refunds))


def _bought(order: _Order, body: bytes) -> Bought:
    """Return the order as a purchase: what was bought first, and what of it is no more. Gift cards are money, not goods."""
    told = loosely(body)
    buyer, unread = buyer_of(told)
    to = order.shipping_address or _Address()
    billed = order.billing_address or _Address()
    in_shop = told.get("source_name") == POS
    places = (to.city, to.province, *(() if in_shop else (billed.city, billed.province)))
    city = next((said for each in places if (said := text(each, 60))), "")
    return Bought(
        bought_ms=moment_ms(told.get("processed_at"), told.get("created_at")) or ms_of(order.updated_at),
        lines=tuple(
            BoughtLine(
                line_id=str(each.id),
                items=each.items,
                qty=each.quantity,
                amount=minor_or_none(each.price * each.quantity - each.discount, order.currency) or 0,
                gone=0 if each.current_quantity is None else each.quantity - each.current_quantity,
            )
            for each in order.line_items
            if each.quantity > 0 and not each.gift_card
        ),
        city=city,
        buyer=buyer,
        unread=unread,
        in_shop=in_shop,
        location=text(told.get("location_id")) if in_shop else "",
    )


def _wish(order: _Order) -> Wish:
    if order.cancelled_at is not None:
        return Wish.CANCELLED
    if order.test:
        return Wish.TEST
    if order.fulfillment_status == "fulfilled":
        return Wish.FULFILLED
    if order.financial_status in ("voided", "expired"):
        return Wish.UNPAID
    return Wish.OPEN


def _kind(channel: Channel, order: _Order) -> OrderKind:
    for each in order.shipping_lines:
        if each.delivery_category == "pickup" or {each.code, each.title} & channel.pickup:
            return OrderKind.CLICK_AND_COLLECT
    return channel.delivery


def _line(line: _Line, currency: str) -> ChannelLine | None:
    """Return goods; None for what is no goods, or has been taken out of the order."""
    qty = line.quantity if line.current_quantity is None else line.current_quantity
    if qty <= 0 or line.gift_card or line.requires_shipping is False:
        return None
    return ChannelLine(
        line_id=str(line.id),
        items=line.items,
        title=one_line(line.name or line.title or "", 200),
        qty=qty,
        amount=minor_of(line.price * qty - line.total_discount, currency),
    )


def _address(said: _Address) -> str:
    town = " ".join(part for part in (said.zip, text(said.city), text(said.province)) if part)
    return address_of(said.company, said.address1, said.address2, town, said.country, text(said.phone))


def _refund_of(channel: Channel, currency: str, said: _Refund) -> ChannelRefund:
    paid = [each for each in said.transactions if each.kind in ("refund", None) and each.status in ("success", None)]
    shops = currency or channel.currency
    named = next((each.currency for each in paid if each.currency), None)
    currency = named or said.currency or shops
    amount = sum((each.amount for each in paid), Decimal(0))
    sending = sum(
        (abs(each.amount) for each in said.order_adjustments or () if each.kind == "shipping_refund"), Decimal(0)
    )
    return ChannelRefund(
        refund_id=str(said.id),
        channel_order_id=str(said.order_id),
        currency=currency,
        amount=minor_of(amount, currency),
        refunded_ms=ms_of(said.processed_at or said.created_at),
        goods=0 if said.refund_line_items else minor_of(max(Decimal(0), amount - sending), currency),
        lines=tuple(
            RefundLine(
                line_id=str(each.line_item_id),
                qty=each.quantity,
                comes_back=each.restock_type in RESTOCKED,
                amount=None if each.subtotal is None else minor_or_none(each.subtotal, shops),
            )
            for each in said.refund_line_items
            if each.quantity > 0
        ),
    )


def _asked(topic: str, said: _OfCustomer) -> tuple[Said, ...]:
    customer_id = str(said.customer.id) if said.customer else ""
    if topic == "customers/redact":
        return (Forget(customer_id, tuple(str(each) for each in said.orders_to_redact or ())),)
    request_id = str(said.data_request.id) if said.data_request else ""
    return (DataAsked(request_id, customer_id, tuple(str(each) for each in said.orders_requested or ())),)
