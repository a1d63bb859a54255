"""The web order of a scripted day: ordered on line, picked and packed while the line is down, fetched while it is down again.

Whoever asks keeps a journal: head office of the order and the code that it was told, the packing table of each step and scan, one
wrong scan and one wrong code among them. Not here: when it happens (hub.demo.script), orders without end (hub.demo.web_shop).
"""

from random import Random

from hub.client import HubClient, new_id, now_ms
from hub.demo.desk import Desk
from hub.demo.journal import Journal
from hub.demo.settings import STORE_ID
from hub.demo.tills import Shelf
from hub.demo.web_shop import Office
from hub.store.model import Entry
from sync.retail.orders.order_rows import OrderKind
from sync.retail.orders.orders import OrderState

PLENTY = 12  # on the shelf: the web has a share of it
WANTED = (2, 1)  # pieces of its two lines
REFUSED = "422"
WRONG_CODE = "00000000"  # a hundred million to one


class WebOrder:
    """One order, from the web to the customer's hands."""

    def __init__(self, office: Office, manager: HubClient, table: Desk, journal: Journal) -> None:
        self._office, self._manager, self._table, self._journal = office, manager, table, journal
        self._order_id = "W1"
        self._lines: list[dict[str, object]] = []
        self._labels: dict[str, str] = {}
        self._wrong_label = ""
        self._code = ""

    def choose(self, shelf: Shelf, entries: dict[str, Entry], rng: Random) -> None:
        """Choose two products; they are put aside, so that no customer of the tills takes them."""
        there = [
            sku
            for sku, qty in shelf.there.items()
            if qty >= PLENTY and shelf.units[sku] == "each" and entries[sku].product.gtins
        ]
        *ordered, other = rng.sample(there, k=len(WANTED) + 1)
        for number, (sku, qty) in enumerate(zip(ordered, WANTED, strict=True), 1):
            shelf.take(sku, qty)
            self._lines.append({"line": number, "sku": sku, "qty": qty})
            self._labels[sku] = entries[sku].product.gtins[0]
        self._wrong_label = entries[other].product.gtins[0]

    async def is_given(self) -> bool:
        """Order at the cloud for this store; say whether all of it was promised."""
        order = {
            "order_id": self._order_id,
            "kind": OrderKind.CLICK_AND_COLLECT,
            "lines": self._lines,
            "name": "陳大文 Chan Tai Man",
        }
        at, status = now_ms(), await self._office.give_order(order, STORE_ID)
        self._journal.note(at=at, ask="order", sent=order, answer=status, status=200)
        return status == "allocated"

    async def is_here(self) -> bool:
        """Whether the hub has the promises of all its lines."""
        items = [await self._manager.product(sku) for sku in self._labels]
        return all(item.stock is not None and item.stock.promised for item in items)

    async def pick(self) -> None:
        """Pick it by scan, a wrong article first, and close the parcel."""
        await self._step(OrderState.PICKING)
        await self._scan(self._wrong_label, wanted=REFUSED)
        for line in self._lines:
            for _ in range(int(str(line["qty"]))):
                await self._scan(self._labels[str(line["sku"])], sku=str(line["sku"]))
        await self._step(OrderState.READY)

    async def is_told(self) -> bool:
        """Whether head office knows the code, and could tell the customer."""
        at, self._code = now_ms(), (await self._office.order(self._order_id))["code"]
        if self._code:
            self._journal.note(at=at, ask="code", order_id=self._order_id, code=self._code, status=200)
        return bool(self._code)

    async def hand_over(self) -> None:
        """Somebody with a wrong code gets nothing, the customer gets the goods."""
        await self._step(OrderState.COLLECTED, code=WRONG_CODE, wanted=REFUSED)
        await self._step(OrderState.COLLECTED, code=self._code)

    async def _step(self, state: OrderState, *, code: str = "", **about: str) -> None:
        sent = {"step_id": new_id(), "state": state.value, "code": code}
        await self._table.post("step", self._path("steps"), sent, order_id=self._order_id, **about)

    async def _scan(self, label: str, **about: str) -> None:
        sent = {"scan_id": new_id(), "label": label}
        await self._table.post("scan", self._path("scans"), sent, order_id=self._order_id, **about)

    def _path(self, what: str) -> str:
        return f"/v1/orders/{self._order_id}/{what}"
