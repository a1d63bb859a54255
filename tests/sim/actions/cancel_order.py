"""A customer of the web shop calls an order off; now and then twice."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1


def act(world: "World") -> bool:
    """Call off one that was promised, as far as the web shop knows."""
    shop = world.web_shop
    orders = [order for order in shop.orders.values() if order.status == "promised" and not order.ending]
    if not orders:
        return False
    shop.cancel(world.rng.choice(orders))
    return True
