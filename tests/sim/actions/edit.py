"""Head office edits products and prices."""

from typing import TYPE_CHECKING

from tests.sim.goods import SERVICE, SKUS, Entry

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2


def act(world: "World") -> bool:
    """Edit one to three products, sometimes a new one."""
    rng, office = world.rng, world.people.office
    if not office.edits:  # the first day has not begun
        return False
    free = [sku for sku in (*SKUS, SERVICE, f"NEW-{office.edits:03}") if sku not in office.open]
    wanted = rng.sample(free, min(len(free), rng.randint(1, 3)))
    if not wanted:
        return False
    office.edit([Entry(sku, f"{sku} edit {office.edits}", rng.randint(1, 9_999)) for sku in wanted])
    return True
