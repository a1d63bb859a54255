"""A hub of the newer program gives goods away for a taste: a fact of a stream that an older program does not know."""

from typing import TYPE_CHECKING

from tests.sim.goods import SKUS
from tests.sim.versions import give_sample

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 4


def is_for(world: "World") -> bool:
    """Where programs differ."""
    return world.options.has_versions


def act(world: "World") -> bool:
    """Give a piece or two; nobody asks again where there is no answer."""
    rng = world.rng
    node = rng.choice(world.hubs)
    if node.hub is None or node.program is None or node.program.version == 1:
        return False
    hub, key = node.hub, f"sample-{sum(world.done.values())}"
    sku, qty, location = rng.choice(SKUS), rng.randint(1, 2), node.hub.shop.location
    world.note(node.name, f"gives {key}")
    world.tell("sample", node, key, sku, qty)
    job = hub.db.write(lambda tx: give_sample(tx, hub.replica, key, sku, qty, location=location))
    node.run(lambda: node.spawn(job, done=lambda _: world.tell("sampled", node, key)))
    return True
