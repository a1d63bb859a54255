"""What a till may promise where rights are shared: its own right and no more, whatever lies on the shelf."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.config import parse_config
from hub.errors import RefusedError
from hub.store.catalogue.products import put_products
from hub.store.model import Entry, StockView
from hub.store.replica.lives import begin_life
from hub.store.stock import rights
from hub.store.stock.availability import Shelf, Standing, put_safety_stock, standings
from hub.store.stock.rights import Rule
from sync.errors import ConfigError
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.sales import Override, Sale, SaleLine, Tender
from sync.retail.stock.promises import PROMISE, PromiseFact
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.rights import SpendPolicy
from sync.retail.stock.stock import Component
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.testing.sim_database import run_now
from tests.sync.rights_ends import HERE, Ends
from tests.sync.rights_machines import SKU

FREE = Override("goods without a price are not what is tested here")

CLOUD = "cloud:0000000000000001"


@pytest.fixture
def ends() -> Ends:
    """A shop with ten pieces, five of them granted to the cloud."""
    found = Ends(Policy())
    found.receive(10)
    found.settle()
    return found


def standing(ends: Ends, **fields: Any) -> Standing:
    shelf = Shelf(ends.hub.replica, "shop", ends.rule, 0, ends.now_ms)
    return standings(ends.hub.db.read, replace(shelf, **fields), [SKU])[SKU]


def test_what_was_granted_is_on_the_shelf_and_not_the_tills_to_promise(ends: Ends) -> None:
    assert standing(ends).view == StockView(10, 5, 0)
    ends.sell(7)
    assert standing(ends).view == StockView(3, 0, 0), "in debt nothing is promised"


def test_open_promises_of_orders_are_told(ends: Ends) -> None:
    fact = PromiseFact(
        promise_id="p1",
        order_id="o1",
        sku=SKU,
        store="hk01",
        location="shop",
        n=2,
        holder=CLOUD,
        keeper=ends.me,
        seq=1,
        made_at="2026-09-21T10:00:00Z",  # type: ignore[arg-type]
    )

    def job(tx: Any) -> None:
        cloud = replica_id(tx, CLOUD, now_ms=1)
        apply_rows(tx, PROMISE.stream, [(1, msgspec.json.encode(fact))], replica=cloud, rep=CLOUD)

    run_now(ends.hub.db.write(job))

    assert standing(ends).view == StockView(10, 5, 2)


def test_a_new_life_promises_nothing_until_rights_pass_to_it_but_a_shop_without_rights_sells_on() -> None:
    ends = Ends(Policy())
    ends.receive(10)
    own = ends.hub.replica
    reborn = run_now(
        ends.hub.db.write(
            lambda tx: begin_life(tx, own, peer="peer", incarnation="00000000000000b1", why="test", now_ms=1)
        )
    )
    run_now(ends.hub.db.write(lambda tx: tx.execute("DELETE FROM stock_movement")))  # as if the cloud had them all

    shared = standing(ends, own=reborn.replica)
    alone = standing(ends, own=reborn.replica, rule=None)

    assert (shared.right, shared.available, shared.on_hand) == (0, 0, 10)
    assert (alone.right, alone.available) == (None, 10)


@pytest.mark.parametrize(("said", "granted"), [(None, 5), (0, 5), (4, 5), (7, 3), (10, 0)])
def test_so_much_as_the_store_keeps_of_a_sku_is_not_granted(said: int | None, granted: int) -> None:
    ends = Ends(Policy())
    shelf = Shelf(ends.hub.replica, "shop", ends.rule, 0, ends.now_ms)
    run_now(ends.hub.db.write(lambda tx: put_safety_stock(tx, shelf, SKU, said)))
    ends.receive(10)
    ends.settle()

    assert rights.right_of(ends.hub.db.read, ends.hub.replica, HERE) == 10 - granted
    assert standing(ends).safety_stock == (said or 0)


def test_a_kit_is_held_against_the_rights_to_its_parts(ends: Ends) -> None:
    parts = [Component(sku=SKU, qty=3)]
    kit = Entry(Product(sku="KIT", name=Name(en="Kit"), stocked=False, parts=parts), Price(1, "HKD"))
    own = ends.hub.replica
    run_now(ends.hub.db.write(lambda tx: put_products(tx, own, [kit], location="shop", now_ms=1)))
    lines = (SaleLine(1, SKU, 1, 0, per=1, override=FREE), SaleLine(2, "KIT", 2, 0, per=1, override=FREE))
    sale = Sale(sale_id="s1", till_id="t1", currency="HKD", lines=lines, tenders=(Tender("cash", 0),), total=0)

    ends.rights.rule = Rule(policy=ends.policy, spend=SpendPolicy.STRICT)
    with pytest.raises(RefusedError) as refused:
        run_now(ends.hub.db.write(ends.rights.sale_job(own, sale, print_to=None, now_ms=ends.now_ms)))
    ends.rights.rule = ends.rule
    run_now(ends.hub.db.write(ends.rights.sale_job(own, sale, print_to=None, now_ms=ends.now_ms)))

    assert (refused.value.code, refused.value.pointer) == ("no_right", "/lines/0/qty")
    assert rights.right_of(ends.hub.db.read, own, HERE) == 5 - 7


# the file

STORE = {"id": "hk01", "name_zh_hant": "a", "name_en": "a", "currency": "HKD"}


@pytest.mark.parametrize(
    ("sections", "safety_stock"),
    [({}, 0), ({"stock": {"safety_stock": 3}}, 3), ({"rights": {"safety_stock": 2}}, 2), ({"rights": {}}, 0)],
)
def test_the_shops_default_stands_in_one_place(sections: dict[str, Any], safety_stock: int) -> None:
    config = parse_config({"store": STORE, **sections}, base=Path("/"))

    assert config.safety_stock == safety_stock


def test_a_default_in_two_places_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="in \\[rights\\] only"):
        parse_config({"store": STORE, "rights": {}, "stock": {"safety_stock": 3}}, base=Path("/"))
