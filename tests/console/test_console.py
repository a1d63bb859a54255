"""The console as a manager sees it: a real Chromium on a real hub with a simulated printer and scanner."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import Page, expect

from hub.client import HubClient

OpenScreen = Callable[..., Awaitable[Any]]


async def test_a_link_pairs_the_console_and_leaves_no_code_in_the_address_bar(console: Any, shop: Any) -> None:
    page: Page = console.page
    await expect(page.locator("#shop-name")).to_have_text("Demo shop")
    await expect(page.locator('#devices [data-health="ready"]')).to_have_count(2)
    assert page.url == f"{shop.url}/"
    await page.reload()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    assert console.complaints == []


async def test_a_sale_a_scan_and_the_paper_appear_by_themselves(console: Any, shop: Any) -> None:
    page: Page = console.page
    sold = await shop.sell(unit_price=1000)
    row = page.locator(f'#sales [data-sale="{sold.sale_id}"]')
    await expect(row).to_contain_text(sold.receipt_no)
    await expect(row).to_contain_text("HKD 20.00")
    await expect(row).to_contain_text("Price differs from the shop's · TEA-01")
    await expect(page.locator('[data-figure="figureTotal"]')).to_contain_text("HKD 20.00")

    await shop.scanner.write(b"4890000000010\r")
    scan = page.locator('#scans [data-label="4890000000010"]')
    await expect(scan).to_contain_text("Oolong tea")
    await expect(scan).to_contain_text("HKD 10.90")
    await shop.scanner.write(b"4890000000011\r")
    await expect(page.locator("#scans .refused")).to_contain_text("Wrong check digit: scan again")
    await expect(page.locator("#scans-count")).to_have_text("2 · 1 refused")

    paper = page.frame_locator("#pages iframe").locator("article")
    await expect(paper).to_contain_text(sold.receipt_no)
    assert console.complaints == []


async def test_a_printed_receipt_is_reprinted_as_a_marked_copy_by_one_press(console: Any, shop: Any) -> None:
    page: Page = console.page
    sold = await shop.sell()
    await page.get_by_role("button", name=f"Reprint {sold.receipt_no}").click()
    copy = page.locator('#prints [data-job^="copy:"][data-state="printed"]')
    await expect(copy).to_contain_text(sold.receipt_no)
    await expect(copy).to_contain_text("copy")
    await expect(page.frame_locator("#pages iframe").locator("article")).to_have_count(2)
    assert console.complaints == []


async def test_a_job_that_may_be_on_paper_is_offered_for_retry(console: Any, shop: Any) -> None:
    page: Page = console.page
    shop.printer.close_after_bytes = 40
    sold = await shop.sell()
    await expect(page.locator('#prints [data-state="unknown"]')).to_contain_text("Check the paper")
    await page.get_by_role("button", name=f"Retry {sold.receipt_no}").click()
    await expect(page.locator('#prints [data-state="printed"]')).to_contain_text("repeat")


async def test_chinese_is_one_press_away_and_remembered(console: Any, shop: Any) -> None:
    page: Page = console.page
    sold = await shop.sell()
    await expect(page.locator("#sales li")).to_contain_text("1 line")
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("#shop-name")).to_have_text("示範店")
    await expect(page.locator(f'#sales [data-sale="{sold.sale_id}"]')).to_contain_text("1 項")
    await expect(page.locator("#pages h2")).to_have_text("紙")
    await page.reload()
    await expect(page.locator("#sales-title")).to_have_text("銷售")
    assert await page.locator("html").get_attribute("lang") == "zh-Hant"
    assert console.complaints == []


async def test_a_product_is_found_by_words_label_and_sku_and_its_stock_follows_sales(console: Any, shop: Any) -> None:
    page: Page = console.page
    for asked in ("oolong", "烏龍", "4890000000010", "TEA-01"):
        await page.fill("#search", "")
        await expect(page.locator("#products li")).to_have_count(0)
        await page.fill("#search", asked)
        await expect(page.locator('#products [data-sku="TEA-01"]')).to_contain_text("20 in stock")
    await shop.sell()
    await expect(page.locator('#products [data-sku="TEA-01"]')).to_contain_text("18 in stock")
    assert console.complaints == []


async def introduce_another_hub(shop: Any, url: str) -> None:
    """Tell the hub of another one of its store, as that one does that follows it."""
    async with HubClient(shop.url) as client, ClientSession() as http:
        paired = await client.pair(await shop.code("standby"), "second hub")
        card = {"rep": "hk01:00000000000000bb", "role": "follows", "urls": [url]}
        told = {"card": card, "preferred": {"n": 0, "role": "followed"}, "sales": 0, "pairings_digest": "0" * 16}
        headers = {"Authorization": f"Bearer {paired.token}"}
        async with http.post(f"{shop.url}/sync/v1/beside", json=told, headers=headers) as answer:
            assert answer.status == 200


async def test_the_console_names_the_other_hub_while_its_own_is_gone_and_comes_back_with_it(
    console: Any, shop: Any
) -> None:
    page: Page = console.page
    await introduce_another_hub(shop, "http://192.0.2.1:8443")
    await expect(page.locator("#other-hub a")).to_have_attribute("href", "http://192.0.2.1:8443")
    await expect(page.locator("#other-hub")).to_be_hidden()
    await shop.stop()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    await expect(page.locator("#other-hub")).to_be_visible()
    await expect(page.locator("#other-hub")).to_contain_text("This hub does not answer.")
    await shop.start()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=20_000)
    await expect(page.locator("#other-hub")).to_be_hidden()
    await expect(page.locator('[data-figure="figureSales"]')).to_contain_text("with a gap while disconnected")
    sold = await shop.sell()
    await expect(page.locator("#sales li")).to_contain_text(sold.receipt_no)


async def test_a_wrong_code_a_tills_code_and_a_forgotten_token_end_at_the_form(
    shop: Any, open_screen: OpenScreen
) -> None:
    page: Page = (await open_screen()).page
    await page.goto(f"{shop.url}/#pair=WRONGONE")
    await expect(page.locator("#pair-message")).to_contain_text("storehub pair")
    await page.fill("#code", await shop.code("till"))
    await page.get_by_role("button", name="Connect").click()
    await expect(page.locator("#pair-message")).to_contain_text("not for the console")
    await page.evaluate("localStorage.setItem('storehub.token', 'of-another-hub')")
    await page.reload()
    await expect(page.locator("#pair-message")).to_contain_text("no longer knows this screen")
    assert await page.evaluate("localStorage.getItem('storehub.token')") is None


async def test_a_telephone_has_nothing_to_scroll_sideways(shop: Any, open_screen: OpenScreen) -> None:
    screen = await open_screen(390, 844, locale="zh-TW")
    page: Page = screen.page
    await page.goto(f"{shop.url}/#pair={await shop.code()}")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await shop.sell()
    await shop.scanner.write(b"https://example.com/a-very-long-address-that-nothing-breaks-anywhere-0123456789\r")
    await expect(page.locator("#prints li")).to_have_attribute("data-state", "printed")
    await expect(page.locator("#scans li")).to_be_visible()
    await expect(page.frame_locator("#pages iframe").locator("article")).to_be_visible()
    for frame in page.frames:
        assert await frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), frame.url
    assert screen.complaints == []


async def test_names_from_the_catalogue_are_text_and_never_markup(console: Any, shop: Any) -> None:
    page: Page = console.page
    await shop.scanner.write(b"<img src=x onerror=alert(1)>\r")
    await expect(page.locator("#scans li")).to_contain_text("<img src=x onerror=alert(1)>")
    assert await page.locator("#scans img").count() == 0
    assert console.complaints == []


async def test_the_api_page_describes_every_call(shop: Any, open_screen: OpenScreen) -> None:
    screen = await open_screen()
    page: Page = screen.page
    await page.goto(f"{shop.url}/docs")
    calls = await page.evaluate(
        "fetch('/openapi.json').then(a => a.json()).then(d => Object.values(d.paths).flatMap(Object.keys).length)"
    )
    await expect(page.locator("#routes details")).to_have_count(calls)
    sale = page.locator("#routes details", has_text="Record a sale")
    await sale.locator("summary").click()
    await sale.get_by_role("link", name="SaleRequest").click()
    await expect(page.locator('[id="schema:SaleRequest"]')).to_contain_text("till_id")
    assert screen.complaints == []
