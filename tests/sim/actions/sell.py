"""A till sells: one to three lines, sometimes off line, sometimes of an unknown product, sometimes under its own number."""

from typing import TYPE_CHECKING

from hub.api.selling.sales import SaleRequest, post_sale
from sync.retail.selling.sales import SaleLine, Tender
from tests.sim.actions.take_back import take_back
from tests.sim.goods import CURRENCY
from tests.sim.hub_node import PRINTER

if TYPE_CHECKING:
    from tests.sim.world import World

WEIGHT = 10


def act(world: "World") -> bool:
    """Sell something that this till's hub knows."""
    rng = world.rng
    till = rng.choice(world.people.tills)
    known = till.home.disk.rows(
        "SELECT product.sku, amount_minor FROM product JOIN price ON price.sku = product.sku ORDER BY product.sku"
    )
    if not known:
        return False
    chosen = rng.sample(known, min(len(known), rng.randint(1, 3)))
    if rng.random() < 0.02:
        chosen.append(("NO-SUCH", 100))
    lines = tuple(SaleLine(n, sku, rng.randint(1, 4), amount) for n, (sku, amount) in enumerate(chosen, 1))
    total = sum(line.qty * line.unit_price for line in lines)
    key = till.new_id("sale")
    sale = SaleRequest(
        sale_id=key,
        till_id=till.name,
        currency=CURRENCY,
        lines=lines,
        tenders=(Tender("card", total),),
        total=total,
        offline=rng.random() < 0.1,
        receipt_no=f"{till.name}.own.{till.made}" if rng.random() < 0.05 else None,
        seen=till.seen.get((till.home.last_rep, "sales")) if rng.random() < 0.5 else None,
        print=PRINTER if rng.random() < 0.2 else False,
    )
    regrets = rng.randrange(100) < world.options.regret_pct

    def then() -> None:
        take_back(world, till, world.people.sold[till.home.name][-1])

    till.ask("sale", key, post_sale, sale, then=then if regrets else None)
    return True
