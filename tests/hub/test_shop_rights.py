"""Rights at the shop: what it may sell by itself is known without anything written at the till, before a fold and after it."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.config import parse_config
from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.stock import rights
from hub.store.stock.availability import Shelf, standings
from hub.store.stock.promises import pick, release
from hub.store.stock.reservations import hold
from hub.store.stock.rights import Rule
from sync.errors import ConfigError, RuleError
from sync.retail.stock.promises import PROMISE, PromiseFact
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.reservations import Reservation, ReservationLine
from sync.retail.stock.rights import SpendPolicy
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.testing.sim_database import run_now
from tests.sync.rights_ends import HERE, PLACE, Ends
from tests.sync.rights_machines import SKU

CLOUD = "cloud:0000000000000001"


@pytest.fixture
def shop() -> Ends:
    """A shop with ten pieces, five of them granted to the cloud."""
    ends = Ends(Policy())
    ends.receive(10)
    ends.settle()
    return ends


def write(shop: Ends, job: Any) -> Any:
    return run_now(shop.hub.db.write(job))


def promised(shop: Ends, promise_id: str, qty: int, *, keeper: str = "") -> None:
    fact = PromiseFact(
        promise_id=promise_id,
        order_id="o1",
        sku=SKU,
        store="hk01",
        location="shop",
        n=qty,
        holder=CLOUD,
        keeper=keeper or shop.me,
        seq=1,
        made_at="2026-09-21T10:00:00Z",  # type: ignore[arg-type]
    )
    seq = shop.made = shop.made + 1

    def job(tx: Any) -> None:
        cloud = replica_id(tx, CLOUD, now_ms=1)
        apply_rows(tx, PROMISE.stream, [(seq, msgspec.json.encode(fact))], replica=cloud, rep=CLOUD)

    write(shop, job)


def right(shop: Ends) -> int:
    return rights.right_of(shop.hub.db.read, shop.hub.replica, HERE)


def test_strict_refuses_what_goes_beyond_the_right_and_writes_nothing(shop: Ends) -> None:
    shop.rights.rule = Rule(policy=shop.policy, spend=SpendPolicy.STRICT)
    shop.sell(5)
    before = shop.hub_disk.value("SELECT count(*) FROM sale")

    with pytest.raises(RefusedError) as refused:
        shop.sell(1)
    assert (refused.value.code, refused.value.pointer) == ("no_right", "/lines/0/qty")
    assert shop.hub_disk.value("SELECT count(*) FROM sale") == before


def test_strict_books_what_has_already_happened(shop: Ends) -> None:
    shop.rights.rule = Rule(policy=shop.policy, spend=SpendPolicy.STRICT)

    assert shop.sell(6, offline=True) == ("overdraw",)


def test_a_sale_writes_nothing_for_rights(shop: Ends) -> None:
    tables = ("stock_grant", "spent_right", "passed_right", "level", "right_looked")
    before = [shop.hub_disk.rows(f"SELECT * FROM {table}") for table in tables]
    shop.sell(7)

    assert [shop.hub_disk.rows(f"SELECT * FROM {table}") for table in tables] == before
    assert right(shop) == -2


def test_the_figure_on_hand_and_the_facts_give_the_same_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: with one life, the cached figure is exact; it is checked against level and facts at every step."""
    rng, shop = random.Random(7), Ends(Policy())
    for n in range(60):
        promised(shop, f"q{n}", 1)
        deed = rng.choice(
            (
                lambda: shop._move(rng.randint(1, 4)),
                lambda: shop._move(-1),
                lambda at=n: write(shop, lambda tx: pick(tx, shop.hub.replica, f"q{at}", now_ms=1)),
                lambda: run_now(shop.hub.replication.fold_now()),
            )
        )
        deed()
        quick = right(shop)
        with monkeypatch.context() as patched:
            patched.setattr(rights, "_is_first_life", lambda *_: False)
            assert right(shop) == quick, f"seed 7, step {n}"


def test_a_pick_takes_goods_and_no_right_and_is_written_once(shop: Ends) -> None:
    promised(shop, "q1", 2)
    before = right(shop)
    first = write(shop, lambda tx: pick(tx, shop.hub.replica, "q1", now_ms=1))
    again = write(shop, lambda tx: pick(tx, shop.hub.replica, "q1", now_ms=2))

    assert (first.on_hand, first.repeated, again.repeated) == (8, False, True)
    assert right(shop) == before
    assert shop.hub_disk.value("SELECT on_hand FROM stock WHERE sku = ?", SKU) == 8


def test_what_is_picked_is_not_released_and_what_is_released_is_not_picked(shop: Ends) -> None:
    for name in ("q1", "q2"):
        promised(shop, name, 1)
    write(shop, lambda tx: pick(tx, shop.hub.replica, "q1", now_ms=1))
    write(shop, lambda tx: release(tx, shop.hub.replica, "q2", why="called off", now_ms=1))

    assert write(shop, lambda tx: release(tx, shop.hub.replica, "q1", why="", now_ms=2)).ending == "picked"
    with pytest.raises(ConflictError):
        write(shop, lambda tx: pick(tx, shop.hub.replica, "q2", now_ms=2))


def test_only_the_keeper_ends_a_promise(shop: Ends) -> None:
    promised(shop, "q1", 1, keeper="cloud")

    with pytest.raises(ConflictError, match="cloud"):
        write(shop, lambda tx: pick(tx, shop.hub.replica, "q1", now_ms=1))
    with pytest.raises(NotFoundError):
        write(shop, lambda tx: pick(tx, shop.hub.replica, "none", now_ms=1))


def test_no_grant_goes_beyond_what_others_can_see(shop: Ends) -> None:
    """Goods that have come in, but are in no level yet, would be a debt to whoever sees the grant first."""
    shop._move(20)

    assert right(shop) == 25
    assert rights.grantable(shop.hub.db.read, shop.hub.replica, HERE) == 5
    with pytest.raises(RuleError):
        write(shop, lambda tx: rights.grant(tx, shop.hub.replica, HERE, CLOUD, 6))


def test_safety_stock_and_reservations_are_not_available(shop: Ends) -> None:
    shelf = Shelf(shop.hub.replica, "shop", Rule(policy=Policy(safety_stock=2)), 2, shop.now_ms)
    said = Reservation(reservation_id="r1", lines=(ReservationLine(SKU, 1),), basket_id="b1")
    before = standings(shop.hub.db.read, shelf, [SKU])[SKU]
    write(shop, lambda tx: hold(tx, shelf, said, till_id="t1", hold_s=60))
    after = standings(shop.hub.db.read, shelf, [SKU])[SKU]

    assert (before.right, before.available) == (5, 3)
    assert (after.right, after.available, after.on_hand) == (5, 2, 10)
    over = Shelf(shelf.own, "shop", shelf.rule, 2, shop.now_ms + 60_000)
    assert standings(shop.hub.db.read, over, [SKU])[SKU].available == 3, "its time is over"


def test_the_section_of_the_file_becomes_the_rule() -> None:
    store = {"id": "hk01", "name_zh_hant": "a", "name_en": "a", "currency": "HKD"}
    config = parse_config({"store": store, "rights": {"policy": "strict", "safety_stock": 3}}, base=Path("/"))

    assert config.rights == Rule(policy=Policy(safety_stock=3), spend=SpendPolicy.STRICT)
    with pytest.raises(ConfigError):
        parse_config({"store": store, "rights": {"policy": "loose"}}, base=Path("/"))


def test_what_was_short_of_a_pick_stays_and_its_right_goes_back_to_the_cloud(shop: Ends) -> None:
    """Head office's own audit is the judge: rights and promises come to what is there."""
    assert shop.promise(3) == "created"
    promise_id = f"p{shop.made}"
    shop.settle()
    before = shop.contact.account(PLACE)
    shop.pick(promise_id, left=2)
    shop.settle()
    after = shop.contact.account(PLACE)

    assert (after.on_hand, after.unpicked, after.difference) == (before.on_hand - 1, before.unpicked - 3, None)
    rights_of = [{each.rep: each.right for each in account.holders} for account in (before, after)]
    assert sum(rights_of[1].values()) == sum(rights_of[0].values()) + 2
