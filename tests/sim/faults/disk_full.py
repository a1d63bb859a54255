"""A disk has no room for a while; commits fail half-way, and whoever asked is told that there is no room."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("disk full",)


def strike(world: "World") -> bool:
    """Leave room for at most a few pages."""
    node = world.rng.choice(world.nodes)
    if not node.is_up:
        return False
    before = node.log["no_space"]
    node.disk.fill(world.rng.randint(0, 3))

    def free() -> None:
        node.disk.free()
        if node.log["no_space"] > before:
            world.meet("disk full")

    world.until_healed(free, ms=(1_000, 30_000))
    return True
