"""A shop's line is dead for a while: nothing passes either way."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 3
MEETS = ("partition",)


def strike(world: "World") -> bool:
    """Cut both ways."""
    shop = world.rng.choice(world.hubs).name
    network = world.network
    for way in ("up", "down"):
        network.close_way(shop, way, "partition")

    def heal() -> None:
        for way in ("up", "down"):
            network.open_way(shop, way)

    world.until_healed(heal, ms=(500, 150_000))
    return True
