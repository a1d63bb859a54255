"""The manager's pages beside the live one: the list to settle, the day, stock, members and coupons, prices."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page, expect

from hub.api.day.drawer_sessions import CloseRequest
from hub.api.selling.sales import SaleRequest
from hub.api.staff.cashiers import EnrolRequest
from hub.api.stock.documents import DocumentLine, DocumentRequest
from hub.client import HubClient, ProblemError, new_id
from hub.demo.till_client import TillClient
from sync.retail.selling.drawers import Counted, Opening
from sync.retail.selling.sales import SaleLine, Tender
from sync.retail.stock.transfer_requests import TRANSFER_REQUEST, TransferRequestRow
from sync.retail.stock.transfers import TransferLine
from sync.store.replicas import replica_id
from sync.store.writing import put_version

Start = Callable[..., Awaitable[None]]
Look = Callable[..., Awaitable[Any]]
PAGES = ("live", "settle", "orders", "day", "stock", "members", "prices", "zones")
POST = "([path, body]) => import('/console/client.js').then((client) => client.post(path, body))"
GET = "(path) => import('/console/client.js').then((client) => client.get(path))"
SHORT_DELIVERY = DocumentRequest("note-7", "receive", (DocumentLine("TEA-01", 10, 12),), reference="DN-7", by="c1")


@asynccontextmanager
async def at_the_till(desk: Any) -> AsyncIterator[TillClient]:
    """Be a till at which Ling, a manager, has signed in and opened the drawer with 500.00."""
    async with HubClient("http://hub", unix_socket=desk.hub.config.control_socket) as control:
        await control.enrol_cashier(EnrolRequest("c1", "1", "Ling", "manager", "528491"))
    async with TillClient(desk.url) as till:
        await till.pair(await desk.code("till"), "Counter")
        await till.sign_in("1", "528491")
        await till.open_drawer_session(Opening("drawer-1", till.till_id, 50_000))
        yield till


async def sell_for_cash(till: TillClient) -> None:
    """Sell two teas for 21.80, which cash pays to the coin."""
    await till.sell(
        SaleRequest(
            sale_id=new_id(),
            till_id=till.till_id,
            currency="HKD",
            lines=(SaleLine(1, "TEA-01", 2, 1090),),
            tenders=(Tender("cash", 2180),),
            total=2180,
        )
    )


async def show(page: Page, name: str) -> None:
    await page.locator(f'#tabs [data-tab="{name}"]').click()
    await expect(page.locator(f'#tabs [data-tab="{name}"]')).to_have_attribute("aria-current", "page")
    await expect(page.locator(f"#view-{name}")).to_be_visible()


@pytest.fixture
async def screen(desk: Any, keep_running: Start, look_at: Look) -> Any:
    """The console of a desk that runs alone, in English."""
    await keep_running(desk.run, {})
    return await look_at(desk)


async def test_the_day_has_the_drawer_as_it_stands_then_its_z_report_and_who_did_it(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    async with at_the_till(desk) as till:
        await sell_for_cash(till)
        await show(page, "day")
        drawer = page.locator('[data-session="drawer-1"]')
        await expect(drawer).to_contain_text("Counter (t1)")
        await expect(drawer).not_to_contain_text(
            "expected"
        )  # who counts must not know: it is told when it is asked for
        await drawer.locator("summary").click()
        await expect(drawer).to_contain_text("HKD 521.80 expected")
        await expect(drawer).to_contain_text("opened by Ling")
        await sell_for_cash(till)
        await expect(drawer).to_contain_text("HKD 543.60 expected")  # without a press: a sale was heard of
        counted = (Counted(50_000, 1), Counted(2000, 2), Counted(100, 2))
        closed = await till.close_drawer_session("drawer-1", CloseRequest(counted))
    await page.reload()
    await expect(page.locator("#day-drawers")).to_contain_text("No drawer is open.")
    z = page.locator(f'[data-z="{closed.z_report.z_no}"]')
    await expect(z).to_contain_text("HKD 43.60")
    await expect(z.locator(".badge")).to_have_text("HKD 1.60 short")
    await z.locator("summary").click()
    await expect(z).to_contain_text("Cash × 2")
    await expect(page.locator('#trail [data-action="drawer_session_closed"]')).to_contain_text("Ling")
    await page.select_option("#trail-action", "signed_in")
    await expect(page.locator("#trail li")).to_have_count(1)
    await expect(page.locator("#day-approvals")).to_contain_text("Return without a receipt")
    assert screen.complaints == []


async def test_what_waits_is_counted_in_the_tab_noted_and_closed(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    async with at_the_till(desk) as till:
        await till.book_document(SHORT_DELIVERY)
    await expect(page.locator('#tabs [data-tab="settle"] .waiting')).to_have_text("1", timeout=40_000)
    await show(page, "settle")
    line = page.locator('[data-line="document:note-7"]')
    await line.locator("summary").click()
    await expect(line).to_contain_text("Check the goods and the paper")
    await line.get_by_role("button", name="Note it and close").click()
    await expect(page.locator("#view-settle .notice")).to_contain_text("Write down what was found first")
    await line.locator("textarea").fill("Two boxes were broken; the driver has signed.")
    await line.get_by_role("button", name="Note it", exact=True).click()
    await expect(line.locator(".notes li")).to_contain_text("the driver has signed")
    await line.locator("textarea").fill("The credit note has come.")
    await line.get_by_role("button", name="Note it and close").click()
    await expect(page.locator("#settle")).to_contain_text("Nothing waits.")
    await expect(page.locator('#tabs [data-tab="settle"] .waiting')).to_have_count(0)
    await show(page, "day")
    await expect(page.locator('#trail [data-action="attention_closed"]')).to_be_visible()
    assert screen.complaints == []


async def test_a_note_that_is_being_typed_is_not_taken_away_by_what_happens(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    async with at_the_till(desk) as till:
        await till.book_document(SHORT_DELIVERY)
        await show(page, "settle")
        line = page.locator('[data-line="document:note-7"]')
        await line.locator("summary").click()
        await line.locator("textarea").fill("half a sent")
        await page.evaluate("window.before = document.querySelector('#settle textarea')")
        await sell_for_cash(till)  # a `stock` event pokes this page
        await page.clock.run_for(5_000)
        await expect(page.locator('#tabs [data-tab="settle"] .waiting')).to_have_text("1")
        assert await page.evaluate("window.before === document.querySelector('#settle textarea')")
        await expect(line.locator("textarea")).to_have_value("half a sent")


async def test_stock_has_transfers_on_the_road_and_documents_with_their_lines(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    async with at_the_till(desk) as till:
        await till.book_document(SHORT_DELIVERY)
        await till.book_document(
            DocumentRequest("out-1", "transfer_out", (DocumentLine("TEA-01", 3),), to="hk02", by="c1")
        )
    await show(page, "stock")
    transfer = page.locator('[data-transfer="hk01:out-1"]')
    await expect(transfer).to_contain_text("To hk02")
    await expect(transfer).to_contain_text("on the road")
    await transfer.locator("summary").click()
    await expect(transfer.locator("tbody tr")).to_have_text(["Oolong tea30"])
    document = page.locator('[data-document="note-7"]')
    await expect(document).to_contain_text("Fewer came than were expected: Oolong tea")
    await document.locator("summary").click()
    await expect(document).to_contain_text("DN-7")
    await expect(document).to_contain_text("Ling")
    await expect(document.locator("tbody tr")).to_have_text(["Oolong tea1012+10"])
    assert screen.complaints == []


async def ask_to_send(hub: Any, name: str) -> None:
    """Head office asks for six boxes of tea for hk02."""
    row = TransferRequestRow(
        **{"request_id": name, "store": "hk01", "receiver": "hk02", "n": 0, "state": "open", "note": "by van"},  # type: ignore[arg-type]
        lines=(TransferLine("TEA-01", 6),),
        asked_ms=hub.now_ms(),
        until_ms=hub.now_ms() + 3_600_000,
    )
    await hub.db.write(lambda tx: put_version(tx, hub.replica, TRANSFER_REQUEST, row), then=lambda _: hub.on_rows())


async def test_what_head_office_asks_for_is_booked_as_sent_or_refused(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    await show(page, "stock")
    await expect(page.locator("#stock-requests")).to_contain_text("Nothing is asked for.")
    for name in ("proposal-1", "proposal-2"):
        await ask_to_send(desk.hub, name)
    first, second = [page.locator(f'[data-request="proposal-{n}"]') for n in (1, 2)]
    await page.clock.run_for(5_000)
    await expect(first).to_contain_text("To hk02")
    await first.locator("summary").click()
    await expect(first).to_contain_text("by van")
    await expect(first.locator("tbody tr")).to_have_text(["Oolong tea620"])
    await first.locator("input").fill("0")
    await first.get_by_role("button", name="Book as sent").click()
    await expect(page.locator("#view-stock .notice")).to_contain_text("Enter what goes")
    await first.locator("input").fill("4")
    await first.get_by_role("button", name="Book as sent").click()
    await expect(first).to_have_count(0)
    await expect(page.locator('[data-transfer="hk01:proposal-1"]')).to_contain_text("To hk02")
    await expect(page.locator('[data-document="proposal-1"]')).to_contain_text(
        "Fewer left than were asked for: Oolong tea"
    )
    await second.locator("summary").click()
    await second.get_by_role("button", name="Do not send").click()
    await expect(page.locator("#view-stock .notice")).to_contain_text("choose why")
    await second.locator("select").select_option("not_found")
    await second.get_by_role("button", name="Do not send").click()
    await expect(page.locator("#stock-requests")).to_contain_text("Nothing is asked for.")
    assert screen.complaints == []


async def test_a_member_is_found_by_name_card_and_telephone_and_is_text(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    name = "Ada <img src=x onerror=alert(1)>"
    ada = {"member_id": "m1", "name": name, "phone": "+852 5123 4567", "card": "GD01", "consents": {"marketing": "out"}}
    await page.evaluate(POST, ["/v1/members", ada])
    await show(page, "members")
    member = page.locator('[data-member="m1"]')
    for words in ("ada", "GD01", "5123 4567", "4567"):
        await page.fill("#member", "nobody at all")
        await page.press("#member", "Enter")
        await expect(page.locator("#members")).to_contain_text("Nobody is known by that.")
        await page.fill("#member", words)
        await page.press("#member", "Enter")
        await expect(member).to_contain_text(name)
    await expect(member).to_contain_text("Marketing no")
    assert await page.locator("#members img").count() == 0
    await page.fill("#coupon", "NONE-1")
    await page.press("#coupon", "Enter")
    await expect(page.locator("#coupon-found .warn")).to_be_visible()
    assert [text for text in screen.complaints if "404" not in text and "422" not in text] == []


async def test_prices_are_those_of_now_with_promotions_in_force_first(screen: Any) -> None:
    page: Page = screen.page
    percent = {"does": "percent_off", "rate_bp": 1000, "valid_until": "2025-12-31"}
    any_two = {"does": "n_for_amount", "count": 2, "amount": 2000, "skus": ["TEA-01"]}
    promotions = [
        {"promotion_id": "A-OVER", "name": {"en": "Last year"}, **percent},
        {"promotion_id": "B-NOW", "name": {"en": "Two teas"}, **any_two},
    ]
    await page.evaluate(POST, ["/v1/pricing", {"promotions": promotions}])
    await page.evaluate(POST, ["/v1/store-prices", {"sku": "TEA-01", "amount": 990, "reason": "opening week"}])
    await show(page, "prices")
    shown = page.locator("#promotions li")
    await expect(shown).to_have_count(2)
    await expect(shown.first).to_contain_text("any 2 for HKD 20.00")
    await expect(shown.first.locator(".badge")).to_have_text("in force")
    await expect(shown.last.locator(".badge")).to_have_text("over")
    await expect(page.locator("#own-prices")).to_contain_text("HKD 9.90")
    await page.fill("#price", "4890000000010")
    await page.press("#price", "Enter")
    now = page.locator("#price-now")
    await expect(now.locator(".amount")).to_have_text("HKD 9.90")
    await expect(now).to_contain_text("Catalogue priceHKD 10.90")
    await expect(now).to_contain_text("Two teastakes nothing off one piece")
    assert screen.complaints == []


async def test_every_page_fits_a_telephone_in_chinese_and_a_page_is_an_address(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})
    async with at_the_till(desk) as till:
        await sell_for_cash(till)
        await till.book_document(SHORT_DELIVERY)
    screen = await look_at(desk, 390, 844, locale="zh-TW", color_scheme="dark")
    page: Page = screen.page
    for name in PAGES:
        await page.goto(f"{desk.url}/#{name}")
        await page.reload()
        await expect(page.locator('#connection[data-state="live"]')).to_be_visible()
        await expect(page.locator(f"#view-{name}")).to_be_visible()
        await expect(page.locator('#tabs [aria-current="page"]')).to_have_attribute("data-tab", name)
        for each in await page.locator(f"#view-{name} details summary").all():
            await each.click()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    await page.get_by_role("button", name="登出").click()
    await expect(page.locator("#pair")).to_be_visible()
    assert await page.locator(".view li").count() == 0, "nothing of the shop stays on a screen that has signed out"
    assert screen.complaints == []


async def test_a_second_content_is_compared_and_booked_or_discarded(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    async with at_the_till(desk) as till:
        for sale_id in ("s1", "s2"):
            for qty in (1, 3):
                sale = SaleRequest(
                    sale_id=sale_id,
                    till_id=till.till_id,
                    currency="HKD",
                    lines=(SaleLine(1, "TEA-01", qty, 1090),),
                    tenders=(Tender("cash", qty * 1090),),
                    total=qty * 1090,
                )
                if qty == 1:
                    await till.sell(sale)
                else:
                    with pytest.raises(ProblemError):
                        await till.sell(sale)
    await show(page, "settle")
    lines = page.locator('[data-kind="suspended"]')
    await expect(lines).to_have_count(2)
    first = page.locator('[data-line^="suspended:s1 "]')
    await first.locator("summary").click()
    await expect(first.locator("tbody tr").last).to_have_text("TotalHKD 10.90HKD 32.70")
    await first.get_by_role("button", name="Book it as a sale of its own").click()
    await expect(lines).to_have_count(1)
    await lines.locator("summary").click()
    await lines.get_by_role("button", name="Discard it").click()
    await expect(page.locator("#view-settle .notice")).to_contain_text("Write down what was found first")
    await lines.locator("textarea").fill("The till had sent a draft.")
    await lines.get_by_role("button", name="Discard it").click()
    await expect(lines).to_have_count(0)
    await show(page, "live")
    await expect(page.locator("#sales li")).to_have_count(3)
    assert screen.complaints == []


async def test_a_second_row_of_a_key_is_noted_and_closed_in_chinese(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})

    def job(tx: Any) -> None:
        other = replica_id(tx, "hk01:00000000000000b2", now_ms=1)
        body = b'{"committed_at":"2026-11-21T04:00:00Z"}'
        tx.execute("INSERT INTO second_row VALUES (?, 'sales', 5, 'sale', 's2', ?)", (other, body))

    await desk.hub.db.write(job)
    screen = await look_at(desk, locale="zh-TW")
    page: Page = screen.page
    await show(page, "settle")
    line = page.locator('[data-kind="second"]')
    await expect(line).to_contain_text("同一編號的另一筆資料已生效")
    await line.locator("summary").click()
    await line.locator("textarea").fill("兩部主機各記一次，收銀機紙本只有一張。")
    await line.get_by_role("button", name="記下並結案").click()
    await expect(page.locator("#settle")).to_contain_text("沒有等候處理的事項。")
    assert screen.complaints == []


async def test_a_price_of_the_shops_own_is_set_and_taken_back(screen: Any) -> None:
    page: Page = screen.page
    await show(page, "prices")
    await page.get_by_label("SKU", exact=True).fill("TEA-01")
    await page.get_by_label("Price", exact=True).fill("9,9")
    await page.get_by_label("Why").fill("opening week")
    await page.get_by_role("button", name="Set the price").click()
    await expect(page.locator("#view-prices .notice")).to_contain_text("12.90")
    await page.get_by_label("Price", exact=True).fill("9.9")
    await page.get_by_role("button", name="Set the price").click()
    own = page.locator('#own-prices [data-sku="TEA-01"]')
    await expect(own.locator(".amount")).to_have_text("HKD 9.90")
    await expect(own).to_contain_text("opening week")
    await page.get_by_role("button", name="Take the shop's price of TEA-01 back").click()
    await expect(page.locator("#own-prices")).to_contain_text("The shop has set no price of its own.")
    assert screen.complaints == []
