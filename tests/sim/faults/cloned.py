"""A hub's card is copied into another machine; both go on, or only the copy does. The machine may say who it is, or not.

Of a hub that the cloud asks only one goes on: there is one address, and whoever does not have it is never heard of.
"""

from typing import TYPE_CHECKING

from tests.sim import versions
from tests.sim.disk import Disk
from tests.sim.hub_node import HubNode

if TYPE_CHECKING:
    from tests.sim.world import World

IS_FORK = True
WEIGHT = 2
MEETS = ("cloned card",)
HUBS_MAX = 6


def strike(world: "World") -> bool:
    """Copy a card."""
    rng = world.rng
    hub = world.to_fork()
    if hub.hub is None or len(world.hubs) >= HUBS_MAX:
        return False
    copy = HubNode(world, f"hub{len(world.hubs)}", hub.store, hub.mode)
    copy.config = hub.config
    copy.disk = Disk(hub.disk.image())
    copy.last_rep = hub.last_rep
    copy.log["opened"] = 1
    if hub.program is not None:
        versions.install(copy, hub.program)
    hub.expects = copy.expects = "cloned card"
    if hub.fingerprint:
        copy.fingerprint = f"machine of {copy.name}"
    world.hubs.append(copy)
    if rng.random() < 0.5 and hub.mode != "pull":
        world.people.add_hub(copy)
    else:
        hub.is_retired = True
        hub.die("its card is moved")
        world.people.move(hub, copy)
        world.cloud.move(hub, copy)
    copy.start()
    return True
