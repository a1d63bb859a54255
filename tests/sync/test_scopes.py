"""Scopes from one end to the other: the cloud's books and the hub's, a session between them, no sockets."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from hub.store.catalogue.products import put_products
from hub.store.model import Entry as OwnEntry
from hub.store.model import Shop
from hub.store.selling.sales import sale_job
from sync.retail.names import Name
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.scope_rows import Gone, PutBy, Whole, base_of, is_scoped, read_scope_row, write_scope_row
from sync.testing.sim_database import run_now
from tests.sync.scope_world import World, entry

BOTH = {"product", "price"}


def shown(world: World, store: str = "hk01") -> set[str]:
    """SKUs that a till finds with a price."""
    found = world.hubs[store].shown()
    return {sku for _, sku in found if {(entity, sku) for entity in BOTH} <= found}


@pytest.fixture
def world() -> World:
    """Two stores that sell tea and cups, priced in HKD but for one."""
    world = World("hk01", "hk02")
    world.define("tea", categories=["tea"])
    world.define("hk", currency="HKD")
    world.define("cups", categories=["cups"])
    world.sell(
        entry("TEA-1", category="tea"),
        entry("TEA-2", category="tea"),
        entry("CUP-1", category="cups"),
        entry("CUP-2", currency="TWD", category="cups"),
    )
    return world


def test_without_a_definition_a_store_gets_the_plain_stream_as_before(world: World) -> None:
    world.settle()

    assert world.hubs["hk01"].streams == {"catalogue"}
    assert shown(world) == {"TEA-1", "TEA-2", "CUP-1"}


def test_a_store_gets_what_its_scope_takes_and_nothing_else_travels(world: World) -> None:
    world.give("hk01", catalogue="tea")
    world.settle()

    (stream,) = world.hubs["hk01"].streams
    assert is_scoped(stream) and base_of(stream) == "catalogue"
    assert world.hubs["hk01"].shown() == {(entity, sku) for entity in BOTH for sku in ("TEA-1", "TEA-2")}
    assert shown(world, "hk02") == {"TEA-1", "TEA-2", "CUP-1"}


def test_prices_in_a_foreign_currency_do_not_travel(world: World) -> None:
    world.give("hk01", catalogue="hk")
    world.settle()

    hub = world.hubs["hk01"]
    assert ("price", "CUP-2") not in hub.shown() and ("product", "CUP-2") in hub.shown()
    assert hub.file.execute("SELECT count(*) FROM unknown_row").fetchone() == (0,)


def test_stores_with_the_same_definition_share_a_scope_whatever_it_is_called(world: World) -> None:
    world.define("leaves", categories=["tea"])
    world.gets["hk02"] = {"catalogue": "leaves"}
    world.give("hk01", catalogue="tea")
    world.settle()

    assert world.hubs["hk01"].streams == world.hubs["hk02"].streams
    assert world.cloud_file.execute("SELECT count(*) FROM scope").fetchone() == (1,)


def test_a_product_comes_and_goes_as_head_office_moves_it(world: World) -> None:
    world.give("hk01", catalogue="tea")
    world.settle()
    world.sell(entry("TEA-2", category="cups"), entry("CUP-1", category="tea"))
    world.settle()
    after_the_move = shown(world)
    world.sell(entry("TEA-2", category="tea"))
    world.settle()

    assert after_the_move == {"TEA-1", "CUP-1"}
    assert shown(world) == {"TEA-1", "TEA-2", "CUP-1"}


def test_a_product_that_has_left_is_not_found_and_keeps_its_history(world: World) -> None:
    world.give("hk01", catalogue="tea")
    world.settle()
    world.sell(entry("TEA-2", category="cups"))
    world.settle()

    file = world.hubs["hk01"].file
    assert file.execute("SELECT name_en, gone, seq < 0 FROM product WHERE sku = 'TEA-2'").fetchone() == ("TEA-2", 1, 1)
    assert file.execute("SELECT count(*) FROM product_text").fetchone() == (1,)


def test_a_changed_definition_replaces_the_old_one_when_all_of_it_has_come(world: World) -> None:
    world.give("hk01", catalogue="tea")
    world.settle()
    world.give("hk01", catalogue="cups")
    hub = world.hubs["hk01"]
    hub.connect()
    while not any("catalogue@" in getattr(frame, "stream", "") for frame in hub.wires.get("dialler", ())):
        assert hub.deliver("acceptor") or hub.deliver("dialler")
    before_the_snapshot = shown(world)
    world.settle()

    assert before_the_snapshot == {"TEA-1", "TEA-2"}
    assert hub.shown() == {("product", "CUP-1"), ("product", "CUP-2"), ("price", "CUP-1")}


def test_an_empty_scope_takes_everything_away(world: World) -> None:
    world.define("none", categories=["furniture"])
    world.give("hk01", catalogue="tea")
    world.settle()
    world.give("hk01", catalogue="none")
    world.settle()

    assert world.hubs["hk01"].shown() == set()


def test_a_store_whose_restriction_is_lifted_gets_back_what_had_left(world: World) -> None:
    world.settle()
    world.give("hk01", catalogue="tea")
    world.settle()
    world.give("hk01")
    world.settle()

    assert shown(world) == {"TEA-1", "TEA-2", "CUP-1"}
    words = "SELECT count(*) FROM product_text"
    assert world.hubs["hk01"].file.execute(words).fetchone() == (4,)


def test_a_definition_that_comes_back_is_another_stream(world: World) -> None:
    """What left it while nobody had it is not known: its cursors must not be gone on from."""
    world.give("hk01", catalogue="tea")
    world.settle()
    world.give("hk01", catalogue="cups")
    world.sell(entry("TEA-2", category="cups"))
    world.give("hk01", catalogue="tea")
    world.settle()

    assert shown(world) == {"TEA-1"}
    assert len(world.hubs["hk01"].streams) == 2


def test_a_snapshot_goes_on_where_the_line_broke(world: World) -> None:
    world.sell(*(entry(f"TEA-{n:04}", category="tea") for n in range(1000)))
    world.give("hk01", catalogue="tea")
    hub = world.hubs["hk01"]
    for _ in range(40):
        hub.connect()
        for _ in range(6):
            if not (hub.deliver("acceptor") or hub.deliver("dialler")):
                break
        hub.cut()
    world.settle()

    assert len(shown(world)) == 1002


def test_rows_that_move_to_the_end_during_a_snapshot_are_not_taken_for_missing(world: World) -> None:
    """A row that the cloud writes again while the snapshot is on its way stands behind the head that was seen first."""
    world.sell(*(entry(f"TEA-{n:04}", category="tea") for n in range(600)))
    world.give("hk01", catalogue="tea")
    world.settle()
    world.define("leaves", categories=["tea", "leaves"])
    world.give("hk01", catalogue="leaves")
    hub, seen = world.hubs["hk01"], []
    hub.connect()
    for n in range(400):
        if n % 3 == 0:
            world.sell(entry(f"TEA-{n:04}", amount=200 + n, category="tea"))
        if not (hub.deliver("acceptor") or hub.deliver("dialler")):
            world.let_pass()
        seen.append(len(shown(world)))
    world.settle()

    assert set(seen) == {602}


def test_what_a_store_wrote_itself_leaves_when_it_is_not_in_its_scope(world: World) -> None:
    hub = world.hubs["hk01"]
    own = [OwnEntry(each.product, each.price) for each in (entry("OWN-1", category="tea"), entry("OWN-2"))]
    run_now(hub.db.write(lambda tx: put_products(tx, hub.replica, own, location="shop", now_ms=1)))
    world.give("hk01", catalogue="tea")
    world.settle()

    assert shown(world) == {"TEA-1", "TEA-2", "OWN-1"}
    assert "OWN-2" in shown(world, "hk02")


def test_another_life_of_the_cloud_takes_nothing_away(world: World) -> None:
    """A cloud restored to yesterday serves the same scope without today's product: it stays, and comes back to the cloud."""
    world.give("hk01", catalogue="tea")
    world.settle()
    yesterday = world.cloud_file.serialize()
    world.sell(entry("TEA-9", category="tea"))
    world.settle()
    world.restore_cloud(yesterday)
    for _ in range(3):
        world.settle()

    assert "TEA-9" in shown(world)
    back = world.cloud_file.execute("SELECT count(*) FROM register WHERE sku = 'TEA-9'").fetchone()
    assert back == (2,)


@pytest.mark.parametrize(
    ("row", "body"),
    [
        (Gone("product", ("TEA-1",)), b'{"@":"gone","entity":"product","key":["TEA-1"]}'),
        (Whole(), b'{"@":"whole"}'),
    ],
)
def test_rows_of_a_scope_are_what_the_document_says(row: Any, body: bytes) -> None:
    assert (write_scope_row(row), read_scope_row(body)) == (body, row)
    assert read_scope_row(b'{"sku":"A"}') is None
    put = read_scope_row(b'{"@":"put","by":"hk02:aa","row":{"n":1}}')
    assert isinstance(put, PutBy) and bytes(put.row) == b'{"n":1}'


def test_the_shop_sells_while_the_snapshot_is_on_its_way(world: World) -> None:
    """From the first second: what has come at its price, what has not as an open item."""
    world.sell(*(entry(f"TEA-{n:04}", category="tea") for n in range(4000)))
    world.give("hk01", catalogue="tea")
    hub = world.hubs["hk01"]
    shop = Shop(store_id="hk01", name=Name(en="x"), zone=ZoneInfo("Asia/Hong_Kong"), currency="HKD")
    sold = []
    hub.connect()
    while len(shown(world)) < 4002 and (hub.deliver("acceptor") or hub.deliver("dialler")):
        come = hub.file.execute("SELECT sku FROM price WHERE sku LIKE 'TEA-%' ORDER BY sku DESC LIMIT 1").fetchone()
        line = SaleLine(line=1, sku=come[0] if come else "OPEN", qty=1, unit_price=100, open_item=come is None)
        sale = Sale(
            sale_id=f"s{len(sold):08}",
            till_id="t1",
            currency="HKD",
            lines=(line,),
            tenders=(Tender(type="cash", amount=100),),
            total=100,
        )
        job = sale_job(hub.books.replica, shop, sale, print_to=None, now_ms=world.wall_ms())
        sold.append(run_now(hub.db.write(job)).status)
    world.settle()

    assert len(sold) > 8 and set(sold) == {"created"}
    assert len(shown(world)) == 4002
    at_the_cloud = "SELECT count(*) FROM fact_key JOIN feed ON feed.id = fact_key.stream WHERE feed.stream = 'sales'"
    assert world.cloud_file.execute(at_the_cloud).fetchone() == (len(sold),)


@pytest.mark.parametrize("catalogue", ["tea", ""])
def test_a_snapshot_streams_at_full_speed_also_when_its_rows_are_large(world: World, catalogue: str) -> None:
    """State streams are paced where they end, not where a batch was cut by its bytes. No time passes here."""
    long = {f"a{n}": "茶" * 64 for n in range(8)}
    entries = [entry(f"TEA-{n:04}", category="tea") for n in range(1000)]
    name = Name("茶" * 200, "tea")
    world.sell(*(replace(each, product=replace(each.product, attributes=long, name=name)) for each in entries))
    world.gets["hk01"] = {"catalogue": catalogue} if catalogue else {}
    world.start_cloud()
    hub = world.hubs["hk01"]
    hub.connect()
    hub.deliver_all()

    assert len(hub.file.execute("SELECT sku FROM product WHERE sku LIKE 'TEA-%'").fetchall()) == 1002


def test_a_cloud_restored_together_with_another_definition_notices_that_it_was(world: World) -> None:
    """It gives numbers that were given before; under the same name they would be taken for what the store has."""
    world.give("hk01", catalogue="tea")
    world.settle()
    yesterday, life = world.cloud_file.serialize(), world.cloud.replica
    world.sell(entry("TEA-8", category="tea"), entry("TEA-9", category="tea"))
    world.settle()
    world.gets["hk01"] = {"catalogue": "cups"}
    world.restore_cloud(yesterday)
    world.sell(entry("CUP-8", category="cups"), entry("CUP-9", category="cups"))
    for _ in range(3):
        world.settle()

    assert world.cloud.replica != life
    assert {"CUP-8", "CUP-9"} <= shown(world)
