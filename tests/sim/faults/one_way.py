"""A shop's line passes one way only."""

from typing import TYPE_CHECKING

from tests.sim.network import Way

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("one-way cut, up", "one-way cut, down")


def strike(world: "World") -> bool:
    """Cut one way."""
    shop = world.rng.choice(world.hubs).name
    ways: tuple[Way, ...] = ("up", "down")
    way = world.rng.choice(ways)
    world.network.close_way(shop, way, f"one-way cut, {way}")
    world.until_healed(lambda: world.network.open_way(shop, way), ms=(500, 100_000))
    return True
