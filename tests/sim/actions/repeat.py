"""A till asks again what it was told already."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1


def act(world: "World") -> bool:
    """Repeat one of the last requests of a till, of its own hub."""
    rng = world.rng
    till = rng.choice(world.people.tills)
    told = [each for each in world.people.told if each.by == till.home.name and each.key.split("-")[1] == till.name]
    if not told:
        return False
    request = rng.choice(told[-10:])
    if f"{request.key} again" in till.open:
        return False
    till.ask_again(request)
    return True
