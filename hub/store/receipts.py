"""What a shop writes on its receipts, in Traditional Chinese and English: a pure function of the sale. No printer bytes."""

from collections.abc import Callable

from devices.document import Barcode, Columns, Cut, Document, DrawerPulse, Element, Feed, Rule, Text
from hub.store.model import Shop
from hub.store.printing import Mark
from sync.retail.catalogue import Name
from sync.retail.money import format_amount
from sync.retail.sales import SaleFact, SaleLine, amount_of

CASH = "cash"
_MARKS: dict[Mark, str] = {"reprint": "副本 COPY", "repeat": "重印，或為重複單據 REPEAT, MAY BE A DUPLICATE"}
_TENDERS = {
    "cash": "現金 Cash",
    "card": "信用卡 Card",
    "octopus": "八達通 Octopus",
    "fps": "轉數快 FPS",
    "payme": "PayMe",
    "line_pay": "LINE Pay",
    "mall": "商場代收 Mall",
    "voucher": "禮券 Voucher",
}
Names = Callable[[str], Name | None]


def receipt(shop: Shop, fact: SaleFact, names: Names, *, receipt_code: str, mark: Mark = "") -> Document:
    """Return the receipt of a sale; `names` gives a SKU's name. Only the first print of a cash sale opens the drawer."""
    elements: list[Element] = [
        *_header(shop, fact, mark),
        Rule(),
        *(element for line in fact.sale.lines for element in _line(line, names(line.sku), fact.sale.currency)),
        Rule(),
        *_totals(fact),
        Feed(),
        Barcode("EAN13", receipt_code),
        *(Text(line, align="center") for line in shop.footer),
        Cut(),
    ]
    if not mark and any(tender.type == CASH for tender in fact.sale.tenders):
        elements.insert(0, DrawerPulse())
    return Document(tuple(elements))


def marked(document: Document, mark: Mark) -> Document:
    """Return a document as it is printed again: the mark stands on top, and no drawer opens."""
    return Document((_mark(mark), *without_pulse(document).elements)) if mark else document


def without_pulse(document: Document) -> Document:
    """Return a document that opens no drawer."""
    return Document(tuple(element for element in document.elements if not isinstance(element, DrawerPulse)))


def _mark(mark: Mark) -> Text:
    return Text(_MARKS[mark], bold=True, align="center")


def _header(shop: Shop, fact: SaleFact, mark: Mark) -> list[Element]:
    sold_at = (fact.sale.sold_at or fact.committed_at).astimezone(shop.zone)
    elements: list[Element] = [_mark(mark)] if mark else []
    elements += [
        Text(shop.name.zh_hant, bold=True, width=2, height=2, align="center"),
        Text(shop.name.en, align="center"),
        *(Text(line, align="center") for line in shop.header),
        Rule(),
        Columns("單號 Receipt", fact.receipt_no),
        Columns("時間 Time", f"{sold_at:%Y-%m-%d %H:%M:%S}"),
        Columns("收銀機 Till", fact.sale.till_id),
    ]
    if fact.sale.cashier_id:
        elements.append(Columns("收銀員 Cashier", fact.sale.cashier_id))
    if fact.sale.member_id:
        elements.append(Columns("會員 Member", fact.sale.member_id))
    return elements


def _line(line: SaleLine, name: Name | None, currency: str) -> list[Element]:
    def money(minor: int) -> str:
        return format_amount(minor, currency)

    names = [name.zh_hant, name.en] if name else [line.description or line.sku]
    quantity = f"{line.qty} g" if line.unit == "g" else str(line.qty)
    per = f" / {line.per} g" if line.unit == "g" else f" / {line.per}" if line.per != 1 else ""
    return [
        *(Text(text) for text in dict.fromkeys(names) if text),
        Columns(f"  {quantity} x {money(line.unit_price)}{per}", money(amount_of(line) + line.discount)),
        *([Columns("  折扣 Discount", f"-{money(line.discount)}")] if line.discount else []),
    ]


def _totals(fact: SaleFact) -> list[Element]:
    sale = fact.sale
    elements: list[Element] = []
    if sale.rounding:
        elements.append(Columns("現金尾數 Rounding", format_amount(sale.rounding, sale.currency)))
    elements.append(Columns(f"合計 Total {sale.currency}", format_amount(sale.total, sale.currency), bold=True))
    for tender in sale.tenders:
        name = _TENDERS.get(tender.type, tender.type)
        elements.append(Columns(name, format_amount(tender.amount, sale.currency)))
    return elements
