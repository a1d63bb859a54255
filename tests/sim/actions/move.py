"""Goods come to a shop, or are corrected."""

from typing import TYPE_CHECKING

from hub.api.catalogue import post_movement
from hub.store.stock import Movement

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 3


def act(world: "World") -> bool:
    """Move one product."""
    rng = world.rng
    room = rng.choice(world.people.stockrooms)
    known = room.home.disk.rows("SELECT sku FROM product WHERE stocked = 1 ORDER BY sku")
    if not known:
        return False
    key = room.new_id("move")
    qty = rng.choice((rng.randint(1, 40), rng.randint(1, 40), -rng.randint(1, 5)))
    movement = Movement(key, rng.choice(known)[0], qty, "receive" if qty > 0 else "adjust")
    room.ask("movement", key, post_movement, movement)
    return True
