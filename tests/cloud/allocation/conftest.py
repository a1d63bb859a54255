"""A cloud whose stores have granted rights, by rows as their hubs send them; a look at what has come, by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sync.cloud.rights.rights import Place
from tests.cloud.conftest import CloudEnd, Writer

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

    async def look(self) -> None:
        """The cloud looks at what has come, and at what follows from it."""
        await self.end.cloud.contact.look()
        await self.end.cloud.allocator.look()

    def place(self, store: str, sku: str = "TEA-01") -> Place:
        return Place(sku, store, "shop")


@pytest.fixture
def chain_of(start_cloud: Any, tokens: dict[str, str]) -> Callable[..., Any]:
    """Start a chain: `await chain_of()`; `rights` is the policy of all stores."""

    async def start(*, rights: Any = SHARED, **more: Any) -> Chain:
        stores = {store: {"token": tokens[store], "rights": rights} for store in ("hk01", "hk02")}
        return Chain(await start_cloud(stores=stores, **more))

    return start
