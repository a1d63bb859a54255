"""A disk takes no COMMIT for a while."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1
MEETS = ("I/O error at COMMIT",)


def strike(world: "World") -> bool:
    """Let every COMMIT fail."""
    node = world.rng.choice(world.nodes)
    if not node.is_up:
        return False
    before = node.log["outcome_unknown"]
    node.disk.fail_commits()

    def free() -> None:
        node.disk.free()
        if node.log["outcome_unknown"] > before:
            world.meet("I/O error at COMMIT")

    world.until_healed(free, ms=(500, 15_000))
    return True
