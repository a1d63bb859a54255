"""A shop writes down how to reach a member: a cell of a shared register, with the hub's stamp."""

from typing import TYPE_CHECKING

from hub.store.replica.clock import write_stamped
from sync.retail.people.members import MEMBER

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 1


def act(world: "World") -> bool:
    """Write one of a few cells at a hub that is up."""
    rng = world.rng
    node = rng.choice(world.hubs)
    if node.hub is None or not node.is_up:
        return False
    hub, key, field = node.hub, f"m{rng.randint(1, 3)}", rng.choice(("name", "email", "phone"))
    value, stamped, replica = f"as {node.name} knew at {world.now_ms}", hub.clock.stamp(), hub.replica
    world.tell("stamped", node, f"{key}.{field}", stamped)
    node.spawn(hub.db.write(lambda tx: write_stamped(tx, replica, MEMBER, key, {field: value}, stamped=stamped)))
    return True
