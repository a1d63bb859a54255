"""WooCommerce: an order's refunds with their lines, which no webhook names. A conversation without I/O.

    GET /wp-json/wc/v3/orders/{id}/refunds     [{id, amount, date_created_gmt, line_items, shipping_lines, fee_lines}]

A line is a copy with negative numbers; the order's own is named in its `meta_data` as `_refunded_item_id`. A line of no quantity
is money alone. Where a line names none of the order's, all lines are money. No more is taken for goods than `amount`, which is
what the customer got; sending and fees are no goods. The shop does not say whether the goods come back. Source: WooCommerce
REST API v3, Order refunds.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from sync.cloud.channels.buyers import part, text
from sync.cloud.channels.calls import Conversation, ShopCall, ShopFaultError
from sync.cloud.channels.reading import minor_of, ms_of
from sync.cloud.channels.said import ChannelError, ChannelRefund, RefundLine
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON

PER_PAGE = 100
PAGES_MAX = 20
ITEM = "_refunded_item_id"


class _Part(Struct, frozen=True):
    total: Decimal = Decimal(0)
    total_tax: Decimal = Decimal(0)
    quantity: int = 0
    meta_data: Any = None  # not of its shape: names no line

    @property
    def amount(self) -> Decimal:
        """What was given back for it."""
        return abs(self.total + self.total_tax)

    @property
    def line_id(self) -> str:
        """The order's line; empty where it is not said."""
        metas = self.meta_data if isinstance(self.meta_data, list) else []
        return next((text(part(each).get("value")) for each in metas if part(each).get("key") == ITEM), "")


class _Refund(Struct, frozen=True):
    id: int
    amount: Decimal
    date_created_gmt: datetime
    line_items: list[_Part] = []
    shipping_lines: list[_Part] = []
    fee_lines: list[_Part] = []


_refunds = msgspec.json.Decoder(list[_Refund]).decode


def refunds_of(_channel: Channel, channel_order_id: str, currency: str) -> Conversation[list[ChannelRefund]]:
    """Return the refunds of an order; ShopFaultError (shop_answer) where they cannot be read."""
    found: list[ChannelRefund] = []
    for page in range(1, PAGES_MAX + 1):
        query = (("per_page", str(PER_PAGE)), ("page", str(page)))
        said = yield ShopCall("GET", f"/wp-json/wc/v3/orders/{channel_order_id}/refunds", query=query)
        try:
            told = _refunds(said.body)
            found += [_refund_of(channel_order_id, currency, each) for each in told]
        except (*NOT_JSON, ChannelError) as err:
            raise ShopFaultError("shop_answer", f"refunds of {channel_order_id}: {err}"[:300]) from err
        if len(told) < PER_PAGE:
            return found
    raise ShopFaultError("shop_answer", f"more than {PAGES_MAX} pages of refunds of {channel_order_id}")


def _refund_of(channel_order_id: str, currency: str, said: _Refund) -> ChannelRefund:
    amount = abs(minor_of(said.amount, currency))
    lines, left = [], amount
    for each in said.line_items:
        money = min(left, minor_of(each.amount, currency))
        left -= money
        lines.append(RefundLine(line_id=each.line_id, qty=abs(each.quantity), comes_back=False, amount=money))
    is_named = bool(lines) and all(each.line_id for each in lines)
    others = sum((each.amount for each in (*said.shipping_lines, *said.fee_lines)), Decimal(0))
    goods = amount - left if lines else max(0, amount - minor_of(others, currency))
    return ChannelRefund(
        refund_id=str(said.id),
        channel_order_id=channel_order_id,
        currency=currency,
        amount=amount,
        refunded_ms=ms_of(said.date_created_gmt),
        goods=0 if is_named else goods,
        lines=tuple(lines) if is_named else (),
    )
