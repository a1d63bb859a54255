"""What a shop writes on its receipts, in Traditional Chinese and English: a pure function of the sale. No printer bytes."""

from collections.abc import Callable

from devices.document import Barcode, Columns, Cut, Document, DrawerPulse, Element, Feed, Logo, Rule, Text
from hub.store.model import Shop
from hub.store.selling.printing import Mark
from sync.retail.money import format_amount
from sync.retail.names import Name
from sync.retail.selling.returns import ReturnFact
from sync.retail.selling.sales import EXCHANGED, DiscountKind, SaleFact, SaleLine, Tender, amount_of
from sync.retail.selling.tenders import named_type

_MARKS: dict[Mark, str] = {"reprint": "副本 COPY", "repeat": "重印，或為重複單據 REPEAT, MAY BE A DUPLICATE"}
_TRAINING = "訓練單，並非收據 TRAINING, NOT A RECEIPT"
_DISCOUNTS: dict[DiscountKind, str] = {
    "promotion": "優惠 Promotion",
    "coupon": "優惠券 Coupon",
    "manual": "折扣 Discount",
    "member": "會員折扣 Member discount",
    "points": "點數折抵 Points",
    "sale": "整單折扣 Discount on the sale",
}
Names = Callable[[str], Name | None]


def receipt(
    shop: Shop, fact: SaleFact, names: Names, *, receipt_code: str, mark: Mark = "", back: ReturnFact | None = None
) -> Document:
    """Return the receipt of a sale; `names` gives a SKU's name, `back` is what came back for it. Only its first print opens the
    drawer.

    One for training says so on top and at the end, opens nothing, and has no bar code to be found by.
    """
    is_training = fact.sale.training
    elements: list[Element] = [
        *([Text(_TRAINING, bold=True, align="center")] if is_training else []),
        *_header(shop, fact, mark),
        *(_goods_back(back, names) if back else []),
        Rule(),
        *(element for line in fact.sale.lines for element in _line(line, names(line.sku), fact.sale.currency)),
        Rule(),
        *_totals(shop, fact),
        *(_paid_back(shop, back) if back else []),
        Feed(),
        Text(_TRAINING, bold=True, align="center") if is_training else Barcode("EAN13", receipt_code),
        *(Text(line, align="center") for line in shop.footer),
        Cut(),
    ]
    tenders = (*fact.sale.tenders, *(back.content.tenders if back else ()))
    if not mark and not is_training and any(_opens_drawer(shop, tender) for tender in tenders):
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
        Logo(),
        Text(shop.name.zh_hant, bold=True, width=2, height=2, align="center"),
        Text(shop.name.en, align="center"),
        *(Text(line, align="center") for line in shop.header),
        Rule(),
        Columns("單號 Receipt", fact.receipt_no),
        Columns("時間 Time", sold_at.replace(tzinfo=None).isoformat(" ", "seconds")),
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
        *_discounts(line, money),
    ]


def _discounts(line: SaleLine, money: Callable[[int], str]) -> list[Element]:
    """A line each for what the discount is made of, in the words it was given for."""
    if not line.discounts:
        return [Columns("  折扣 Discount", f"-{money(line.discount)}")] if line.discount else []
    return [Columns(f"  {part.reason or _DISCOUNTS[part.kind]}", f"-{money(part.amount)}") for part in line.discounts]


def _goods_back(back: ReturnFact, names: Names) -> list[Element]:
    """What came back, and what it is worth."""
    elements: list[Element] = [Rule(), Text("退回 Returned", bold=True)]
    for line in back.lines:
        name = names(line.sku)
        said = [name.zh_hant, name.en] if name else [line.sku]
        elements += [Text(text) for text in dict.fromkeys(said) if text]
        elements.append(Columns(f"  {line.qty}", f"-{format_amount(line.amount, back.currency)}"))
    worth = f"-{format_amount(back.refund, back.currency)}"
    return [*elements, Columns(f"退回合計 Returned {back.currency}", worth, bold=True)]


def _paid_back(shop: Shop, back: ReturnFact) -> list[Element]:
    """What of the refund did not pay for the goods, and how it went out."""
    due = back.refund - back.content.exchanged
    if not due:
        return []
    paid = [tender for tender in back.content.tenders if tender.type != EXCHANGED]
    return [
        Columns(f"應退 Due back {back.currency}", format_amount(due, back.currency), bold=True),
        *(
            Columns(f"  退 Paid back: {_tender_name(shop, tender)}", format_amount(tender.amount, back.currency))
            for tender in paid
        ),
    ]


def _totals(shop: Shop, fact: SaleFact) -> list[Element]:
    sale = fact.sale

    def money(minor: int) -> str:
        return format_amount(minor, sale.currency)

    elements: list[Element] = []
    if sale.rounding:
        elements.append(Columns("現金尾數 Rounding", money(sale.rounding)))
    elements.append(Columns(f"合計 Total {sale.currency}", money(sale.total), bold=True))
    for tender in sale.tenders:
        elements.append(Columns(_tender_name(shop, tender), money(tender.amount)))
        if tender.tendered is not None:
            elements.append(Columns("  實收 Tendered", money(tender.tendered)))
            elements.append(Columns("  找零 Change", money(tender.change)))
    if sale.points_burned:
        elements.append(Columns("扣抵點數 Points used", str(sale.points_burned)))
    earned = sum(effect.points for effect in fact.points) + sale.points_burned
    if earned:
        elements.append(Columns("本次點數 Points earned", str(earned)))
    elements += [Columns(f"內含稅 Tax included {_percent(part.rate_bp)}", money(part.amount)) for part in fact.tax]
    return elements


def _opens_drawer(shop: Shop, tender: Tender) -> bool:
    known = named_type(shop.tenders, tender.type)
    return known is not None and known.opens_drawer


def _tender_name(shop: Shop, tender: Tender) -> str:
    known = named_type(shop.tenders, tender.type)
    return " ".join(filter(None, (known.name.zh_hant, known.name.en))) if known else tender.type


def _percent(rate_bp: int) -> str:
    whole, rest = divmod(rate_bp, 100)
    return f"{whole}.{rest:02}".rstrip("0").rstrip(".") + "%"
