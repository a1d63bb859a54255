"""A machine dies between two statements of a write job, or of the commit around it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 3
MEETS = ("crash at a statement",)


def strike(world: "World") -> bool:
    """Die before a drawn statement."""
    node = world.rng.choice(world.nodes)
    if not node.is_up:
        return False
    node.disk.cut_after(world.rng.randint(0, 40))
    return True
