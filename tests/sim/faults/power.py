"""The power goes while nothing in particular happens."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("power cut",)


def strike(world: "World") -> bool:
    """Die now."""
    node = world.rng.choice(world.nodes)
    if not node.is_up:
        return False
    node.die("power cut")
    world.meet("power cut")
    return True
