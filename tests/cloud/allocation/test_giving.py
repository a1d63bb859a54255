"""Orders are given to places by the rules; what one place does not send another does. Hubs' rows in, the cloud's HTTP out."""

from typing import Any

import pytest

from sync.cloud.allocation.availability import availability
from sync.cloud.rights.balance import differences

AUTOMATIC: dict[str, Any] = {"ask": False}
SPLIT = AUTOMATIC | {"split": True, "parcels_max": 2}


def free(chain: Any, sku: str = "TEA-01") -> int:
    return availability(chain.end.cloud.books.db.read, skus=[sku])[sku]


async def test_an_order_that_comes_in_is_given_to_a_place_that_holds_it_and_the_order_follows_its_parcel(
    chain_of: Any,
) -> None:
    chain = await chain_of(allocation=AUTOMATIC)
    await chain.stock("hk01", "TEA-01", 1)
    await chain.stock("hk02", "TEA-01", 10)
    made = await chain.order("w1")

    assert (made["state"], made["parcels"], free(chain)) == ("allocated", ["w1.1"], 9)
    assert await chain.parcels("w1") == [("w1.1", "hk02", "allocated")]
    parcel = await chain.seen("w1.1")
    assert (parcel["part_of"], parcel["store"], parcel["name"], parcel["address"]) == ("w1", "hk02", "Chan", "台北市")
    for state in ("picking", "ready", "shipped"):
        await chain.step("hk02", "w1.1", state)
        assert (await chain.seen("w1"))["state"] == state
    closed = await chain.seen("w1")
    assert (closed["name"], closed["steps"][-1]["state"], free(chain)) == ("", "shipped", 9)


async def test_why_a_place_was_chosen_and_others_were_not_is_said_in_both_languages(chain_of: Any) -> None:
    places = {"taipei": {"store": "hk01", "priority": 2}, "kaohsiung": {"store": "hk02", "priority": 1}}
    chain = await chain_of(allocation=AUTOMATIC, locations=places)
    await chain.stock("hk01", "TEA-01", 10)
    await chain.stock("hk02", "TEA-01", 10)
    await chain.order("w1")
    (run,) = (await chain.allocation("w1"))["runs"]

    assert run["said"] == {
        "en": "The order came in. It was given to kaohsiung.",
        "zh-Hant": "新訂單。 已派給 kaohsiung。",
    }
    first, second = run["candidates"]
    assert (first["place"], first["chosen"], second["place"], second["chosen"]) == ("kaohsiung", True, "taipei", False)
    assert second["said"]["en"] == "Comes after kaohsiung by priority: 2, not 1."
    assert second["said"]["zh-Hant"] == "優先順序 2，排在 kaohsiung（1）之後。"


async def test_the_nearer_place_sends_by_the_customers_district(chain_of: Any) -> None:
    rules = AUTOMATIC | {"criteria": ["distance"], "districts": {"807": [22.64, 120.31], "1": [25.04, 121.51]}}
    places = {
        "taipei": {"store": "hk01", "lat": 25.05, "lon": 121.54},
        "kaohsiung": {"store": "hk02", "lat": 22.63, "lon": 120.30},
    }
    chain = await chain_of(allocation=rules, locations=places)
    for store in ("hk01", "hk02"):
        await chain.stock(store, "TEA-01", 10)
    await chain.order("w1", to={"postal": "807"})
    await chain.order("w2", to={"postal": "106"})
    await chain.order("w3", to={"lat": 22.6, "lon": 120.3})

    assert [(await chain.parcels(name))[0][1] for name in ("w1", "w2", "w3")] == ["kaohsiung", "taipei", "kaohsiung"]
    (run,) = (await chain.allocation("w1"))["runs"]
    assert [each["distance_km"] for each in run["candidates"]] == [2, 296]


async def test_an_order_is_split_where_that_is_declared_and_its_end_is_that_of_all_parcels(chain_of: Any) -> None:
    chain = await chain_of(allocation=SPLIT)
    await chain.stock("hk01", "TEA-01", 3)
    await chain.stock("hk02", "CUP-01", 2)
    await chain.stock("hk02", "TEA-01", 1)
    await chain.order("w1", ("TEA-01", 4), ("CUP-01", 1))

    assert await chain.parcels("w1") == [("w1.1", "hk01", "allocated"), ("w1.2", "hk02", "allocated")]
    lines = [each["lines"] for each in (await chain.allocation("w1"))["parcels"]]
    assert [[(line["line"], line["qty"]) for line in each] for each in lines] == [[(1, 3)], [(1, 1), (2, 1)]]
    for state in ("picking", "ready", "shipped"):
        await chain.step("hk01", "w1.1", state)
    assert (await chain.seen("w1"))["state"] == "allocated"
    for state in ("picking", "ready", "shipped"):
        await chain.step("hk02", "w1.2", state)
    assert (await chain.seen("w1"))["state"] == "shipped"


async def test_without_splitting_an_order_waits_until_one_place_holds_all_of_it(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC)
    await chain.stock("hk01", "TEA-01", 3)
    await chain.stock("hk02", "TEA-01", 3)
    assert (await chain.order("w1", ("TEA-01", 4)))["state"] == "created"
    (item,) = (await chain.end.get("/cloud/v1/allocation/unfulfilled")).json["items"]
    assert (item["why"], item["lines"][0]["qty"]) == ("too_many_parcels", 4)
    await chain.look()
    assert len((await chain.allocation("w1"))["runs"]) == 1

    await chain.stock("hk02", "TEA-01", 5)
    await chain.look()
    assert await chain.parcels("w1") == [("w1.1", "hk02", "allocated")]
    assert (await chain.end.get("/cloud/v1/allocation/unfulfilled")).json["items"] == []


async def test_what_is_short_when_it_is_picked_is_sent_from_elsewhere_and_the_history_is_kept(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC, locations={"first": {"store": "hk01", "priority": 1}})
    await chain.stock("hk01", "TEA-01", 5)
    await chain.stock("hk02", "TEA-01", 5)
    await chain.order("w1", ("TEA-01", 3))
    await chain.step("hk01", "w1.1", "picking")
    await chain.step("hk01", "w1.1", "ready", short={1: 1})

    assert await chain.parcels("w1") == [("w1.1", "first", "ready"), ("w1.2", "hk02", "allocated")]
    seen = await chain.allocation("w1")
    assert (seen["parcels"][1]["lines"][0]["qty"], seen["left"]) == (1, [])
    assert [run["why"] for run in seen["runs"]] == ["new", "short"]
    tried = next(each for each in seen["runs"][1]["candidates"] if each["place"] == "first")
    assert (tried["code"], tried["said"]["zh-Hant"]) == ("tried", "已派過此單，無法出貨。")
    await chain.step("hk01", "w1.1", "shipped", short={1: 1})
    for state in ("picking", "ready", "shipped"):
        await chain.step("hk02", "w1.2", state)
    closed = await chain.seen("w1")
    assert (closed["state"], closed["short"]) == ("shipped", [])


async def test_what_a_place_rejects_goes_to_the_next_and_after_so_many_tries_a_person_decides(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC | {"tries_max": 2})
    for store in ("hk01", "hk02"):
        await chain.stock(store, "TEA-01", 5)
    rows = ({"sku": "TEA-01", "name": {"en": "Tea"}}, {"amount": 1090, "currency": "HKD"})
    await chain.end.post("/cloud/v1/products", {"entries": [{"product": rows[0], "price": rows[1]}]})
    await chain.order("w1")
    await chain.step("hk01", "w1.1", "cancelled")
    assert await chain.parcels("w1") == [("w1.1", "hk01", "cancelled"), ("w1.2", "hk02", "allocated")]
    await chain.step("hk02", "w1.2", "cancelled")

    (item,) = (await chain.end.get("/cloud/v1/allocation/unfulfilled")).json["items"]
    assert b"storehub_cloud_orders_unfulfilled 1.0" in (await chain.end.get("/metrics")).body
    assert (item["state"], item["cost"], item["said"]["en"]) == (
        "unfulfilled",
        {"HKD": 2180},
        "It was tried at 2 places; a person must decide.",
    )
    assert free(chain) == 10
    again = await chain.end.post("/cloud/v1/orders/w1/allocate", {})
    assert (again.status, again.json["status"]) == (200, "allocated")
    assert (await chain.parcels("w1"))[2] == ("w1.3", "hk01", "allocated")


async def test_goods_handed_out_beyond_all_rights_are_owed_until_goods_come(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC)

    async def owed() -> dict[str, int]:
        await chain.look()
        items = (await chain.end.get("/cloud/v1/fleet")).json["items"]
        return {each["store"]: each["pieces_owed"] for each in items if each["store"] in ("hk01", "hk02")}

    await chain.stock("hk01", "TEA-01", 4, held=0)
    assert await owed() == {"hk01": 0, "hk02": 0}
    await chain.stock("hk01", "TEA-01", 4, held=0, sold=7)
    assert await owed() == {"hk01": 3, "hk02": 0}
    await chain.stock("hk01", "TEA-01", 9, held=0, sold=7)
    assert await owed() == {"hk01": 0, "hk02": 0}
    await chain.stock("hk01", "FEE", 0, held=0, sold=2)
    assert await owed() == {"hk01": 2, "hk02": 0}
    fee = {
        "product": {"sku": "FEE", "name": {"en": "Fee"}, "stocked": False},
        "price": {"amount": 1, "currency": "HKD"},
    }
    await chain.end.post("/cloud/v1/products", {"entries": [fee]})
    assert await owed() == {"hk01": 0, "hk02": 0}, "a hub that did not know it yet took it for goods"


async def test_a_sale_at_the_till_stands_and_the_order_that_gives_way_is_sent_from_elsewhere(chain_of: Any) -> None:
    """The shop sold four of four although two were promised: a debt, settled by the newest promise, which its hub gives back."""
    chain = await chain_of(allocation=AUTOMATIC, locations={"first": {"store": "hk01", "priority": 1}})
    await chain.stock("hk01", "TEA-01", 4)
    await chain.stock("hk02", "TEA-01", 4)
    await chain.order("w1", ("TEA-01", 2))
    await chain.stock("hk01", "TEA-01", 4, sold=4)
    await chain.look()
    await chain._end_promises("hk01", "w1.1", False, {})
    await chain.look()

    parcel = await chain.seen("w1.1")
    assert [request["answer"] for request in parcel["requests"]] == ["open"]
    assert (await chain.allocation("w1"))["parcels"][0]["called_off"]["en"].startswith(
        "Its goods were sold in the shop"
    )
    await chain.step("hk01", "w1.1", "cancelled")
    assert await chain.parcels("w1") == [("w1.1", "first", "cancelled"), ("w1.2", "hk02", "allocated")]
    assert [run["why"] for run in (await chain.allocation("w1"))["runs"]] == ["new", "overdraw"]


async def test_a_parcel_that_nobody_picks_in_time_is_asked_back_and_one_that_is_picked_is_not(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC | {"pick_within_h": 4})
    for store in ("hk01", "hk02"):
        await chain.stock(store, "TEA-01", 5)
    await chain.order("w1")
    await chain.order("w2")
    await chain.step("hk01", "w1.1", "picking")
    chain.end.clock.now_ms += 4 * 3_600_000
    await chain.look()
    await chain.look()

    assert [len((await chain.seen(f"{name}.1"))["requests"]) for name in ("w1", "w2")] == [0, 1]
    await chain.step((await chain.seen("w2.1"))["store"], "w2.1", "cancelled")
    assert [run["why"] for run in (await chain.allocation("w2"))["runs"]] == ["new", "not_picked"]
    assert (await chain.parcels("w2"))[1][1] != (await chain.parcels("w2"))[0][1]


async def test_an_order_in_parcels_is_called_off_at_every_place_and_closed_when_all_have_answered(
    chain_of: Any,
) -> None:
    chain = await chain_of(allocation=SPLIT)
    await chain.stock("hk01", "TEA-01", 3)
    await chain.stock("hk02", "TEA-01", 1)
    await chain.order("w1", ("TEA-01", 4))
    asked = [await chain.end.post("/cloud/v1/orders/w1/cancel", {"request_id": "r1"}) for _ in range(2)]
    assert [(got.status, got.json["status"]) for got in asked] == [(202, "requested")] * 2
    await chain.step("hk01", "w1.1", "cancelled")
    assert (await chain.seen("w1"))["state"] == "allocated"
    await chain.step("hk02", "w1.2", "cancelled")

    closed = await chain.seen("w1")
    assert (closed["state"], closed["name"], len(closed["parcels"])) == ("cancelled", "", 2)
    assert (await chain.allocation("w1"))["state"] == "done"
    late = await chain.end.post("/cloud/v1/orders/w1/cancel", {"request_id": "r2"})
    assert (late.status, late.json["code"]) == (409, "order_closed")


async def test_the_rest_of_an_order_is_given_up_and_it_ends_with_what_it_has(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC)
    await chain.stock("hk01", "TEA-01", 3)
    await chain.order("w1", ("TEA-01", 3))
    await chain.step("hk01", "w1.1", "picking")
    await chain.step("hk01", "w1.1", "ready", short={1: 1})
    await chain.step("hk01", "w1.1", "shipped", short={1: 1})
    assert (await chain.seen("w1"))["state"] == "picking"
    gave_up = await chain.end.post("/cloud/v1/orders/w1/give-up", {})

    closed = await chain.seen("w1")
    assert (gave_up.json["state"], closed["state"], closed["short"]) == ("done", "shipped", [{"line": 1, "qty": 1}])


async def test_a_place_is_asked_for_rights_that_it_has_not_granted_and_the_order_waits_for_them(chain_of: Any) -> None:
    chain = await chain_of(allocation={"ask_within_min": 10}, rights={"online_share_pct": 20, "single_item": False})
    await chain.stock("hk01", "TEA-01", 5, held=1)
    await chain.stock("hk02", "TEA-01", 5, held=1)
    assert (await chain.order("w1", ("TEA-01", 3)))["state"] == "created"
    assert await chain.parcels("w1") == [("w1.1", "hk01", "created")]
    await chain.stock("hk01", "TEA-01", 5, held=3)
    await chain.look()
    assert await chain.parcels("w1") == [("w1.1", "hk01", "allocated")]

    await chain.order("w2", ("TEA-01", 3))
    chain.end.clock.now_ms += 10 * 60_000
    await chain.look()
    assert [(place, state) for _, place, state in await chain.parcels("w2")] == [("hk02", "cancelled")]
    await chain.look()
    assert free(chain) == 1


async def test_click_and_collect_goes_to_one_place_where_customers_come_to(chain_of: Any) -> None:
    chain = await chain_of(allocation=SPLIT, locations={"dark": {"store": "hk01", "collect": False}})
    await chain.stock("hk01", "TEA-01", 9)
    await chain.stock("hk02", "TEA-01", 2)
    await chain.order("w1", kind="click_and_collect")
    await chain.order("w2", ("TEA-01", 1), kind="click_and_collect", store="hk01")

    assert await chain.parcels("w1") == [("w1.1", "hk02", "allocated")]
    await chain.step("hk02", "w1.1", "picking")
    await chain.step("hk02", "w1.1", "ready", code="12345678")
    assert (await chain.seen("w1"))["code"] == "12345678"
    await chain.step("hk02", "w1.1", "collected")
    closed = await chain.seen("w1")
    assert (closed["state"], closed["code"]) == ("collected", "")
    shown = await chain.allocation("w2")
    assert shown["parcels"] == [] and {each["code"] for each in shown["runs"][0]["candidates"]} == {
        "not_for_collect",
        "not_the_store",
    }


async def test_a_store_is_named_as_before_and_then_nobody_else_is_looked_for(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC)
    for store in ("hk01", "hk02"):
        await chain.stock(store, "TEA-01", 5)
    await chain.order("w1", allocate=False)
    await chain.look()
    named = await chain.end.post("/cloud/v1/orders/w1/allocate", {"store": "hk02"})
    assert (named.status, (await chain.seen("w1"))["store"]) == (200, "hk02")
    assert (await chain.parcels("w1")) == []

    await chain.order("w2")
    other = await chain.end.post("/cloud/v1/orders/w2/allocate", {"store": "hk02"})
    assert (other.status, other.json["code"]) == (409, "in_parcels")
    back = await chain.end.post("/cloud/v1/orders/w1/allocate", {})
    assert (back.status, back.json["code"]) == (409, "not_owner")


async def test_nothing_is_promised_twice_whatever_is_asked_again(chain_of: Any) -> None:
    chain = await chain_of(allocation=SPLIT)
    await chain.stock("hk01", "TEA-01", 6)
    await chain.stock("hk02", "TEA-01", 6)
    for n in range(5):
        await chain.order(f"w{n}", ("TEA-01", 3))
    for _ in range(3):
        await chain.look()
    read = chain.end.cloud.books.db.read
    promised = read.execute("SELECT sum(n), count(*) FROM promise WHERE ending = ''").fetchone()

    assert (promised, free(chain)) == ((12, 4), 0)
    assert differences(read) == 0
    assert (await chain.end.get("/cloud/v1/allocation/unfulfilled")).json["items"][0]["order_id"] == "w4"


async def test_an_order_that_waits_beyond_its_deadline_expires_and_one_with_parcels_ends_with_them(
    chain_of: Any,
) -> None:
    chain = await chain_of(allocation=AUTOMATIC | {"tries_max": 1})
    await chain.stock("hk01", "TEA-01", 2)
    deadline = "2026-09-22T12:00:00Z"
    await chain.order("w1", ("TEA-01", 2), deadline=deadline)
    await chain.order("w2", ("TEA-01", 9), deadline=deadline)
    for state, short in (("picking", {}), ("ready", {1: 1}), ("shipped", {1: 1})):
        await chain.step("hk01", "w1.1", state, short=short)
    chain.end.clock.now_ms += 2 * 86_400_000
    await chain.look()

    assert [(await chain.seen(name))["state"] for name in ("w1", "w2")] == ["shipped", "expired"]
    assert (await chain.end.get("/cloud/v1/allocation/unfulfilled")).json["items"] == []


async def test_a_parcel_that_its_customer_does_not_fetch_is_sent_from_nowhere_else(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC)
    for store in ("hk01", "hk02"):
        await chain.stock(store, "TEA-01", 5)
    await chain.order("w1", kind="click_and_collect")
    for state in ("picking", "ready", "expired"):
        await chain.step("hk01", "w1.1", state)

    assert (await chain.parcels("w1"), (await chain.seen("w1"))["state"]) == ([("w1.1", "hk01", "expired")], "expired")
    assert free(chain) == 10


async def test_a_worker_that_dies_while_it_gives_an_order_out_has_given_nothing_and_the_next_gives_it_once(
    chain_of: Any, monkeypatch: Any
) -> None:
    chain = await chain_of(allocation=SPLIT)
    await chain.stock("hk01", "TEA-01", 3)
    await chain.stock("hk02", "TEA-01", 3)
    await chain.order("w0", ("TEA-01", 9))
    await chain.stock("hk01", "TEA-01", 6)

    def die(name: str) -> None:
        if name == "cloud.order_given":
            raise OSError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr("sync.failpoints.hit", die)
        with pytest.raises(OSError, match="killed here"):
            await chain.look()
        assert (await chain.parcels("w0"), free(chain)) == ([], 9)
    await chain.look()
    assert ([place for _, place, _ in await chain.parcels("w0")], free(chain)) == (["hk01", "hk02"], 0)


async def test_a_parcel_is_given_to_nobody_else_by_hand_or_by_rules(chain_of: Any) -> None:
    chain = await chain_of(allocation=AUTOMATIC)
    await chain.stock("hk01", "TEA-01", 5)
    await chain.order("w1")
    answers = [await chain.end.post("/cloud/v1/orders/w1.1/allocate", body) for body in ({}, {"store": "hk02"})]

    assert [(got.status, got.json["code"]) for got in answers] == [(409, "is_parcel")] * 2
