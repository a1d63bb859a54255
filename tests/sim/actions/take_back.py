"""A till takes goods back, of a sale it was told of; sometimes more than was sold, which must be refused.

Not here: a customer who regrets on the spot (sell.py).
"""

from typing import TYPE_CHECKING

from hub.api.selling.returns import ReturnRequest, post_return
from sync.retail.selling.returns import ReturnLine
from tests.sim.client import Client, Request

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 3


def act(world: "World") -> bool:
    """Take back a part of one line or two of one of the last sales."""
    rng = world.rng
    till = rng.choice(world.people.tills)
    sold = world.people.sold.get(till.home.name, [])
    if not sold:
        return False
    take_back(world, till, rng.choice(sold[-12:]))
    return True


def take_back(world: "World", till: Client, sale: Request) -> None:
    """Take back a part of a sale."""
    rng = world.rng
    lines = rng.sample(sale.body.lines, rng.randint(1, min(2, len(sale.body.lines))))
    key = till.new_id("return")
    back = ReturnRequest(
        return_id=key,
        till_id=till.name,
        sale_id=sale.key,
        lines=tuple(ReturnLine(line.line, rng.randint(1, line.qty + (rng.random() < 0.1))) for line in lines),
        reason="changed mind",
    )
    till.ask("return", key, post_return, back)
