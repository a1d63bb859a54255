"""A hub of the newer program gives goods away for a taste: a fact of a stream that an older program does not know."""

from typing import TYPE_CHECKING

from tests.sim.goods import SKUS

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 4


def is_for(world: "World") -> bool:
    """Where programs differ."""
    return world.options.has_versions


def act(world: "World") -> bool:
    """Give a piece or two."""
    rng = world.rng
    node = rng.choice([till.home for till in world.people.tills])
    if node.hub is None or node.program is None or node.program.version == 1:
        return False
    world.samples.give(node, f"sample-{sum(world.done.values())}", rng.choice(SKUS), rng.randint(1, 2))
    return True
