"""Public data sets that are no product files but hold one: HK Online Price Watch and UCI Online Retail.

Pure: rows in, drafts and refusals out. Price watch: the Hong Kong Consumer Council's daily JSON, prices in HKD by
retailer, no barcodes. Online Retail: invoice lines of a British gift wholesaler, 2010-2011, prices in GBP.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from hub.importing.draft import Draft, Refusal, RowRefusedError, object_of, text_of
from hub.importing.reading import Row

PRICE_WATCH_KEYS = frozenset({"code", "brand", "name", "prices"})
ONLINE_RETAIL_COLUMNS = frozenset({"InvoiceNo", "StockCode", "Description", "InvoiceDate", "UnitPrice"})
NOT_GOODS = frozenset({"AMAZONFEE", "B", "BANK CHARGES", "C2", "CRUK", "D", "DOT", "M", "PADS", "POST", "S"})
"""Stock codes (upper case) of postage, discounts, fees, samples and corrections; gift vouchers start with GIFT_."""

_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,4})?")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*")


def read_price_watch(rows: Iterable[Row], retailer: str | None) -> Iterator[Draft | Refusal]:
    """Yield a draft a product: brand and name in both languages, the retailer's price or, with none, the lowest."""
    for row in rows:
        try:
            yield _price_watch_draft(row, retailer)
        except RowRefusedError as refused:
            yield Refusal(row.number, refused.reason, refused.value)


def read_online_retail(rows: Iterable[Row]) -> Iterator[Draft | Refusal]:
    """Yield one draft a StockCode, from its most recent row with a positive price and a description.

    Most recent is by InvoiceDate where that is ISO text (else by place in the file), later rows winning a tie.
    Codes that are no goods and codes without such a row are refused with all their rows.
    """
    counts: dict[str, int] = {}
    first_rows: dict[str, int] = {}
    latest: dict[str, tuple[str, int, str, str]] = {}
    for row in rows:
        record = row.record
        code = text_of(record.get("StockCode")).strip()
        counts[code] = counts.get(code, 0) + 1
        first_rows.setdefault(code, row.number)
        description, price = text_of(record.get("Description")).strip(), text_of(record.get("UnitPrice")).strip()
        if row.surplus or not description or price[:1] == "-" or not price.strip("0."):
            continue
        dated = text_of(record.get("InvoiceDate"))
        date = dated if _ISO_DATE.fullmatch(dated) else ""
        best = latest.get(code)
        if best is None or date >= best[0]:
            latest[code] = (date, row.number, description, price)
    for code, count in counts.items():
        if code.upper() in NOT_GOODS or code.upper().startswith("GIFT_"):
            yield Refusal(first_rows[code], "not_goods", code, count)
        elif code not in latest:
            yield Refusal(first_rows[code], "no_priced_row", code, count)
        else:
            _, number, description, price = latest[code]
            yield Draft(row=number, rows=count, sku=code, name_en=description, price=price)


def _price_watch_draft(row: Row, retailer: str | None) -> Draft:
    record = row.record
    brand, name = object_of(record.get("brand")), object_of(record.get("name"))
    category = object_of(record.get("cat3")) or object_of(record.get("cat2"))
    return Draft(
        row=row.number,
        sku=text_of(record.get("code")),
        name_zh=_branded(text_of(brand.get("tc")), text_of(name.get("tc"))),
        name_en=_branded(text_of(brand.get("en")), text_of(name.get("en"))),
        price=_price_at(object_of(record.get("prices")), retailer),
        currency="HKD",
        category=text_of(category.get("en")),
    )


def _branded(brand: str, name: str) -> str:
    if name.casefold().startswith(brand.casefold()):
        return name
    return f"{brand} {name}".strip()


def _price_at(prices: dict[str, object], retailer: str | None) -> str:
    if retailer is not None:
        wanted = retailer.casefold()
        names = [name for name in prices if name.casefold() == wanted]
        if not names:
            raise RowRefusedError("retailer_has_no_price", ", ".join(prices))
        return text_of(object_of(prices[names[0]]).get("price"))
    found = [text_of(object_of(price).get("price")).strip() for price in prices.values()]
    readable = [price for price in found if _PRICE.fullmatch(price)]
    if not readable:
        return found[0] if found else ""
    return min(readable, key=Decimal)
