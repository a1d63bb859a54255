"""The shop of the benchmarks: 20,000 products and baskets that look like a shop's. Pure: chance comes in as `rng`.

Baskets: 1 to 12 lines, mean 3 (a geometric law cut off at 12); SKUs by Zipf's law (exponent 1); 35 % name a member;
30 % pay cash, rounded as the currency is. Prices are minor units of HKD. Source: the design, section 8.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import msgspec

from devices.codecs.gtin import check_digit
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.money import cash_rounding
from sync.retail.names import Name
from sync.retail.selling.sales import SaleLine, Tender

PRODUCTS = 20_000
CURRENCY = "HKD"
LINES_MAX = 12
LINES_MEAN = 3.0
MEMBER_SHARE = 0.35
CASH_SHARE = 0.30
OPENING_STOCK = 1_000_000  # no benchmark sells out: warnings would be another workload
QTY_WEIGHTS = (80, 14, 6)  # of one, two and three pieces

_BRANDS = (("樂活", "Lohas"), ("山水", "Sansui"), ("大豐", "Tai Fung"), ("金象", "Gold Elephant"), ("海岸", "Coast"))
_GOODS = (
    *(("烏龍茶", "oolong tea"), ("雞蛋捲", "egg rolls"), ("圓領T恤", "crew neck tee"), ("洗髮露", "shampoo")),
    *(("即食麵", "instant noodles"), ("保溫杯", "thermos"), ("毛巾", "towel"), ("朱古力", "chocolate")),
)
_SIZES = ("S", "M", "L", "120 g", "300 g", "500 ml", "1 L")


@dataclass(frozen=True, slots=True)
class Basket:
    """What a till says beside its ids; sums are valid. `member_id` is None for most."""

    lines: tuple[SaleLine, ...]
    tenders: tuple[Tender, ...]
    total: int
    rounding: int
    member_id: str | None


def sku_of(number: int) -> str:
    """Return the SKU of product 0 to PRODUCTS - 1."""
    return f"B{number:06}"


def gtin13_of(number: int) -> str:
    """Return a product's EAN-13 as a scanner sends it."""
    body = f"489{number:09}"
    return f"{body}{check_digit(body)}"


def price_of(number: int) -> int:
    """Return a product's price in minor units, HKD 5.00 to 504.39."""
    return 500 + number * 7919 % 49_940


def catalogue(products: int = PRODUCTS) -> Iterator[Entry]:
    """Yield so many products with price and opening stock."""
    for number in range(products):
        brand, goods, size = _BRANDS[number % 5], _GOODS[number // 5 % 8], _SIZES[number // 40 % 7]
        yield Entry(
            product=Product(
                sku=sku_of(number),
                gtins=[f"0{gtin13_of(number)}"],
                name=Name(
                    zh_hant=f"{brand[0]}{goods[0]} {number:05} {size}", en=f"{brand[1]} {goods[1]} {number:05} {size}"
                ),
                attributes={"size": size},
                category=goods[1],
            ),
            price=Price(price_of(number), CURRENCY),
            stock=OPENING_STOCK,
        )


@cache
def zipf_cumulative(products: int = PRODUCTS) -> tuple[float, ...]:
    """Return the running sums of 1/rank."""
    return tuple(accumulate(1 / rank for rank in range(1, products + 1)))


@cache
def line_count_weights() -> tuple[float, ...]:
    """Return weights of 1 to LINES_MAX lines whose mean is LINES_MEAN: q^(lines - 1), q found by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        q = (low + high) / 2
        low, high = (q, high) if _mean_lines(q) < LINES_MEAN else (low, q)
    return tuple(low ** (lines - 1) for lines in range(1, LINES_MAX + 1))


def _mean_lines(q: float) -> float:
    weights = [q ** (lines - 1) for lines in range(1, LINES_MAX + 1)]
    return sum(lines * weight for lines, weight in enumerate(weights, 1)) / sum(weights)


def draw_product(rng: random.Random, products: int = PRODUCTS) -> int:
    """Return a product's number by Zipf's law; ranks are strewn over the numbers, so favourites share no page."""
    rank = rng.choices(range(products), cum_weights=zipf_cumulative(products))[0]
    return rank * 7717 % products


def draw_basket(rng: random.Random) -> Basket:
    """Return a basket with different SKUs and sums that agree."""
    count = rng.choices(range(1, LINES_MAX + 1), weights=line_count_weights())[0]
    chosen: dict[int, None] = {}
    while len(chosen) < count:
        chosen[draw_product(rng)] = None
    lines = tuple(
        SaleLine(
            line, sku_of(number), rng.choices((1, 2, 3), weights=QTY_WEIGHTS)[0], price_of(number), price_version=1
        )
        for line, number in enumerate(chosen, 1)
    )
    goods = sum(line.qty * line.unit_price for line in lines)
    is_cash = rng.random() < CASH_SHARE
    rounding = cash_rounding(goods, CURRENCY) if is_cash else 0
    member_id = f"m{rng.randrange(5000):05}" if rng.random() < MEMBER_SHARE else None
    tender = Tender("cash" if is_cash else "octopus", goods + rounding)
    return Basket(lines, (tender,), goods + rounding, rounding, member_id)


def encode_tail(basket: Basket, *, prints: bool) -> bytes:
    """Return the JSON of a sale from behind `till_id` to its end; the till puts its ids in front."""
    content: dict[str, object] = {
        "currency": CURRENCY,
        "lines": basket.lines,
        "tenders": basket.tenders,
        "total": basket.total,
        "rounding": basket.rounding,
        "cashier_id": "c1",
        "print": prints,
    }
    if basket.member_id is not None:
        content["member_id"] = basket.member_id
    return msgspec.json.encode(content)[1:]
