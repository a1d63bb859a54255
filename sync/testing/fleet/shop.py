"""A store of the fleet: sells what a till would send, keeps its books in memory, knows what it sold and when it was safe.

A sale is one fact of about 600 bytes with one to three lines; what it took from the shelf moves its levels, one tally a SKU,
folded behind the selling as a hub does. Not here: when it sells (sync.testing.fleet.virtual, .live), the line.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from random import Random

import msgspec

from sync.batch import Batch, Boundary, Head, batch_of
from sync.model import Feed, Stream
from sync.retail.selling.sales import Sale, SaleFact, SaleLine, StockEffect, Tender
from sync.retail.stock.levels import LevelRow
from sync.testing.memory_books import MemoryBooks

SKUS = 300  # that one shop sells of
CURRENCY = "TWD"
LOCATION = "shop"


class Shop(MemoryBooks):
    """One store's hub. `lags_ms` has how long after a sale, made while the line was up, `clock` stood at its ack."""

    def __init__(self, store: str, rng: Random) -> None:
        super().__init__(f"{store}:{rng.getrandbits(64):016x}")
        self.store = store
        self.rng = rng
        self.sold = self.lines = self.total = 0
        self.clock: Callable[[], float] = lambda: 0.0
        self.lags_ms: list[float] = []
        self._made_ms: list[float | None] = []
        self._issued: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        self._level_seq: dict[str, int] = {}
        self._digest = bytes(8)

    def sell(self, at_ms: float, *, is_up: bool) -> None:
        """Make a sale; `is_up`: the line is up, so that how long it takes from here to the cloud is a figure."""
        rng, self.sold = self.rng, self.sold + 1
        skus = [
            f"S{min(rng.randrange(1, SKUS + 1), rng.randrange(1, SKUS + 1)):05}"
            for _ in range(rng.choice((1, 1, 2, 3)))
        ]
        lines = tuple(
            SaleLine(n, sku, 1, 100 * (1 + n * int(sku[1:]) % 90), per=1, price_version=3)
            for n, sku in enumerate(skus, 1)
        )
        total = sum(line.unit_price for line in lines)
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        sale = Sale(
            sale_id=f"{rng.getrandbits(128):032x}",
            till_id="t1",
            currency=CURRENCY,
            lines=lines,
            tenders=(Tender("card", total, provider="visa", reference=f"{rng.getrandbits(32):08x}"),),
            total=total,
            sold_at=moment,
        )
        fact = SaleFact(
            sale=sale,
            receipt_no=f"t1-{self.store}-{self.sold}",
            business_date=moment.date().isoformat(),
            committed_at=moment,
            stock=tuple(StockEffect(sku, LOCATION, -1) for sku in skus),
        )
        row = msgspec.json.encode(fact)
        self.write(Stream.SALES, row)
        self._digest = blake2b(self._digest + row, digest_size=8).digest()
        self._made_ms.append(at_ms if is_up else None)
        self.lines += len(lines)
        self.total += total
        for sku in skus:
            self._issued[sku] = self._issued.get(sku, 0) + 1
            self._changed[sku] = None

    def fold(self) -> bool:
        """Write the levels that have moved; whether any had."""
        changed, self._changed = self._changed, {}
        for sku in changed:
            row = msgspec.json.encode(LevelRow(sku=sku, location=LOCATION, received=0, issued=self._issued[sku]))
            self._level_seq[sku] = self.write(Stream.LEVELS, row, feed=Feed.STATE, replaces=self._level_seq.get(sku))
        return bool(changed)

    @property
    def issued(self) -> int:
        """All pieces that ever left."""
        return sum(self._issued.values())

    @property
    def end(self) -> Boundary:
        """Where its sales end, by a digest that is rolled here."""
        return Boundary(self.sold, self._digest)

    @property
    def is_safe(self) -> bool:
        """Whether all that it wrote is acknowledged."""
        return all(self.acks.get(head.stream, Boundary(0, b"")).last == head.last for head in self.heads())

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        """See sync.books.Books; a log is read where it is wanted, however long it is."""
        if head.feed is not Feed.LOG:
            return await super().load(head, after, rows_max, batches_max=batches_max)
        batches: list[Batch] = []
        while len(batches) < batches_max and after.last < head.last:
            last = min(head.last, after.last + rows_max)
            rows = [(seq, self._own[head.stream][seq]) for seq in range(after.last + 1, last + 1)]
            batches.append(batch_of(self.rep, head.stream, head.feed, after, rows))
            after = batches[-1].end
            self._offered[head.stream][after.last] = after.digest
        return batches

    async def acked(self, peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """See sync.books.Books; how long each sale took is noted."""
        if stream == Stream.SALES and rep == self.rep:
            held = self.acks.get(stream, Boundary(0, b"")).last
            now_ms, made = self.clock(), self._made_ms[held : boundary.last]
            self.lags_ms += [now_ms - made_ms for made_ms in made if made_ms is not None]
        await super().acked(peer_rep, rep, stream, boundary)
