"""A shop over many days on a real file, with a clock that is passed in: it sells, the cloud acknowledges, the hub forgets."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.holders import PEER
from hub.store.model import Shop
from hub.store.selling.returns import return_job
from hub.store.selling.sales import sale_job
from hub.store.stock.levels import fold_all
from hub.store.stock.stock import Movement, move
from hub.store.upkeep.retention import Step, note_marks, prune
from sync.batch import Boundary
from sync.db import Database
from sync.model import Replica
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.store.cursors import note_acked
from sync.store.retention import DAY_MS

BEGAN_MS = 1_790_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Days:
    """What a shop does. `acked` is how far the cloud follows: all at once, unless a test says otherwise."""

    def __init__(self, db: Database, replica: Replica, shop: Shop) -> None:
        self.db = db
        self.replica = replica
        self.shop = shop
        self.now_ms = BEGAN_MS
        self.peer: str | None = PEER
        self.n = 0

    async def sell(self, qty: int = 1, sku: str = "TEA-01", **fields: Any) -> Sale:
        self.n += 1
        sale = Sale(
            **{
                "sale_id": f"s{self.n:06}",
                "till_id": "t1",
                "currency": "HKD",
                "lines": (SaleLine(1, sku, qty, 1090),),
                "tenders": (Tender("cash", qty * 1090),),
                "total": qty * 1090,
            }
            | fields
        )
        await self.repeat(sale)
        return sale

    async def repeat(self, sale: Sale) -> Any:
        return await self.db.write(sale_job(self.replica, self.shop, sale, print_to=None, now_ms=self.now_ms))

    async def take_back(self, sale_id: str, qty: int = 1, **fields: Any) -> Any:
        amount = qty * 1090
        values = {
            "return_id": f"r-{sale_id}",
            "sale_id": sale_id,
            "till_id": "t1",
            "lines": (ReturnLine(line=1, qty=qty),),
            "reason": "too big",
            "tenders": (Tender("cash", amount),),
        } | fields
        return await self.db.write(return_job(self.replica, self.shop, Return(**values), now_ms=self.now_ms))

    async def receive(self, qty: int, sku: str = "TEA-01", movement_id: str = "") -> Any:
        self.n += 1
        movement = Movement(movement_id=movement_id or f"m{self.n:06}", sku=sku, qty=qty, reason="receive")
        return await self.db.write(
            lambda tx: move(tx, self.replica, movement, location=self.shop.location, now_ms=self.now_ms)
        )

    async def fold(self) -> None:
        await fold_all(self.db, self.replica)

    async def ack(self, *, only: str = "") -> None:
        """The cloud holds all that was written."""

        def job(tx: sqlite3.Connection) -> None:
            heads = tx.execute(
                "SELECT name, seq, digest FROM stream WHERE replica = ? AND seq > 0 AND (? = '' OR name = ?)",
                (self.replica.local_id, only, only),
            ).fetchall()
            for name, seq, digest in heads:
                note_acked(tx, self.replica, name, Boundary(seq, digest), peer=PEER)

        await self.db.write(job)

    async def night(self, days: int = 1) -> list[Step]:
        """Let days pass, each with its marks, the last one with all upkeep; return what was forgotten."""

        def mark(tx: sqlite3.Connection) -> None:
            for _ in range(days - 1):
                self.now_ms += DAY_MS
                note_marks(tx, self.replica, peer=self.peer, now_ms=self.now_ms)

        await self.db.write(mark)
        self.now_ms += DAY_MS
        return await self.forget()

    async def forget(self) -> list[Step]:
        peer = self.peer
        await self.db.write(lambda tx: note_marks(tx, self.replica, peer=peer, now_ms=self.now_ms))
        steps = []
        while (step := await self.db.write(self.step)).rows:
            steps.append(step)
        return [*steps, step]

    def step(self, tx: sqlite3.Connection) -> Step:
        return prune(tx, self.replica, peer=self.peer, now_ms=self.now_ms)

    def count(self, table: str) -> int:
        found: int = self.db.read.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found

    def cached(self) -> dict[str, int]:
        return dict(self.db.read.execute("SELECT sku, on_hand FROM stock").fetchall())

    def recomputed(self) -> dict[str, int]:
        """The cached stock from what is there, in plain Python: opening balances and the facts' own JSON."""
        sums: Counter[str] = Counter()
        for sku, qty in self.db.read.execute("SELECT sku, on_hand FROM opening"):
            sums[sku] += qty
        for table in ("sale", "sale_return", "stock_movement"):
            for (body,) in self.db.read.execute(f"SELECT body FROM {table}"):
                for sku, _, qty in json.loads(body).get("stock", []):
                    sums[sku] += qty
        return dict(sums)

    def net_levels(self) -> dict[str, int]:
        rows = self.db.read.execute(
            "SELECT sku, received - issued FROM level WHERE replica = ?", (self.replica.local_id,)
        )
        return dict(rows.fetchall())

    def at(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.now_ms)


def by_hand(path: Path, sql: str, *values: Any) -> None:
    """Change a cell as a fault of the card would."""
    with closing(sqlite3.connect(path)) as card:
        assert card.execute(sql, values).rowcount > 0
        card.commit()
