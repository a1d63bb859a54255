"""The console and the cloud: what waits and why, in both languages, and quiet again when the line is back."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from playwright.async_api import Page, expect

from hub.backup.age import Identity
from hub.client import HubClient
from hub.demo.line_page import LinePage
from hub.demo.paper_page import PaperPage
from sync.retail.catalogue.catalogue import Price

Start = Callable[..., Awaitable[None]]
Look = Callable[..., Awaitable[Any]]


def pages_of(paper: PaperPage, line: LinePage) -> dict[str, Any]:
    tall = {"title_zh_hant": "紙", "title_en": "Paper", "url": paper.url}
    return {"pages": [tall, {"title_zh_hant": "線路", "title_en": "Line", "url": line.url, "height": 150}]}


async def test_rows_wait_and_age_while_nobody_answers_and_the_reason_is_said(
    desk: Any, cloud: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {"cloud": cloud.section})
    screen = await look_at(desk)
    page: Page = screen.page
    panel = page.locator("#panel-cloud")
    await expect(panel).to_have_attribute("data-state", "down")
    await expect(panel).to_contain_text("The cloud cannot be reached.")
    await expect(panel).to_contain_text("the cloud's address and the firewall")
    await desk.sell()
    await expect(panel.locator('[data-stream="sales"] dd')).to_have_text("1")
    await expect(page.locator("#cloud-oldest")).to_have_text("just now")
    before = int(await page.locator("#cloud-rows").inner_text())

    desk.clock.at += timedelta(minutes=3)
    await page.clock.set_fixed_time(desk.clock.at)
    await desk.sell()
    await expect(panel.locator('[data-stream="sales"] dd')).to_have_text("2")
    await expect(page.locator("#cloud-oldest")).to_have_text("3 minutes ago")
    await expect(page.locator("#cloud-since")).to_have_text("for 3 minutes, since 13:40")
    assert int(await page.locator("#cloud-rows").inner_text()) > before

    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("#cloud-oldest")).to_have_text("3 分鐘前")
    await expect(panel).to_contain_text("無法連到雲端。")
    await expect(panel).to_contain_text("請檢查門市網路")
    await expect(page.locator("#cloud-since")).to_have_text("斷線 3 分鐘，自 13:40 起")
    assert screen.complaints == []


async def test_the_demos_switch_cuts_the_line_and_what_waited_drains_when_it_is_back(
    desk: Any, cloud: Any, keep_running: Start, look_at: Look, office_token: str
) -> None:
    await keep_running(cloud.run)
    async with PaperPage() as paper, LinePage(cloud.url, office_token) as line:
        await keep_running(desk.run, {"cloud": cloud.section, "console": pages_of(paper, line)})
        screen = await look_at(desk)
        page: Page = screen.page
        panel = page.locator("#panel-cloud")
        switch = page.frame_locator("#pages .small iframe").get_by_role("switch")
        await expect(panel).to_have_attribute("data-state", "up")
        await expect(switch).to_have_attribute("aria-checked", "true")
        boxes = [await frame.bounding_box() for frame in await page.locator("#pages iframe").all()]
        assert [box["height"] for box in boxes if box] == [150, 780]  # a small page stands before a tall one

        await switch.click()
        await expect(switch).to_have_attribute("aria-checked", "false")
        await expect(panel).to_have_attribute("data-state", "down")
        sold = await desk.sell()
        row = page.locator(f'#sales [data-sale="{sold.sale_id}"]')
        await expect(row).to_contain_text("in this shop only")
        await expect(panel.locator('[data-stream="sales"] dd')).to_have_text("1")

        await switch.click()
        await expect(panel).to_have_attribute("data-state", "up")
        await expect(page.locator("#cloud-rows")).to_have_text("0")
        await expect(page.locator("#cloud-oldest")).to_have_text("—")
        await expect(panel).to_contain_text("Everything from this shop is in the cloud too.")
        await expect(row).not_to_contain_text("in this shop only")
        assert screen.complaints == []


async def test_new_prices_are_said_and_what_is_shown_follows(
    desk: Any, cloud: Any, keep_running: Start, look_at: Look, tea: Any
) -> None:
    await keep_running(cloud.run)
    await keep_running(desk.run, {"cloud": cloud.section})
    screen = await look_at(desk)
    page: Page = screen.page
    await page.fill("#search", "TEA-01")
    row = page.locator('#products [data-sku="TEA-01"]')
    await expect(row).to_contain_text("HKD 10.90")
    await expect(page.locator("#cloud-rows")).to_have_text("0")  # the shop's own catalogue has been handed over
    desk.clock.at += timedelta(minutes=1)  # state streams are paced
    await cloud.cloud.books.import_entries([type(tea)(tea.product, Price(1290, "HKD"))])
    await expect(row).to_contain_text("HKD 12.90")
    await expect(page.locator("#news")).to_contain_text("New from the cloud")
    assert screen.complaints == []


async def test_a_cloud_that_asks_is_said_and_one_that_does_not_ask_any_more_is_a_line_that_is_down(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {"cloud": {"mode": "pull"}})
    async with HubClient(desk.url) as asker:
        paired = await asker.pair(await desk.code("cloud"), "cloud")
    headers = {"Authorization": f"Bearer {paired.token}"}
    async with ClientSession(desk.url, headers=headers) as cloud, cloud.get("/sync/v1/streams") as answer:
        assert answer.status == 200
    screen = await look_at(desk)
    page: Page = screen.page
    panel = page.locator("#panel-cloud")
    await expect(panel).to_have_attribute("data-state", "pull")
    await expect(page.locator("#cloud-state")).to_have_text("Fetched by the cloud")
    await expect(page.locator("#cloud-state")).to_have_class("badge good")

    desk.clock.at += timedelta(hours=2)
    await page.clock.set_fixed_time(desk.clock.at)
    await desk.sell()
    await expect(panel).to_have_attribute("data-state", "down")
    await expect(page.locator("#cloud-state")).to_have_class("badge bad")
    await expect(page.locator("#cloud-since")).to_have_text("for 2 hours, since 13:40")
    await expect(panel).to_contain_text("The cloud has not asked for rows for a while.")
    await expect(panel).to_contain_text("its [stores] url and hub_token")
    await page.get_by_role("button", name="中文").click()
    await expect(panel).to_contain_text("雲端已有一段時間沒有來收取資料。")
    await expect(panel).to_contain_text("雲端 [stores] 的 url 與 hub_token")
    assert screen.complaints == []


async def test_a_shop_of_its_own_is_told_that_there_is_one_copy(desk: Any, keep_running: Start, look_at: Look) -> None:
    await keep_running(desk.run, {})
    screen = await look_at(desk)
    panel = screen.page.locator("#panel-cloud")
    await expect(panel).to_have_attribute("data-state", "alone")
    await expect(panel).to_contain_text("What is sold is stored on this machine only.")
    await expect(screen.page.locator("#cloud-rows")).to_be_hidden()
    assert screen.complaints == []


async def test_a_shop_of_its_own_with_a_second_medium_is_told_where_the_other_copy_is(
    desk: Any, keep_running: Start, look_at: Look, small_disk: Path
) -> None:
    recipient = Identity.new().recipient
    await keep_running(desk.run, {"backup": {"feed_to": str(small_disk), "recipients": [recipient]}})
    screen = await look_at(desk)
    panel = screen.page.locator("#panel-cloud")
    await expect(panel).to_have_attribute("data-state", "medium")
    await expect(panel).to_contain_text(f"What is sold is written to {small_disk} as well.")
    await screen.page.get_by_role("button", name="中文").click()
    await expect(panel).to_contain_text("銷售資料同時寫入")
    assert screen.complaints == []


async def test_what_came_back_lowers_the_turnover_and_stands_in_the_list(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})
    screen = await look_at(desk)
    page: Page = screen.page
    turnover = page.locator('[data-figure="figureTotal"]')
    sold = await desk.sell(2)
    await expect(turnover).to_contain_text("HKD 21.80")
    taken = await desk.take_back(sold.sale_id)
    await expect(turnover.locator("dd").first).to_have_text("HKD 10.90")
    await expect(turnover).to_contain_text("after refunds of HKD 10.90")
    row = page.locator(f'#sales [data-return="{taken.return_id}"]')
    await expect(row).to_contain_text(sold.receipt_no)
    await expect(row).to_contain_text("HKD −10.90")
    assert screen.complaints == []
