"""The paper of a Z report: every figure stands on it in both languages, long lists are cut and say so, a copy is marked."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from devices.document import Columns, Document, Text
from hub.store.day.drawers import XReport
from hub.store.day.z_paper import LISTED_MAX, x_paper, z_paper
from hub.store.model import Shop
from sync.retail.selling.drawers import Denomination, Mark
from sync.retail.selling.sales import TaxPart
from sync.retail.selling.z_reports import (
    DaySum,
    DiscountSum,
    Figures,
    LateReturn,
    LateSale,
    MovementSum,
    Run,
    Suspended,
    TenderSum,
    ZReport,
)

AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
FIGURES = Figures(
    sales=12,
    offline=2,
    gross=123_450,
    discounts=3450,
    discount_kinds=(DiscountSum("manual", 3000), DiscountSum("unstated", 450)),
    rounding=-3,
    total=119_997,
    tax=(TaxPart(500, 5714),),
    returns=1,
    refunds=1090,
    voids=1,
    voided=2180,
    unstated=1090,
    exchanges=1,
    rounding_back=-3,
    tax_back=(TaxPart(500, 156),),
    tenders=(TenderSum("card", 3, 60_000, 0), TenderSum("cash", 9, 59_997, 2180), TenderSum("barter", 1, 5, 0)),
    days=(DaySum("2026-09-20", 1, 1090, 0), DaySum("2026-09-21", 11, 118_907, 3270)),
    movements=(MovementSum("no_sale", 2, 0), MovementSum("pay_out", 1, 8000)),
    receipts=(Run("t1-0TR5", 1, 12),),
    other_receipts=("ABC",),
    missing=("pad-000003",),
    late=(LateSale("s9", "t1-0TR5-000004", "2026-09-19"),),
    late_returns=(LateReturn("r9", "2026-09-18"),),
    suspended=(Suspended("s5", "00ff"),),
    expected_cash=99_817,
)
REPORT = ZReport(
    z_no="t1-Z0TR5-0007",
    session_id="s1",
    till_id="t1",
    currency="HKD",
    business_date="2026-09-21",
    opened_by="cashier:c7",
    opened_at=AT,
    closed_by="cashier:c2",
    closed_at=AT,
    float_amount=50_000,
    figures=FIGURES,
    counted=(Denomination(50_000, 1), Denomination(10, 3)),
    counted_cash=50_030,
    difference=-49_787,
    note="看錯 misread",
    previous="t1-Z0TR5-0006",
    mark=Mark(AT),
)


def rows(document: Document) -> dict[str, str]:
    """Return what stands at the left, with what stands at the right of it."""
    return {each.left: each.right for each in document.elements if isinstance(each, Columns)}


def texts(document: Document) -> list[str]:
    return [each.text for each in document.elements if isinstance(each, Text)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("單號 Z no.", "t1-Z0TR5-0007"),
        ("前一單 Previous", "t1-Z0TR5-0006"),
        ("營業日 Business date", "2026-09-21"),
        ("關帳 Closed", "2026-09-21 22:13:20"),
        ("銷售 Sales (12)", "1234.50"),
        ("  手動折扣 Manual", "-30.00"),
        ("  未說明 Unstated", "-4.50"),
        ("折扣 Discounts", "-34.50"),
        ("現金尾數 Rounding", "-0.03"),
        ("銷售總額 Total", "1199.97"),
        ("內含稅 Tax included 5%", "57.14"),
        ("退貨 Returns (1)", "-10.90"),
        ("作廢 Voids (1)", "-21.80"),
        ("淨額 Net", "1167.30"),
        ("退款尾數 Rounding of refunds", "0.03"),
        ("退還稅 Tax of refunds 5%", "-1.56"),
        ("換貨 Exchanges", "1"),
        ("離線銷售 Off-line sales", "2"),
        ("現金 Cash (9)", "578.17"),
        ("barter (1)", "0.05"),
        ("退款方式未說明 Refund not stated", "-10.90"),
        ("無交易開箱 No sale (2)", ""),
        ("支出現金 Paid out (1)", "80.00"),
        ("2026-09-20 (1)", "10.90"),
        ("單號 Receipts", "2"),
        ("缺號 Missing numbers", "1"),
        ("補登銷售 Late sales", "1"),
        ("補登退貨 Late returns", "1"),
        ("待處理銷售 Suspended sales", "1"),
        ("備用金 Float", "500.00"),
        ("應有現金 Expected cash", "998.17"),
        ("  0.10 x 3", "0.30"),
        ("點算現金 Counted cash", "500.30"),
        ("差額 Difference", "-497.87"),
        ("簽署 Signed", "Ling (cashier:c2)"),
    ],
)
def test_every_figure_stands_on_the_paper(shop: Shop, left: str, right: str) -> None:
    assert rows(z_paper(shop, REPORT, signed_by="Ling"))[left] == right


def test_what_waits_for_a_person_is_named(shop: Shop) -> None:
    said = texts(z_paper(shop, REPORT, signed_by="Ling"))

    assert {
        "  pad-000003",
        "  t1-0TR5-000004 (2026-09-19)",
        "  s5",
        "  r9 (2026-09-18)",
        "  ABC",
        "  t1-0TR5 000001-000012",
    } <= set(said)
    assert "備註 Note: 看錯 misread" in said


def test_a_long_list_is_cut_and_says_how_many_more(shop: Shop) -> None:
    missing = tuple(f"t1-0TR5-{n:06}" for n in range(LISTED_MAX + 7))
    paper = z_paper(shop, replace(REPORT, figures=replace(FIGURES, missing=missing)), signed_by="Ling")

    assert rows(paper)["缺號 Missing numbers"] == str(LISTED_MAX + 7)
    assert "  +7" in texts(paper) and f"  t1-0TR5-{LISTED_MAX:06}" not in texts(paper)


def test_a_quiet_day_is_a_short_paper(shop: Shop) -> None:
    quiet = Figures(sales=0, gross=0, total=0, expected_cash=0)
    paper = z_paper(shop, replace(REPORT, figures=quiet, note="", previous=""), signed_by="Ling")

    assert not {"缺號 Missing numbers", "離線銷售 Off-line sales", "前一單 Previous"} & set(rows(paper))
    assert "各營業日 By business date" not in texts(paper)


def test_an_x_report_says_that_it_closes_nothing(shop: Shop) -> None:
    report = XReport("s1", "t1", "HKD", "cashier:c7", AT, AT, 50_000, FIGURES)
    paper: Any = x_paper(shop, report)

    assert "中途結單 X REPORT" in texts(paper) and "單號 Z no." not in rows(paper)
    assert rows(paper)["截至 As of"] == "2026-09-21 22:13:20" and "簽署 Signed" not in rows(paper)
