"""Second contents of a known sale over real HTTP: the manager books one under a new id, or discards it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

PairTill = Callable[..., Awaitable[Any]]


class Desk:
    """A manager, a till, and a second content that waits."""

    def __init__(self, till: Any, manager: Any, suspended_id: str, sale: dict[str, Any]) -> None:
        self.till, self.manager, self.sale = till, manager, sale
        self.path = f"/v1/suspended/{suspended_id}"

    async def waiting(self) -> list[Any]:
        return (await self.manager.get("/v1/suspended")).json["items"]

    async def on_hand(self) -> int:
        return (await self.till.get("/v1/stock/TEA-01")).json["stock"]["on_hand"]


@pytest.fixture
async def desk(till: Any, pair_till: PairTill) -> Desk:
    """A sale of one tea, and another of two under its id."""
    manager = await pair_till(till.hub, scope="manager")
    await till.post("/v1/sales", first := till.sale(receipt_no="K7-000001"))
    two = till.sale({"sku": "TEA-01", "qty": 2, "unit_price": 1090}, sale_id=first["sale_id"], receipt_no="K7-000001")
    assert (await till.post("/v1/sales", two)).status == 409
    (view,) = (await manager.get("/v1/suspended")).json["items"]
    return Desk(till, manager, view["suspended_id"], two)


async def test_it_is_listed_as_the_till_sent_it(desk: Desk) -> None:
    (view,) = await desk.waiting()

    assert view["sale"]["lines"][0]["qty"] == 2 and view["sale"]["sale_id"] == desk.sale["sale_id"]


async def test_booked_under_a_new_id_it_is_a_sale_with_a_number_of_its_own(desk: Desk) -> None:
    booked = await desk.manager.post(f"{desk.path}/book", {"sale_id": "second-1"})
    again = await desk.manager.post(f"{desk.path}/book", {"sale_id": "second-1"})

    assert (booked.status, again.status, booked.body) == (201, 200, again.body)
    assert booked.json["receipt_no"] != "K7-000001" and booked.json["stock"] == {"TEA-01": 17}
    assert "booked_second" in [warning["code"] for warning in booked.json["warnings"]]
    assert (await desk.till.get("/v1/sales/second-1")).json["fact"]["sale"]["total"] == 2180
    assert await desk.waiting() == [] and await desk.on_hand() == 17


async def test_it_is_booked_once_whatever_the_next_id(desk: Desk) -> None:
    await desk.manager.post(f"{desk.path}/book", {"sale_id": "second-1"})

    other = await desk.manager.post(f"{desk.path}/book", {"sale_id": "second-2"})
    discarded = await desk.manager.post(f"{desk.path}/discard", {"reason": "no"})

    assert (other.status, other.json["code"], other.json["holder"]) == (409, "suspended_ended", "second-1")
    assert (discarded.status, discarded.json["code"]) == (409, "suspended_ended")
    assert await desk.on_hand() == 17


async def test_discarded_it_moves_nothing_and_stays_so_when_it_is_sent_again(desk: Desk) -> None:
    first = await desk.manager.post(f"{desk.path}/discard", {"reason": "typed twice"})
    again = await desk.manager.post(f"{desk.path}/discard", {"reason": "another word"})
    resent = await desk.till.post("/v1/sales", desk.sale)
    booked = await desk.manager.post(f"{desk.path}/book", {"sale_id": "second-1"})

    assert (first.status, first.json["reason"], first.body) == (200, "typed twice", again.body)
    assert (resent.status, booked.status, booked.json["code"]) == (409, 409, "suspended_ended")
    assert await desk.waiting() == [] and await desk.on_hand() == 19
    assert (await desk.manager.get("/v1/attention")).json["items"] == []


async def test_the_sale_that_stands_and_one_that_is_known_are_no_new_ids(desk: Desk) -> None:
    await desk.till.post("/v1/sales", known := desk.till.sale())

    own = await desk.manager.post(f"{desk.path}/book", {"sale_id": desk.sale["sale_id"]})
    taken = await desk.manager.post(f"{desk.path}/book", {"sale_id": known["sale_id"]})

    assert (own.status, own.json["code"]) == (422, "suspended_key")
    assert (taken.status, taken.json["code"]) == (409, "other_content")
    assert len(await desk.waiting()) == 1 and await desk.on_hand() == 18


async def test_a_till_decides_nothing(desk: Desk) -> None:
    assert (await desk.till.get("/v1/suspended")).status == 403
    assert (await desk.till.post(f"{desk.path}/book", {"sale_id": "x"})).status == 403
    assert (await desk.manager.post("/v1/suspended/00/book", {"sale_id": "x"})).json["code"] == "suspended"
