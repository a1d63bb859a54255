"""A hub's machine loses its power, and its clock with it: it starts in 1970, with its line dead for a while. It must sell on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.hub_node import HubNode
    from tests.sim.world import World

WEIGHT = 2
MEETS = ("sold while unsure of the time",)


def strike(world: "World") -> bool:
    """Cut the line and the power; the clock stays wrong, as a Pi's does until somebody tells it."""
    hub = world.rng.choice([each for each in world.hubs if not each.is_retired])
    if not hub.is_up:
        return False
    for way in ("up", "down"):
        world.network.close_way(hub.name, way, "partition")
    hub.boots += 1
    hub.booted_ms = world.now_ms
    hub.offset_ms -= hub.wall_ms()
    marked = _marked(hub)
    hub.die("boots in 1970")

    def heal() -> None:
        if _marked(hub) > marked:
            world.meet("sold while unsure of the time")
        for way in ("up", "down"):
            world.network.open_way(hub.name, way)

    world.until_healed(heal, ms=(20_000, 150_000))
    return True


def _marked(hub: "HubNode") -> int:
    return int(hub.disk.value("SELECT count(*) FROM sale WHERE body LIKE '%clock_unsure%'"))
