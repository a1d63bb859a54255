"""A clock jumps by years, or back to 1970; it drifts by more than any crystal does. It stays as it is until it is set again."""

from typing import TYPE_CHECKING

from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("clock wrong while writing",)
YEAR_MS = 365 * 24 * 3_600_000
OFFSETS_MS = (-60 * YEAR_MS, -3 * YEAR_MS, -3_600_000, 3_600_000, 2 * YEAR_MS, 30 * YEAR_MS)


def strike(world: "World") -> bool:
    """Jump, or begin to drift; half of them are never put right."""
    node = world.rng.choice(world.nodes)
    commits = node.disk.connection.total_changes
    if world.rng.random() < 0.7:
        node.offset_ms = world.rng.choice(OFFSETS_MS)
    else:
        node.drift_ppm = world.rng.choice((-200_000, 500, 300_000))

    def put_right() -> None:
        _meet(world, node, commits)
        if world.rng.random() < 0.5:
            node.offset_ms = node.drift_ppm = 0.0

    world.until_healed(put_right, ms=(1_000, 120_000))
    return True


def _meet(world: "World", node: Node, changes: int) -> None:
    if node.disk.connection.total_changes > changes:
        world.meet("clock wrong while writing")
