"""A receipt as a page for the customer's own telephone: the very lines that a printer would get, without who bought and who sold.

Pure. One HTML file in both languages: no script, nothing fetched, its QR codes drawn in it. Not here: who may see it.
"""

from base64 import b64encode
from html import escape
from io import BytesIO

from msgspec.structs import replace

from devices.document import Barcode, Columns, Document, Element, Qr, Rule, Text
from hub.store.model import Shop
from hub.store.selling.receipts import Names, receipt
from hub.store.selling.sales import SaleView
from sync.retail.selling.returns import ReturnFact

QR_SCALE = 4  # pixels a module: read from a screen at arm's length
_STYLE = (
    "body{margin:0;background:#eee;color:#111;font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:28em;margin:0 auto;padding:1em 1.2em;background:#fff}"
    "p{margin:0;overflow-wrap:anywhere}.row{display:flex;justify-content:space-between;gap:1em}"
    ".row span:last-child{white-space:nowrap}.b{font-weight:700}.big{font-size:1.5em}.center{text-align:center}"
    ".right{text-align:right}hr{border:0;border-top:1px dashed #888}svg{display:block;margin:.5em auto;max-width:60%;height:auto}"
)


def receipt_page(shop: Shop, view: SaleView, names: Names, back: ReturnFact | None = None) -> str:
    """Return the page of a sale; `back` is what came back for it in an exchange."""
    fact = view.fact
    tenders = tuple(replace(tender, provider=None, reference=None) for tender in fact.sale.tenders)
    open_ = replace(fact, sale=replace(fact.sale, cashier_id=None, member_id=None, tenders=tenders))
    document = receipt(shop, open_, names, receipt_code=view.receipt_code, back=back)
    return paper_page(f"收據 Receipt {fact.receipt_no}", document, more=_returned(view))


def paper_page(title: str, document: Document, *, more: str = "") -> str:
    """Return a document as one HTML page; `more` is HTML behind it."""
    body = "".join(_element(element) for element in document.elements)
    return (
        '<!doctype html><html lang="zh-Hant"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}{more}</main></body></html>"
    )


def qr_svg(data: str) -> str:
    """Return a QR code as an SVG element."""
    import segno  # here: an idle hub draws none, and has a megabyte more

    drawn: str = segno.make(data, error="m", micro=False).svg_inline(scale=QR_SCALE)
    return drawn


def qr_png(data: str) -> str:
    """Return a QR code as a PNG in base64."""
    out = BytesIO()
    import segno

    segno.make(data, error="m", micro=False).save(out, kind="png", scale=QR_SCALE)
    return b64encode(out.getvalue()).decode()


def _returned(view: SaleView) -> str:
    """What is back of it: a page is looked at after the fact, paper is not."""
    sold = {line.line: line for line in view.fact.sale.lines}
    rows = [
        _row(f"已退回 Returned: {sold[number].sku}", f"{qty}{' g' if sold[number].unit == 'g' else ''}", "")
        for number, qty in sorted(view.returned.items())
        if number in sold
    ]
    return f"<hr>{''.join(rows)}" if rows else ""


def _element(element: Element) -> str:
    match element:
        case Text():
            size = " big" if element.width > 1 else ""
            return f'<p class="{element.align}{" b" if element.bold else ""}{size}">{escape(element.text)}</p>'
        case Columns():
            return _row(element.left, element.right, " b" if element.bold else "")
        case Rule():
            return "<hr>"
        case Barcode() | Qr():
            return f'{qr_svg(element.data)}<p class="center">{escape(element.data)}</p>'
    return ""


def _row(left: str, right: str, style: str) -> str:
    return f'<p class="row{style}"><span>{escape(left)}</span><span>{escape(right)}</span></p>'
