"""What is sold: products and prices of head office, and those that a shop had before it was joined."""

from typing import NamedTuple

from hub.store import model
from sync.cloud import catalogue
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name

CURRENCY = "HKD"
SERVICE = "ALTERATION"  # has no stock
SKUS = tuple(f"TEA-{n:02}" for n in range(1, 11))
OWN_SKUS = ("POT-01", "POT-02", "POT-03")


class Entry(NamedTuple):
    """What head office says of a SKU."""

    sku: str
    name: str
    amount: int


def entries(wanted: list[Entry]) -> list[catalogue.Entry]:
    """Return entries as the cloud takes them."""
    return [catalogue.Entry(_product(each), Price(each.amount, CURRENCY)) for each in wanted]


def first_entries() -> list[Entry]:
    """What there is on the first day."""
    return [Entry(sku, f"{sku} of the first day", 100 * n) for n, sku in enumerate((*SKUS, SERVICE), 1)]


OWN = [
    model.Entry(Product(sku=sku, name=Name(en=f"{sku} of the shop")), Price(700, CURRENCY), stock)
    for stock, sku in enumerate(OWN_SKUS, 5)
]


def _product(entry: Entry) -> Product:
    return Product(sku=entry.sku, name=Name(en=entry.name), stocked=entry.sku != SERVICE)
