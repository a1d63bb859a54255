"""The demo's web shop: customers who order at the cloud, somebody at the packing table of the shop, customers who come for it.

Some orders are always left for whoever plays with the console: the table takes one only when more than LEFT_WAITING wait, and
customers leave KEPT_READY ready ones where they are. Everything goes in as it would in a shop: by the cloud's API and the hub's.
"""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from hub.api.orders.orders import OrderStepRequest
from hub.client import CloudClient, HubClient, ProblemError, new_id, now_ms
from hub.demo.credentials import client_credentials
from hub.demo.house import House
from hub.demo.people import REGULARS
from hub.demo.settings import STORE_ID
from hub.demo.till_client import TillClient
from hub.store.model import Item
from hub.store.orders.order_views import OrderView
from sync.errors import SyncError
from sync.retail.orders.order_rows import OrderKind
from sync.retail.orders.orders import OrderState

PAUSE_S = (4.0, 9.0)  # between two looks
SCAN_S = (0.6, 1.6)
AGAIN_S = 2.0  # after hub or cloud went away
WAITING_MAX = 6  # orders that nobody has begun to pick; then the web shop sells nothing for a while
LEFT_WAITING, KEPT_READY = 3, 2
SENT_SHARE, CALLED_OFF_SHARE = 0.3, 0.06
DUE_H = (3, 30)  # hours until a customer fetches
PLENTY = 6  # pieces on the shelf; fewer are not ordered
ADDRESSES = (
    "九龍旺角彌敦道 688 號 12 樓 A 室\n12A, 688 Nathan Road, Mong Kok",
    "香港中環皇后大道中 99 號 3 樓\n3/F, 99 Queen's Road Central",
)

log = logging.getLogger(__name__)
Json = dict[str, Any]  # Any: JSON


class Office(CloudClient):
    """Head office's view of the cloud's orders."""

    async def give_order(self, order: Json, store: str) -> str:
        """Make an order and give it to a store; return `allocated`, or `waiting` where rights are short."""
        await self._call("POST", "/cloud/v1/orders", body=order)
        path = f"{_path(order['order_id'])}/allocate"
        return str(self._decoded(await self._call("POST", path, body={"store": store}))["status"])

    async def order(self, order_id: str) -> Json:
        """Return an order as head office sees it: the hand-over code is there once it is ready."""
        return self._decoded(await self._call("GET", _path(order_id)))

    async def call_off(self, order_id: str, reason: str) -> None:
        """Want an order to be cancelled."""
        await self._call("POST", f"{_path(order_id)}/cancel", body={"request_id": new_id(), "reason": reason})


class WebShop:
    """Orders without end, and the hands that deal with most of them."""

    def __init__(self, house: House, control: HubClient, *, rng: random.Random) -> None:
        self._house = house
        self._control = control
        self._rng = rng

    async def run(self) -> None:
        """Order, pack and fetch until cancelled; when hub or cloud goes away, go on when it is back."""
        house = self._house
        while True:
            try:
                file = house.data / "packing-table.json"
                known = await client_credentials(file, house.base_url, self._control, "till", "packing table")
                async with (
                    TillClient(house.base_url, known.token) as table,
                    Office(house.cloud_url, house.keys.office_token) as office,
                ):
                    table.till_id = known.till_id
                    while True:
                        await self._turn(table, office)
                        await asyncio.sleep(self._rng.uniform(*PAUSE_S))
            except (aiohttp.ClientError, TimeoutError, OSError, SyncError) as err:
                log.debug("the web shop waits: %r", err)
            await asyncio.sleep(AGAIN_S)

    async def _turn(self, table: TillClient, office: Office) -> None:
        waiting = [order for order in await table.orders(OrderState.ALLOCATED) if order.ours]
        if len(waiting) < WAITING_MAX:
            await self._order(table, office)
        if len(waiting) > LEFT_WAITING:
            await self._begin(table, waiting[0])
        for order in await table.orders(OrderState.PICKING):
            if order.ours and order.steps[-1].by == f"till:{table.till_id}":
                await self._pack(table, order)
        if waiting and self._rng.random() < CALLED_OFF_SHARE:
            await office.call_off(waiting[-1].order_id, "found it cheaper 在別處買到了")
        ready = [order for order in await table.orders(OrderState.READY) if order.ours]
        for order in ready[: max(0, len(ready) - KEPT_READY)]:
            await self._fetch(table, office, order)

    async def _order(self, table: TillClient, office: Office) -> None:
        """Somebody orders on line; what the cloud has no right to is not sold."""
        order = self._basket((await table.products(limit="200")).items)
        if order and await office.give_order(order, STORE_ID) == "waiting":
            await office.call_off(order["order_id"], "sold out 已售罄")

    def _basket(self, items: list[Item]) -> Json | None:
        rng = self._rng
        there = [item for item in items if item.unit == "each" and item.gtins and _left(item) >= PLENTY]
        if not there:
            return None
        chosen = rng.sample(there, k=min(len(there), rng.choice((1, 1, 2, 3))))
        at = datetime.fromtimestamp(now_ms() / 1000, UTC)
        is_sent = rng.random() < SENT_SHARE
        return {
            "order_id": f"W{at:%m%d-%H%M%S}",
            "kind": OrderKind.SHIP_FROM_STORE if is_sent else OrderKind.CLICK_AND_COLLECT,
            "lines": [{"line": n, "sku": item.sku, "qty": rng.choice((1, 1, 2))} for n, item in enumerate(chosen, 1)],
            "name": rng.choice(REGULARS)[0],
            "address": rng.choice(ADDRESSES) if is_sent else "",
            "deadline": (at + timedelta(hours=rng.randint(*DUE_H))).isoformat(timespec="seconds"),
        }

    async def _begin(self, table: TillClient, order: OrderView) -> None:
        """Take an order to the table; one whose promises are still on their way waits."""
        try:
            await table.step(order.order_id, _step(OrderState.PICKING))
        except ProblemError as err:
            log.debug("not picked yet: %s", err)

    async def _pack(self, table: TillClient, order: OrderView) -> None:
        """Pick by scan what is not in the parcel yet."""
        for line in order.lines:
            label = (await table.product(line.sku)).gtins[0]
            for _ in range(line.qty - line.picked):
                await asyncio.sleep(self._rng.uniform(*SCAN_S))
                await table.scan_for(order.order_id, label)
        await table.step(order.order_id, _step(OrderState.READY))

    async def _fetch(self, table: TillClient, office: Office, order: OrderView) -> None:
        """The courier takes it, or the customer shows the code that head office has told them."""
        if order.kind is not OrderKind.CLICK_AND_COLLECT:
            await table.step(order.order_id, _step(OrderState.SHIPPED))
        elif code := (await office.order(order.order_id))["code"]:  # none yet: the line is down
            await table.step(order.order_id, _step(OrderState.COLLECTED, code=code))


def _step(state: OrderState, *, code: str = "") -> OrderStepRequest:
    return OrderStepRequest(step_id=new_id(), state=state.value, code=code)  # type: ignore[arg-type] # one that tills take


def _left(item: Item) -> int:
    return item.stock.available if item.stock else 0


def _path(order_id: str) -> str:
    return f"/cloud/v1/orders/{quote(order_id, safe='')}"
