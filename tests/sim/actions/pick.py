"""A shop takes the goods of a promise off the shelf. Only where the auditor of effects counts picks: they move stock."""

from typing import TYPE_CHECKING

from tests.sim.auditors import effects

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 2


def act(world: "World") -> bool:
    """Pick one that the shop knows and nobody has ended there."""
    hub = world.rng.choice(world.hubs)
    if "promise_end" not in effects.WITH_EFFECTS or hub.hub is None:
        return False
    known = hub.disk.rows(
        "SELECT promise_id FROM promise WHERE body ->> 'keeper' = ? AND promise_id NOT IN (SELECT promise_id FROM promise_end)",
        hub.rep,
    )
    orders = [world.web_shop.orders[promise_id] for (promise_id,) in known]
    if not orders:
        return False
    world.web_shop.pick(hub, world.rng.choice(orders))
    return True
