"""A cloud whose stores have granted rights, by rows as their hubs send them; a look at what has come, by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sync.cloud.rights.rights import Place
from tests.cloud.conftest import CloudEnd
from tests.cloud.hub_side import Writer

SHARED = {"online_share_pct": 100, "single_item": False}


@dataclass
class Chain:
    """Head office and its stores; `n` counts the rows that a store's hub has written to each stream."""

    end: CloudEnd
    writers: dict[str, Writer] = field(default_factory=dict)
    n: dict[tuple[str, str], Any] = field(default_factory=dict)

    def writer(self, store: str) -> Writer:
        return self.writers.setdefault(store, Writer(f"{store}:{store.encode().hex():0<16}"))

    async def tell(self, store: str, stream: str, row: Any) -> None:
        """A hub sends a row of state."""
        writer = self.writer(store)
        last, after = self.n.get((store, stream), (0, None))
        batch = writer.state(stream, (last + 1, row), **({"after": after} if after else {}))
        done = await self.end.books(store).apply(batch)
        self.n[store, stream] = (last + 1, done)

    async def stock(self, store: str, sku: str, qty: int, *, held: int | None = None, sold: int = 0) -> None:
        """A store has received so much in all, has sold a part, and has granted `held` of it to the cloud."""
        level = {"v": 1, "sku": sku, "location": "shop", "received": qty, "issued": sold}
        await self.tell(store, "levels", level)
        grant = {"v": 1, "sku": sku, "location": "shop", "giver": self.writer(store).rep, "taker": self.end.books().rep}
        levels_seq = self.n[store, "levels"][0]
        await self.tell(store, "grants", grant | {"n": qty if held is None else held, "levels_seq": levels_seq})

    async def step(
        self, store: str, parcel_id: str, state: str, *, short: dict[int, int] | None = None, code: str = ""
    ) -> None:
        """A hub takes the next step of a parcel, and ends its promises where that is what follows."""
        writer = self.writer(store)
        steps = (await self.end.get(f"/cloud/v1/orders/{parcel_id}")).json["steps"]
        n = len(steps) + 1
        said = {"order_id": parcel_id, "n": n, "state": state, "rep": writer.rep, "at": "2026-09-21T14:20:00Z"}
        fact = {"v": 1, "step_id": f"{parcel_id}/{n}/{writer.rep}/{state}", "step": {"v": 1, **said}, "code": code}
        await self.fact(
            store, "order_steps", fact | {"short": [{"line": k, "qty": q} for k, q in (short or {}).items()]}
        )
        if state in ("cancelled", "expired", "shipped", "collected"):
            await self._end_promises(store, parcel_id, state in ("shipped", "collected"), short or {})
        await self.look()

    async def fact(self, store: str, stream: str, row: Any) -> None:
        """A hub sends a row of a log."""
        writer = self.writer(store)
        writer.write(stream, row)
        last = len(writer.logs[stream])
        await self.end.books(store).apply(writer.batch(stream, last - 1))

    async def _end_promises(self, store: str, parcel_id: str, is_picked: bool, short: dict[int, int]) -> None:
        read = self.end.cloud.books.db.read
        rows = read.execute(
            "SELECT promise_id, line, n, sku FROM promise WHERE order_id = ? AND ending = ''", (parcel_id,)
        )
        for promise_id, line, n, _sku in rows.fetchall():
            left = short.get(line, 0)
            ending = "picked" if is_picked and left < n else "given_back"
            fact = {"v": 1, "kind": "promise_end", "promise_id": promise_id, "ending": ending, "left": left % n}
            await self.fact(
                store, "promises", fact | {"by": self.writer(store).rep, "ended_at": "2026-09-21T14:20:00Z"}
            )

    async def order(self, order_id: str, *lines: tuple[str, int], **more: Any) -> Any:
        """Head office makes an order; return what it was answered."""
        numbered = [{"line": n, "sku": sku, "qty": qty} for n, (sku, qty) in enumerate(lines or (("TEA-01", 2),), 1)]
        said = {"order_id": order_id, "kind": "home_delivery", "lines": numbered, "name": "Chan", "address": "台北市"}
        got = await self.end.post("/cloud/v1/orders", said | more)
        assert got.status == 201, got.body
        return got.json

    async def seen(self, order_id: str) -> Any:
        """Head office looks at an order."""
        return (await self.end.get(f"/cloud/v1/orders/{order_id}")).json

    async def allocation(self, order_id: str) -> Any:
        """Head office asks why."""
        return (await self.end.get(f"/cloud/v1/orders/{order_id}/allocation")).json

    async def parcels(self, order_id: str) -> list[tuple[str, str, str]]:
        """Return (parcel, place, state) of an order."""
        return [
            (each["parcel_id"], each["place"], each["state"]) for each in (await self.allocation(order_id))["parcels"]
        ]

    async def look(self) -> None:
        """The cloud looks at what has come, and at what follows from it."""
        await self.end.cloud.contact.look()
        await self.end.cloud.allocator.look()

    def place(self, store: str, sku: str = "TEA-01") -> Place:
        return Place(sku, store, "shop")


@pytest.fixture
def chain_of(start_cloud: Any, tokens: dict[str, str]) -> Callable[..., Any]:
    """Start a chain: `await chain_of()`; `rights` is the policy of all stores."""

    async def start(*, rights: Any = SHARED, allocation: Any = None, locations: Any = None, **more: Any) -> Chain:
        stores = {store: {"token": tokens[store], "rights": rights} for store in ("hk01", "hk02")}
        declared = {"allocation": allocation, "locations": locations}
        others = {name: section for name, section in declared.items() if section is not None}
        return Chain(await start_cloud(stores=stores, others=others, **more))

    return start
