"""A receipt's content: both languages, money as the shop writes it, marks, the drawer, a bar code that finds the sale."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from devices.codecs.gtin import check_digit
from devices.document import Barcode, Columns, Cut, Document, DrawerPulse, Text
from hub.store.model import SaleAnswer
from hub.store.selling.receipts import marked, receipt
from hub.store.selling.sales import find_sale
from sync.retail.names import Name
from sync.retail.selling.sales import Discount, Sale, SaleLine, Tender
from sync.retail.selling.tax import TaxRates

MakeSale = Callable[..., Sale]
NAMES = {
    "TEA-01": Name(zh_hant="凍頂烏龍茶", en="Dong Ding oolong tea"),
    "PLUM": Name(zh_hant="話梅"),
    "BAG": Name(en="Bag"),
}


def texts(document: Document) -> list[str]:
    return [element.text for element in document.elements if isinstance(element, Text)]


def columns(document: Document) -> dict[str, str]:
    return {element.left.strip(): element.right for element in document.elements if isinstance(element, Columns)}


async def printed(store: Any, sale: Sale, mark: Any = "") -> tuple[Document, str]:
    """Sell, and return the receipt as it would be printed, and the sale's id."""
    answer = msgspec.json.decode((await store.sell(sale)).answer, type=SaleAnswer)
    view = find_sale(store.db.read, answer.sale_id)
    assert view is not None
    return receipt(store.shop, view.fact, NAMES.get, receipt_code=view.receipt_code, mark=mark), answer.sale_id


async def test_a_receipt_says_who_when_what_and_how_much_in_both_languages(store: Any, sale: MakeSale) -> None:
    document, _ = await printed(store, sale(2, cashier_id="c7", member_id="m1"))

    said, values = texts(document), columns(document)
    assert said[:4] == ["示範店", "Demo shop", "凍頂烏龍茶", "Dong Ding oolong tea"]
    assert said[-1] == "多謝惠顧 Thank you"
    assert values["單號 Receipt"].startswith("t1-") and values["時間 Time"] == "2026-09-21 22:13:20"
    assert (values["收銀員 Cashier"], values["會員 Member"], values["收銀機 Till"]) == ("c7", "m1", "t1")
    assert (values["2 x 10.90"], values["合計 Total HKD"], values["現金 Cash"]) == ("21.80", "21.80", "21.80")
    assert isinstance(document.elements[-1], Cut)


async def test_weight_discount_rounding_and_two_tenders_stand_on_lines_of_their_own(store: Any, sale: MakeSale) -> None:
    lines = (SaleLine(1, "PLUM", 250, 2500, "g", discount=42),)
    tenders = (Tender("octopus", 500), Tender("gift_points", 500))

    document, _ = await printed(store, sale(lines=lines, tenders=tenders, total=1000, offline=True))

    values = columns(document)
    assert (values["250 g x 25.00 / 600 g"], values["折扣 Discount"]) == ("10.42", "-0.42")
    assert (values["八達通 Octopus"], values["gift_points"]) == ("5.00", "5.00")
    assert "話梅" in texts(document)


async def test_discounts_change_and_tax_stand_on_lines_of_their_own(store: Any, sale: MakeSale) -> None:
    discounts = (Discount(90, "promotion", "p1", "任選兩件 Any two"), Discount(50, "sale"))
    lines = (SaleLine(1, "TEA-01", 2, 1090, discount=140, discounts=discounts),)
    tenders = (Tender("cash", 2040, tendered=3000),)
    taxed = msgspec.structs.replace(store.shop, tax=TaxRates(825))
    store.shop = taxed

    document, _ = await printed(store, sale(lines=lines, tenders=tenders, total=2040))

    values = columns(document)
    assert (values["任選兩件 Any two"], values["整單折扣 Discount on the sale"]) == ("-0.90", "-0.50")
    assert (values["現金 Cash"], values["實收 Tendered"], values["找零 Change"]) == ("20.40", "30.00", "9.60")
    assert values["內含稅 Tax included 8.25%"] == "1.55"


async def test_cash_rounding_is_shown(store: Any, sale: MakeSale) -> None:
    lines = (SaleLine(1, "PLUM", 250, 2500, "g"),)

    document, _ = await printed(store, sale(lines=lines, tenders=(Tender("cash", 1040),), total=1040, rounding=-2))

    assert columns(document)["現金尾數 Rounding"] == "-0.02"


async def test_an_open_item_is_named_by_its_description_or_its_code(store: Any, sale: MakeSale) -> None:
    lines = (
        SaleLine(1, "GIFT", 1, 100, open_item=True, description="禮盒 Gift box"),
        SaleLine(2, "X-1", 1, 100, open_item=True),
    )

    document, _ = await printed(store, sale(lines=lines, tenders=(Tender("card", 200),), total=200))

    assert {"禮盒 Gift box", "X-1"} <= set(texts(document))


async def test_the_bar_code_reads_back_to_the_sale(store: Any, sale: MakeSale) -> None:
    for _ in range(3):
        document, sale_id = await printed(store, sale())
        (code,) = [element for element in document.elements if isinstance(element, Barcode)]

        view = find_sale(store.db.read, code.data)

        assert code.symbology == "EAN13" and code.data[-1] == str(check_digit(code.data[:-1]))
        assert view is not None and view.fact.sale.sale_id == sale_id


@pytest.mark.parametrize(
    ("mark", "words"), [("reprint", "副本 COPY"), ("repeat", "重印，或為重複單據 REPEAT, MAY BE A DUPLICATE")]
)
async def test_what_is_printed_again_says_so_on_top_and_opens_no_drawer(
    store: Any, sale: MakeSale, mark: Any, words: str
) -> None:
    document, _ = await printed(store, sale(), mark)

    first = document.elements[0]
    assert isinstance(first, Text) and first.text == words and first.bold
    assert not any(isinstance(element, DrawerPulse) for element in document.elements)


@pytest.mark.parametrize(("tender", "opens"), [("cash", True), ("card", False)])
async def test_the_drawer_opens_for_cash_only(store: Any, sale: MakeSale, tender: str, opens: bool) -> None:
    document, _ = await printed(store, sale(tenders=(Tender(tender, 1090),)))

    assert isinstance(document.elements[0], DrawerPulse) == opens


def test_a_document_that_is_printed_again_is_marked_like_a_receipt() -> None:
    document = Document((DrawerPulse(), Text("report")))

    assert marked(document, "") is document
    assert texts(marked(document, "reprint")) == ["副本 COPY", "report"]
    assert texts(marked(document, "repeat"))[0].startswith("重印")
    assert not any(isinstance(element, DrawerPulse) for element in marked(document, "reprint").elements)


async def test_taiwan_money_has_no_decimals(store: Any, sale: MakeSale) -> None:
    answer = msgspec.json.decode((await store.sell(sale(10))).answer, type=SaleAnswer)
    view = find_sale(store.db.read, answer.sale_id)
    assert view is not None
    fact = msgspec.structs.replace(view.fact, sale=msgspec.structs.replace(view.fact.sale, currency="TWD"))

    document = receipt(store.shop, fact, NAMES.get, receipt_code=view.receipt_code)

    assert columns(document)["合計 Total TWD"] == "109"
