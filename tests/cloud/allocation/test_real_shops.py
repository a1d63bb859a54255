"""Two real hubs and the cloud on real sockets: what one shop has not, the other sends.

Goal: an order that a shop picks short, and one whose goods a till has sold, are sent whole by another shop; goods leave the
shelves once, promises end once, rights agree with what is there. Goods that head office asks a shop for are sent once, also where
it does not want them any more. Method: real hubs over their HTTP, with the line up.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.client import new_id
from sync.cloud.allocation.history import note_days
from tests.cloud.looking import looking

RIGHTS = {"online_share_pct": 50, "single_item": False}
STORES: dict[str, dict[str, Any]] = {
    store: {"token": f"{store}-token-0123456789", "rights": RIGHTS} for store in ("hk01", "hk02")
}
DECLARED: dict[str, Any] = {
    "allocation": {"criteria": ["priority"], "ask": False},
    "locations": {"near": {"store": "hk01", "priority": 1}, "far": {"store": "hk02", "priority": 2}},
}
TEA = "04890000000010"


@pytest.fixture
def declared() -> dict[str, Any]:
    """What stands in the cloud's file beside the stores."""
    return DECLARED


@pytest.fixture
async def head_office(start_cloud: Any, declared: dict[str, Any]) -> AsyncIterator[Any]:
    cloud = await start_cloud(stores=STORES, others=declared)
    async with looking(cloud, allocates=True):
        yield cloud


@pytest.fixture
def shop_of(head_office: Any, start_hub: Any, pair_till: Any, tmp_path: Any, until: Any) -> Any:
    """Start a shop that has granted half its goods to the cloud; return a till of it."""

    async def start(store: str) -> Any:
        (tmp_path / store).mkdir()
        hub = await start_hub(
            cloud={"url": head_office.url, "token": STORES[store]["token"], "reconnect_max_s": 0.1},
            store={"id": store, "name_zh_hant": store, "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"},
            data={"dir": store},
            rights=RIGHTS,
        )
        till = await pair_till(hub, scope="manager")
        await until(lambda: rights(head_office, store), lambda got: cloud_right(got) >= 10)
        return till

    return start


async def rights(cloud: Any, store: str) -> Any:
    return (await cloud.get("/cloud/v1/rights", sku="TEA-01", store=store)).json


def cloud_right(account: Any) -> int:
    return sum(each["right"] for each in account["holders"] if each["rep"].startswith("cloud:"))


async def on_hand(till: Any) -> int:
    return int((await till.get("/v1/products/TEA-01")).json["stock"]["on_hand"])


async def step(till: Any, parcel_id: str, state: str, **more: str) -> Any:
    return await till.post(f"/v1/orders/{parcel_id}/steps", {"step_id": new_id(), "state": state} | more)


async def send(till: Any, parcel_id: str, until: Any, qty: int, **short: str) -> None:
    """Pick so many pieces by scan and hand the parcel to the carrier."""
    await until(lambda: step(till, parcel_id, "picking"), lambda got: got.status == 201)
    said = {"scan_id": new_id(), "label": TEA, "qty": qty}
    assert (await till.post(f"/v1/orders/{parcel_id}/scans", said)).status == 201
    assert (await step(till, parcel_id, "ready", **short)).status == 201
    assert (await step(till, parcel_id, "shipped")).status == 201


async def test_what_one_shop_has_not_or_has_sold_another_sends_and_nothing_leaves_twice(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    near, far = await shop_of("hk01"), await shop_of("hk02")
    before = [await on_hand(near), await on_hand(far)]
    for order_id, qty in (("w1", 3), ("w2", 2)):
        lines = [{"line": 1, "sku": "TEA-01", "qty": qty}]
        said = {"order_id": order_id, "kind": "home_delivery", "address": "九龍", "lines": lines}
        assert (await head_office.post("/cloud/v1/orders", said)).json["state"] == "allocated"

    await send(near, "w1.1", until, 2, reason="one is broken")
    await send(far, "w1.2", until, 1)
    sold = near.sale({"line": 1, "sku": "TEA-01", "qty": before[0] - 2, "unit_price": 1090, "per": 1})
    assert (await near.post("/v1/sales", sold)).status == 201
    await send(far, "w2.2", until, 2)

    for order_id in ("w1", "w2"):
        path = f"/cloud/v1/orders/{order_id}"
        await until(lambda path=path: head_office.get(path), lambda got: got.json["state"] == "shipped")
    assert [await on_hand(near), await on_hand(far)] == [0, before[1] - 3]
    for store in ("hk01", "hk02"):
        account = await until(
            lambda store=store: rights(head_office, store),
            lambda got: got["difference"] is None and not got["open_promises"],
        )
        assert account["on_hand"] == sum(each["right"] for each in account["holders"])
    runs = (await head_office.get("/cloud/v1/orders/w2/allocation")).json["runs"]
    assert [run["why"] for run in runs] == ["new", "overdraw"]


STARVING = DECLARED | {"locations": DECLARED["locations"] | {"near": {"store": "hk01", "safety_stock": 50}}}
PROPOSALS = "/cloud/v1/transfers/proposals"
REQUESTS = "/v1/stock/transfers/requests"


async def requested(till: Any) -> list[Any]:
    return list((await till.get(REQUESTS)).json["items"])


@pytest.mark.parametrize("declared", [STARVING], ids=[""])
@pytest.mark.parametrize("is_withdrawn", [False, True], ids=["wanted", "withdrawn"])
async def test_a_shop_is_asked_for_goods_and_sends_them_to_the_one_that_lacks_them(
    head_office: Any, shop_of: Any, until: Any, *, is_withdrawn: bool
) -> None:
    near, far = await shop_of("hk01"), await shop_of("hk02")
    before = [await on_hand(near), await on_hand(far)]
    now_ms = head_office.clock.now_ms
    await head_office.cloud.books.db.write(lambda tx: note_days(tx, now_ms=now_ms))
    (item,) = (await head_office.post(PROPOSALS, {})).json["items"]
    name = item["proposal_id"]
    assert (item["sender"], item["receiver"]) == ("far", "near")
    wanted = {"lines": [{"sku": "TEA-01", "qty": 3}], "note": "by the evening van"}
    assert (await head_office.post(f"{PROPOSALS}/{name}/accept", wanted)).json["state"] == "accepted"

    (request,) = await until(lambda: requested(far), bool)
    assert (request["to"], request["note"]) == ("hk01", "by the evening van")
    assert request["lines"] == [{"sku": "TEA-01", "qty": 3, "on_hand": before[1]}]
    if is_withdrawn:
        assert (await head_office.post(f"{PROPOSALS}/{name}/withdraw", {})).json["state"] == "withdrawn"
        await until(lambda: requested(far), lambda got: not got)
    document = {"document_id": name, "kind": "transfer_out", "to": "hk01", "lines": [{"sku": "TEA-01", "qty": 2}]}
    sent = await far.post("/v1/stock/documents", document)
    assert (sent.status, [flag["code"] for flag in sent.json["flags"]]) == (
        201,
        ["request_withdrawn" if is_withdrawn else "fewer_than_asked"],
    )
    assert await requested(far) == []

    await until(lambda: head_office.get(PROPOSALS, state="sent"), lambda got: got.json["items"])
    transfer = f"hk02:{name}"
    await until(lambda: near.get(f"/v1/stock/transfers/{transfer}"), lambda got: got.status == 200)
    came = {
        "document_id": new_id(),
        "kind": "transfer_in",
        "transfer": transfer,
        "lines": [{"sku": "TEA-01", "qty": 2}],
    }
    assert (await near.post("/v1/stock/documents", came)).json.get("flags") is None
    assert [await on_hand(near), await on_hand(far)] == [before[0] + 2, before[1] - 2]
    assert await requested(near) == []
