"""A disk has no room for a while; commits fail half-way, and whoever asked is told that there is no room."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("disk full", "reserve given")
RESERVE = 40  # pages: room for a few sales


def strike(world: "World") -> bool:
    """Leave room for at most a few pages; one in four has a reserve, by which the group is run again."""
    node = world.rng.choice(world.nodes)
    if not node.is_up:
        return False
    before = node.log["no_space"]
    pages, disk, given = world.rng.randint(0, 3), node.disk, node.disk.gave
    disk.fill(pages, reserve=RESERVE if pages == 3 else 0)

    def free() -> None:
        node.disk.free()
        if disk.gave > given:
            world.meet("reserve given")
        if node.log["no_space"] > before:
            world.meet("disk full")

    world.until_healed(free, ms=(1_000, 30_000))
    return True
