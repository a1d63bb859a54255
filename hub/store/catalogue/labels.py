"""What stands on a shelf label: a product's names, its price of now, what it was. Pure; who prints it is
hub.api.catalogue.labels.
"""

from devices.document import ShelfLabel
from hub.store.model import Item
from sync.retail.money import format_amount

_SIGNS = {"HKD": "$", "TWD": "NT$", "MOP": "MOP$", "USD": "US$", "CNY": "¥", "JPY": "¥"}  # others: the code and a blank


def shelf_label(item: Item, *, copies: int, was: int | None) -> ShelfLabel:
    """Return the label of a product that has a price; `was` is the price before, in minor units."""
    price = item.price
    assert price is not None, "a product without a price has no label"
    return ShelfLabel(
        sku=item.sku,
        name=item.name.zh_hant or item.name.en or item.sku,
        name_en=item.name.en if item.name.zh_hant and item.name.en != item.name.zh_hant else "",
        price=_money(price.amount, price.currency),
        per=f"/ {price.per} g" if item.unit == "g" else f"/ {price.per}" if price.per != 1 else "",
        was=_money(was, price.currency) if was is not None else "",
        gtin=item.gtins[0] if item.gtins else "",
        copies=copies,
    )


def _money(amount: int, currency: str) -> str:
    return f"{_SIGNS.get(currency, f'{currency} ')}{format_amount(amount, currency)}"
