"""A Z or X report as it is printed, in Traditional Chinese and English: a pure function of its figures. No printer bytes."""

from collections.abc import Callable
from datetime import datetime

from devices.document import Columns, Cut, Document, Element, Feed, Rule, Text
from hub.store.day.drawers import XReport
from hub.store.model import Shop
from sync.retail.money import format_amount
from sync.retail.selling.drawers import What
from sync.retail.selling.tenders import named_type
from sync.retail.selling.z_reports import UNSTATED, Figures, TenderSum, ZReport

LISTED_MAX = 40  # lines of one list on paper; the report itself has all
_MOVEMENTS: dict[What, str] = {
    "pay_in": "存入現金 Paid in",
    "pay_out": "支出現金 Paid out",
    "cash_drop": "繳存保險箱 Cash drop",
    "no_sale": "無交易開箱 No sale",
}
_DISCOUNTS = {
    "promotion": "優惠 Promotion",
    "coupon": "優惠券 Coupon",
    "manual": "手動折扣 Manual",
    "member": "會員折扣 Member",
    "points": "點數折抵 Points",
    "sale": "整單折扣 On the sale",
    UNSTATED: "未說明 Unstated",
}
Money = Callable[[int], str]


def z_paper(shop: Shop, report: ZReport, *, signed_by: str) -> Document:
    """Return a Z report; `signed_by` is the name of whoever closed the session."""
    money = _money(report.currency)
    return Document(
        (
            Text("日結單 Z REPORT", bold=True, width=2, height=2, align="center"),
            *_head(shop, report.till_id, report.opened_by, report.opened_at),
            Columns("單號 Z no.", report.z_no),
            *([Columns("前一單 Previous", report.previous)] if report.previous else []),
            Columns("營業日 Business date", report.business_date),
            Columns("關帳 Closed", f"{report.closed_at.astimezone(shop.zone):%Y-%m-%d %H:%M:%S}"),
            Rule(),
            *_body(shop, report.figures, money),
            Rule(),
            Columns("備用金 Float", money(report.float_amount)),
            Columns("應有現金 Expected cash", money(report.figures.expected_cash)),
            *(
                Columns(f"  {money(each.value)} x {each.count}", money(each.value * each.count))
                for each in report.counted
            ),
            Columns("點算現金 Counted cash", money(report.counted_cash), bold=True),
            Columns("差額 Difference", money(report.difference), bold=True),
            *([Text(f"備註 Note: {report.note}")] if report.note else []),
            Feed(2),
            Columns("簽署 Signed", f"{signed_by} ({report.closed_by})"),
            Feed(2),
            Rule(),
            Cut(),
        )
    )


def x_paper(shop: Shop, report: XReport) -> Document:
    """Return an X report: how a session stands, not closed."""
    money = _money(report.currency)
    return Document(
        (
            Text("中途結單 X REPORT", bold=True, width=2, height=2, align="center"),
            *_head(shop, report.till_id, report.opened_by, report.opened_at),
            Columns("截至 As of", f"{report.as_of.astimezone(shop.zone):%Y-%m-%d %H:%M:%S}"),
            Rule(),
            *_body(shop, report.figures, money),
            Rule(),
            Columns("備用金 Float", money(report.float_amount)),
            Columns("應有現金 Expected cash", money(report.figures.expected_cash)),
            Cut(),
        )
    )


def _money(currency: str) -> Money:
    return lambda minor: format_amount(minor, currency)


def _head(shop: Shop, till_id: str, opened_by: str, opened_at: datetime) -> list[Element]:
    return [
        Text(shop.name.zh_hant, align="center"),
        Text(shop.name.en, align="center"),
        Rule(),
        Columns("收銀機 Till", till_id),
        Columns("開帳 Opened", f"{opened_at.astimezone(shop.zone):%Y-%m-%d %H:%M:%S}"),
        Columns("開帳人 Opened by", opened_by),
    ]


def _body(shop: Shop, figures: Figures, money: Money) -> list[Element]:
    return [
        *_sums(figures, money),
        Rule(),
        *(_tender(shop, each, money) for each in figures.tenders),
        *([Columns("退款方式未說明 Refund not stated", money(-figures.unstated))] if figures.unstated else []),
        *(
            Columns(f"{_MOVEMENTS[each.what]} ({each.count})", money(each.amount) if each.amount else "")
            for each in figures.movements
        ),
        *_days(figures, money),
        *_lists(figures),
    ]


def _sums(figures: Figures, money: Money) -> list[Element]:
    net = figures.total - figures.refunds - figures.voided - figures.rounding_back
    rows: list[Element] = [
        Columns(f"銷售 Sales ({figures.sales})", money(figures.gross)),
        *(Columns(f"  {_DISCOUNTS.get(each.kind, each.kind)}", money(-each.amount)) for each in figures.discount_kinds),
        Columns("折扣 Discounts", money(-figures.discounts)),
        Columns("現金尾數 Rounding", money(figures.rounding)),
        Columns("銷售總額 Total", money(figures.total), bold=True),
        *(Columns(f"內含稅 Tax included {part.rate_bp / 100:g}%", money(part.amount)) for part in figures.tax),
        Columns(f"退貨 Returns ({figures.returns})", money(-figures.refunds)),
        Columns(f"作廢 Voids ({figures.voids})", money(-figures.voided)),
        *([Columns("退款尾數 Rounding of refunds", money(-figures.rounding_back))] if figures.rounding_back else []),
        *(Columns(f"退還稅 Tax of refunds {part.rate_bp / 100:g}%", money(-part.amount)) for part in figures.tax_back),
        Columns("淨額 Net", money(net), bold=True),
        *([Columns("換貨 Exchanges", str(figures.exchanges))] if figures.exchanges else []),
    ]
    return rows + ([Columns("離線銷售 Off-line sales", str(figures.offline))] if figures.offline else [])


def _tender(shop: Shop, tender: TenderSum, money: Money) -> Columns:
    known = named_type(shop.tenders, tender.type)
    said = " ".join(filter(None, (known.name.zh_hant, known.name.en))) if known else tender.type
    return Columns(f"{said} ({tender.count})", money(tender.taken - tender.paid_back))


def _days(figures: Figures, money: Money) -> list[Element]:
    """Only where not all of it belongs to one day."""
    if len(figures.days) < 2:
        return []
    rows = [Columns(f"{day.business_date} ({day.sales})", money(day.total - day.refunds)) for day in figures.days]
    return [Rule(), Text("各營業日 By business date"), *rows]


def _lists(figures: Figures) -> list[Element]:
    receipts = [f"{run.series} {run.first:06}-{run.last:06}" for run in figures.receipts]
    return [
        *_list("單號 Receipts", [*receipts, *figures.other_receipts]),
        *_list("缺號 Missing numbers", list(figures.missing)),
        *_list("補登銷售 Late sales", [f"{late.receipt_no} ({late.sold_on})" for late in figures.late]),
        *_list("補登退貨 Late returns", [f"{late.return_id} ({late.returned_on})" for late in figures.late_returns]),
        *_list("待處理銷售 Suspended sales", [each.sale_id for each in figures.suspended]),
    ]


def _list(title: str, lines: list[str]) -> list[Element]:
    if not lines:
        return []
    more = [Text(f"  +{len(lines) - LISTED_MAX}")] if len(lines) > LISTED_MAX else []
    return [Rule(), Columns(title, str(len(lines))), *(Text(f"  {line}") for line in lines[:LISTED_MAX]), *more]
