"""Shopify: orders that have changed since a moment, for those whose webhooks never came. A conversation without I/O.

REST's orders.json, legacy as it is, says orders in the very words of the webhooks; GraphQL has others. Pages follow one another
by the Link header's page_info. Source: shopify.dev, REST Admin API, Order, pagination.
"""

import re
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from sync.cloud.channels.calls import Conversation, ShopCall, ShopFaultError
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON

PAGE = 250
PAGES_MAX = 400
LISTED_TOPIC = "orders/updated"
_NEXT = re.compile(r'<[^>]*[?&]page_info=([^&>]+)[^>]*>;\s*rel="?next"?')


class _Orders(Struct, frozen=True):
    orders: tuple[Raw, ...]


_orders = msgspec.json.Decoder(_Orders).decode


def orders_since(channel: Channel, since_ms: int) -> Conversation[list[bytes]]:
    """Return orders as the shop says them, the one that changed first first."""
    since = datetime.fromtimestamp(since_ms / 1000, UTC).isoformat(timespec="seconds")
    query: tuple[tuple[str, str], ...] = (
        ("status", "any"),
        ("updated_at_min", since),
        ("order", "updated_at asc"),
        ("limit", str(PAGE)),
    )
    found: list[bytes] = []
    for _ in range(PAGES_MAX):
        said = yield ShopCall("GET", f"/admin/api/{channel.api_version}/orders.json", query=query)
        try:
            found += [bytes(each) for each in _orders(said.body).orders]
        except NOT_JSON as err:
            raise ShopFaultError("shop_answer", f"orders: {err}") from err
        following = _NEXT.search(said.headers.get("link", ""))
        if following is None:
            return found
        query = (("limit", str(PAGE)), ("page_info", unquote(following[1])))
    raise ShopFaultError("shop_answer", f"more than {PAGES_MAX} pages of orders")
