"""Somebody walks through a door; now and then the broker brings an old message again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 3


def act(world: "World") -> bool:
    """Count."""
    rng = world.rng
    counter = rng.choice(world.people.counters)
    if rng.random() < 0.1:
        return counter.repeat()
    counter.count(rng.randint(0, 5), rng.randint(0, 5))
    return True
