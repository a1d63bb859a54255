"""A customer of the web shop calls an order off; now and then twice."""

from typing import TYPE_CHECKING

from tests.sim.web_shop import web_shop_of

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1


def act(world: "World") -> bool:
    """Call off one that was promised, as far as the web shop knows."""
    shop = web_shop_of(world)
    orders = [order for order in shop.orders.values() if order.status == "promised" and not order.ending]
    if not orders:
        return False
    shop.cancel(world.rng.choice(orders))
    return True
