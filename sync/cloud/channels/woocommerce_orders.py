"""WooCommerce: orders that have changed since a moment, for those whose webhooks never came. A conversation without I/O.

The list says orders in the very words of the webhooks. Source: WooCommerce REST API v3, Orders (`modified_after`).
"""

from datetime import UTC, datetime

import msgspec
from msgspec import Raw

from sync.cloud.channels.calls import Conversation, ShopCall, ShopFaultError
from sync.cloud.channels.settings import Channel
from sync.json_errors import NOT_JSON

PAGE = 100
PAGES_MAX = 1000
LISTED_TOPIC = "order.updated"

_orders = msgspec.json.Decoder(list[Raw]).decode


def orders_since(_channel: Channel, since_ms: int) -> Conversation[list[bytes]]:
    """Return orders as the shop says them."""
    since = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    found: list[bytes] = []
    for page in range(1, PAGES_MAX):
        asked = (("modified_after", since), ("dates_are_gmt", "true"), ("orderby", "id"), ("order", "asc"))
        pages = (("per_page", str(PAGE)), ("page", str(page)))
        said = yield ShopCall("GET", "/wp-json/wc/v3/orders", query=(*asked, *pages))
        try:
            part = [bytes(each) for each in _orders(said.body)]
        except NOT_JSON as err:
            raise ShopFaultError("shop_answer", f"orders: {err}") from err
        found += part
        if len(part) < PAGE:
            return found
    raise ShopFaultError("shop_answer", f"more than {PAGES_MAX} pages of orders")
