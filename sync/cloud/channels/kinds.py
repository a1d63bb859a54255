"""The kinds of shop that are talked to, each with its webhooks and its levels. A marketplace of files is none."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sync.cloud.channels import (
    shopify,
    shopify_levels,
    shopify_orders,
    woocommerce,
    woocommerce_levels,
    woocommerce_orders,
    woocommerce_refunds,
)
from sync.cloud.channels.calls import Conversation, ShopAnswer
from sync.cloud.channels.said import ChannelRefund, Level, Said, SetResult, Wanted
from sync.cloud.channels.settings import Channel


class ShopKind(NamedTuple):
    """What is different from shop to shop."""

    signature: str
    delivery: tuple[str, ...]
    topic: str
    read: Callable[[Channel, str, bytes], tuple[Said, ...]]
    headers: Callable[[Channel], Mapping[str, str]]
    levels: Callable[[Channel], Conversation[list[Level]]]
    set_levels: Callable[[Channel, Sequence[Wanted]], Conversation[list[SetResult]]]
    wait_s: Callable[[ShopAnswer], float]
    orders_since: Callable[[Channel, int], Conversation[list[bytes]]]
    listed_topic: str
    refunds_of: Callable[[Channel, str, str], Conversation[list[ChannelRefund]]] | None


SHOPS: Mapping[str, ShopKind] = {
    "shopify": ShopKind(
        shopify.SIGNATURE,
        shopify.DELIVERY,
        shopify.TOPIC,
        shopify.read,
        shopify_levels.headers,
        shopify_levels.levels,
        shopify_levels.set_levels,
        shopify_levels.wait_s,
        shopify_orders.orders_since,
        shopify_orders.LISTED_TOPIC,
        None,  # its webhooks name them
    ),
    "woocommerce": ShopKind(
        woocommerce.SIGNATURE,
        woocommerce.DELIVERY,
        woocommerce.TOPIC,
        woocommerce.read,
        woocommerce_levels.headers,
        woocommerce_levels.levels,
        woocommerce_levels.set_levels,
        woocommerce_levels.wait_s,
        woocommerce_orders.orders_since,
        woocommerce_orders.LISTED_TOPIC,
        woocommerce_refunds.refunds_of,
    ),
}
