"""A machine dies at a named moment of the product: between two steps of a commit, of a start, of an apply."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 4
MEETS = (
    "crash at commit.before",
    "crash at commit.after",
    "crash at job.done",
    "crash at cloud.applied",
    "crash at sale.written",
)


def strike(world: "World") -> bool:
    """Arm one of the failpoints that a machine has passed already."""
    node = world.rng.choice(world.nodes)
    if not node.is_up or not node.seen_failpoints:
        return False
    node.arm(world.rng.choice(sorted(node.seen_failpoints)), nth=world.rng.randint(1, 3))
    return True
