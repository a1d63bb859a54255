"""A connection breaks; what was under way is lost, and one end may believe in it for a while."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 4
MEETS = ("connection cut with frames under way",)


def strike(world: "World") -> bool:
    """Break one of the connections, best at a moment when something is under way."""
    wires = [wire for wire in world.network.wires if wire.is_alive]
    if not wires:
        return False
    world.rng.choice(wires).cut()
    return True
