"""Somebody orders in the web shop; sometimes more than is left, sometimes the last piece, for which the shop is asked."""

from typing import TYPE_CHECKING

from sync.cloud.rights.promises import PromiseRequest
from tests.sim.goods import SKUS

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 3


def act(world: "World") -> bool:
    """Order one SKU of one store."""
    rng, shop = world.rng, world.web_shop
    n = len(shop.orders) + 1
    shop.order(
        PromiseRequest(
            promise_id=f"p{n}",
            order_id=f"o{n}",
            sku=rng.choice(SKUS),
            store=rng.choice(world.hubs).store,
            qty=rng.randint(1, 3),
            keeper=rng.choice(("store", "cloud")),
            ask=rng.random() < 0.3,
        )
    )
    return True
