"""The two hubs of a store do not reach each other; both sell."""

from typing import TYPE_CHECKING

from tests.sim.beside import LAN

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("cut beside",)


def strike(world: "World") -> bool:
    """Cut both ways."""
    if world.beside is None:
        return False
    network = world.network
    for way in ("up", "down"):
        network.close_way(LAN, way, "cut beside")

    def heal() -> None:
        for way in ("up", "down"):
            network.open_way(LAN, way)

    world.until_healed(heal, ms=(500, 100_000))
    return True
