"""A card takes a second for a commit: jobs gather in groups, everything else overtakes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1
MEETS = ("slow card",)


def strike(world: "World") -> bool:
    """Be slow for a while."""
    node = world.rng.choice(world.nodes)
    usual_ms = world.options.commit_ms_max
    node.commit_ms_max = 1_500

    def hurry() -> None:
        node.commit_ms_max = usual_ms

    world.until_healed(hurry, ms=(2_000, 30_000))
    return True
