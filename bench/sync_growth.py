"""Benchmark `sync`: the years of one shop on a clock that is passed in, with all that a hub does to stay small. For `growth`.

A basket is a sale as the hub stores it; goods that come are movements. Every day is folded, acknowledged by the cloud, marked and
pruned by the product's own functions. BASKETS_A_DAY is such that DELTAS last for longer than anything is kept (sales 400 days,
their keys 400 more): a file that still grows after that grows for ever.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.sync_workload import Delta
from bench.workload import CURRENCY, sku_of
from hub.holders import PEER
from hub.migrations import MIGRATIONS
from hub.store.stock.levels import fold
from hub.store.stock.stock import apply_effects
from hub.store.upkeep.retention import note_marks, prune
from sync.batch import Boundary
from sync.connections import connect_writer
from sync.model import Replica
from sync.retail.selling.sales import SALE, Sale, SaleFact, SaleLine, StockEffect, Tender
from sync.retail.stock.movements import MOVEMENT, Movement, MovementFact
from sync.store.cursors import note_acked
from sync.store.replicas import identify
from sync.store.retention import DAY_MS
from sync.store.writing import record_fact

BASKETS_A_DAY = 80
LINES = 3
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
LOCATION = "shop"
PRICE = 1090


class Shop:
    """One hub's file, written by one connection; a day is one transaction."""

    def __init__(self, path: Path) -> None:
        self.tx = connect_writer(path, MIGRATIONS, "off")
        self.day = 0
        self.sold = 0
        self.tx.execute("BEGIN IMMEDIATE")
        self.me: Replica = identify(self.tx, "shop-1", incarnation=f"{1:016x}", now_ms=self.now_ms)
        self.tx.execute("COMMIT")

    @property
    def now(self) -> datetime:
        """The shop's clock."""
        return BEGAN + timedelta(days=self.day)

    @property
    def now_ms(self) -> int:
        """The same in milliseconds."""
        return int(self.now.timestamp() * 1000)

    def trade(self, baskets: Sequence[Sequence[Delta]]) -> None:
        """One day: the baskets, then the night's upkeep."""
        self.tx.execute("BEGIN IMMEDIATE")
        for basket in baskets:
            self._book(basket)
        while fold(self.tx, self.me):
            pass
        self._acknowledge()
        self.tx.execute("COMMIT")
        self.day += 1
        self.tx.execute("BEGIN IMMEDIATE")
        note_marks(self.tx, self.me, peer=PEER, now_ms=self.now_ms)
        while prune(self.tx, self.me, peer=PEER, now_ms=self.now_ms).rows:
            pass
        self.tx.execute("COMMIT")

    def _book(self, basket: Sequence[Delta]) -> None:
        self.sold += 1
        effects = tuple(StockEffect(sku_of(product), LOCATION, qty) for product, qty in basket)
        apply_effects(self.tx, effects)
        gone = [effect for effect in effects if effect.qty < 0]
        if gone:
            record_fact(self.tx, self.me, SALE, self._sale(gone))
        for number, effect in enumerate(each for each in effects if each.qty > 0):
            movement = Movement(movement_id=f"m-{self.sold}-{number}", sku=effect.sku, qty=effect.qty, reason="receive")
            fact = MovementFact(movement=movement, committed_at=self.now, stock=(effect,))
            record_fact(self.tx, self.me, MOVEMENT, fact)

    def _sale(self, gone: Sequence[StockEffect]) -> SaleFact:
        lines = tuple(SaleLine(n, effect.sku, -effect.qty, PRICE, per=1) for n, effect in enumerate(gone, 1))
        total = sum(line.qty * PRICE for line in lines)
        sale = Sale(
            sale_id=f"0192-{self.sold:012x}",
            till_id="till-1",
            currency=CURRENCY,
            lines=lines,
            tenders=(Tender("cash", total),),
            total=total,
        )
        return SaleFact(
            sale=sale,
            receipt_no=f"till-1-0000-{self.sold:06}",
            business_date=f"{self.now:%Y-%m-%d}",
            committed_at=self.now,
            stock=tuple(gone),
        )

    def _acknowledge(self) -> None:
        heads = self.tx.execute(
            "SELECT name, seq, digest FROM stream WHERE replica = ? AND seq > 0", (self.me.local_id,)
        ).fetchall()
        for name, seq, digest in heads:
            note_acked(self.tx, self.me, name, Boundary(seq, digest), peer=PEER)

    def close(self) -> None:
        """Close the file; what waits in the WAL goes into it first."""
        self.tx.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.tx.close()


def grow(path: Path, deltas: Iterable[Sequence[Delta]], *, baskets_a_day: int = BASKETS_A_DAY) -> None:
    """Write deltas at one hub over as many days as they last."""
    shop = Shop(path)
    waiting: list[Delta] = []
    for more in deltas:
        waiting += more
        while len(waiting) >= LINES * baskets_a_day:
            day, waiting = waiting[: LINES * baskets_a_day], waiting[LINES * baskets_a_day :]
            shop.trade([day[at : at + LINES] for at in range(0, len(day), LINES)])
    shop.close()


def figures(path: Path) -> dict[str, int]:
    """Return what is in a file: bytes, pages that are free, rows."""
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    one = {
        "bytes": path.stat().st_size,
        "free_pages": file.execute("PRAGMA freelist_count").fetchone()[0],
        "days_ms": DAY_MS,
    }
    for table in ("sale", "stock_movement", "pruned_key", "opening", "level", "offered", "ack_mark"):
        one[table] = file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    file.close()
    return one
