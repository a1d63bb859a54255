"""The workload of benchmark `sync`: what three replicas wrote while apart, and what all of them must agree on. Pure.

A trace is BASKETS baskets with DELTAS lines in all, at the tills of three shops, and EDITS price edits by any of the three. Lines
a basket and pieces a line as in bench.workload (mean 3 lines; mostly one piece); SKUs by Zipf's law, exponent 1; one basket in
fifty is a return. A price edit picks any SKU: mark-downs and mark-ups by a tenth to a half, amounts that end in 0.

A Zipf law of exponent 1 is steeper than a real wholesaler's lines (UCI "Online Retail": the first of 4,070 codes has 0.4 %
of the lines, here 9.5 %), a draw with fewer favourites leaves more (SKU, writer) pairs: `products_sold` says how many.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bench.workload import (
    CURRENCY,
    PRODUCTS,
    QTY_WEIGHTS,
    catalogue,
    draw_basket,
    gtin13_of,
    line_count_weights,
    price_of,
    sku_of,
    zipf_cumulative,
)
from hub.store.model import Entry
from sync.retail.selling.sales import Sale, SaleFact, StockEffect

REPLICAS = 3
DELTAS = 200_000
BASKETS = 66_724
EDITS = 20_000
TUNING_SEEDS = (1, 2)  # the third trace has a seed drawn at the start of the run: nobody has tuned on it
GROWN_DELTAS = 10 * DELTAS
RETURN_SHARE = 0.02
COLD_PRODUCTS = 200_000
BEGAN_MS = 1_790_000_000_000
MEAN_PAUSE_MS = 15_000
TILLS = 4
DELTAS_A_STEP = 1000
Delta = tuple[int, int]
"""A product's number and the signed change of its stock."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A new price of a product, in minor units."""

    product: int
    amount: int


@dataclass(frozen=True, slots=True)
class Trace:
    """What each replica wrote, in its order: baskets of stock deltas, price edits."""

    baskets: tuple[tuple[tuple[Delta, ...], ...], ...]
    edits: tuple[tuple[Edit, ...], ...]

    @property
    def on_hand(self) -> dict[int, int]:
        """The stock that all must agree on, from an opening of nothing: the sum of all deltas by product."""
        total: Counter[int] = Counter()
        for baskets in self.baskets:
            for basket in baskets:
                for product, qty in basket:
                    total[product] += qty
        return dict(total)

    @property
    def prices(self) -> dict[int, int]:
        """The price that stands by product: the most often edited by one replica, of equals the last replica's."""
        standing: dict[int, tuple[int, int, int]] = {}
        for writer, edits in enumerate(self.edits):
            versions: Counter[int] = Counter()
            for edit in edits:
                versions[edit.product] += 1
                version = (versions[edit.product], writer, edit.amount)
                standing[edit.product] = max(standing.get(edit.product, version), version)
        return {product: amount for product, (_, _, amount) in standing.items()}

    @property
    def products_sold(self) -> int:
        """How many different (product, replica) pairs have deltas: the rows that tallies become."""
        return sum(len({product for basket in baskets for product, _ in basket}) for baskets in self.baskets)


def draw_trace(seed: int, *, baskets: int = BASKETS, deltas: int = DELTAS, edits: int = EDITS) -> Trace:
    """Return the trace of a seed; the same seed draws the same trace."""
    rng = random.Random(seed)
    counts = _line_counts(rng, baskets, deltas)
    products = iter(rng.choices(_shuffled_products(rng), cum_weights=zipf_cumulative(), k=deltas))
    pieces = iter(rng.choices((1, 2, 3), weights=QTY_WEIGHTS, k=deltas))
    sold: tuple[list[tuple[Delta, ...]], ...] = tuple([] for _ in range(REPLICAS))
    for count in counts:
        sign = 1 if rng.random() < RETURN_SHARE else -1
        sold[rng.randrange(REPLICAS)].append(tuple((next(products), sign * next(pieces)) for _ in range(count)))
    edited: tuple[list[Edit], ...] = tuple([] for _ in range(REPLICAS))
    for _ in range(edits):
        product = rng.randrange(PRODUCTS)
        edited[rng.randrange(REPLICAS)].append(Edit(product, _new_amount(rng, product)))
    return Trace(tuple(map(tuple, sold)), tuple(map(tuple, edited)))


def stream_deltas(seed: int, deltas: int) -> Iterator[tuple[Delta, ...]]:
    """Yield so many deltas of one replica, DELTAS_A_STEP at a time: what a growing store has to swallow."""
    rng = random.Random(seed)
    products = _shuffled_products(rng)
    for first in range(0, deltas, DELTAS_A_STEP):
        count = min(DELTAS_A_STEP, deltas - first)
        drawn = rng.choices(products, cum_weights=zipf_cumulative(), k=count)
        yield tuple(zip(drawn, (-qty for qty in rng.choices((1, 2, 3), weights=QTY_WEIGHTS, k=count)), strict=True))


def fold(baskets: Sequence[Sequence[Delta]], *, facts_max: int) -> list[list[tuple[int, int, int]]]:
    """Return (product, received, issued) sums of `facts_max` baskets each, sorted by product: what one fold adds."""
    folds = []
    for first in range(0, len(baskets), facts_max):
        received: Counter[int] = Counter()
        issued: Counter[int] = Counter()
        for basket in baskets[first : first + facts_max]:
            for product, qty in basket:
                received[product] += max(qty, 0)
                issued[product] += max(-qty, 0)
        folds.append([(product, received[product], issued[product]) for product in sorted(received)])
    return folds


def sale_rows(seed: int, count: int) -> list[bytes]:
    """Return the facts of so many sales of one shop, as a hub writes them: UUIDv7 ids, its own receipt numbers."""
    rng, now_ms, rows = random.Random(seed), BEGAN_MS, []
    for number in range(count):
        now_ms += int(rng.expovariate(1 / MEAN_PAUSE_MS)) + 1
        basket, till = draw_basket(rng), f"till-{number % TILLS + 1}"
        sale = Sale(
            sale_id=_uuid7(now_ms - rng.randrange(20, 400), rng),
            till_id=till,
            currency=CURRENCY,
            lines=tuple(replace(line, per=1) for line in basket.lines),
            tenders=basket.tenders,
            total=basket.total,
            rounding=basket.rounding,
            cashier_id="c1",
            member_id=basket.member_id,
        )
        committed_at = datetime.fromtimestamp(now_ms / 1000, UTC)
        fact = SaleFact(
            sale=sale,
            receipt_no=f"{till}-7KQ2-{number // TILLS + 1:06}",
            business_date=committed_at.date().isoformat(),
            committed_at=committed_at,
            stock=tuple(StockEffect(line.sku, "shop", -line.qty) for line in basket.lines),
        )
        rows.append(msgspec.json.encode(fact))
    return rows


def cold_catalogue() -> Iterator[Entry]:
    """Yield COLD_PRODUCTS products with price and stock: the benchmarks' catalogue, over and over under new numbers."""
    for copy in range(COLD_PRODUCTS // PRODUCTS):
        for number, entry in enumerate(catalogue(), copy * PRODUCTS):
            name = replace(entry.product.name, en=f"{entry.product.name.en} {copy}")
            product = replace(entry.product, sku=sku_of(number), gtins=[f"0{gtin13_of(number)}"], name=name)
            yield replace(entry, product=product)


def _uuid7(made_ms: int, rng: random.Random) -> str:
    number = made_ms << 80 | rng.getrandbits(80)
    return str(UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def _line_counts(rng: random.Random, baskets: int, deltas: int) -> list[int]:
    """Draw the lines of each basket, then take from or add to some of them until the sum is right."""
    weights = line_count_weights()
    counts = rng.choices(range(1, len(weights) + 1), weights=weights, k=baskets)
    total = sum(counts)
    while total != deltas:
        step = 1 if total < deltas else -1
        place = rng.randrange(baskets)
        if 1 <= counts[place] + step <= len(weights):
            counts[place] += step
            total += step
    return counts


def _shuffled_products(rng: random.Random) -> list[int]:
    products = list(range(PRODUCTS))
    rng.shuffle(products)
    return products


def _new_amount(rng: random.Random, product: int) -> int:
    changed = price_of(product) * rng.choice((50, 60, 70, 80, 90, 110, 120)) // 100
    return max(changed // 10 * 10, 10)
