"""Head office's page of the fleet in a real Chromium, at a cloud end in this process: both languages, a telephone, a shut-out."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from playwright.async_api import Page, expect

from sync.cloud.watch.statuses import note_status
from sync.protocol import Exposure, Status

OpenScreen = Callable[..., Awaitable[Any]]


async def opened(screen: Any, cloud: Any, office_token: str) -> Page:
    page: Page = screen.page
    await page.goto(cloud.url)
    await page.locator("#token").fill(office_token)
    await page.locator("#enter button").click()
    await expect(page.locator("tbody tr").first).to_be_visible()
    return page


async def test_head_office_sees_its_stores_and_shuts_one_out(
    keep_running: Any, cloud: Any, clock: Any, office_token: str, open_screen: OpenScreen
) -> None:
    await keep_running(cloud.run)
    books = cloud.cloud.books
    said = Status(software="0.1.0", copies=1, waiting=1200, oldest_ms=clock() - 3_600_000, clock_offset_ms=-90_000)
    taken = Exposure(coupons=2, amount=123_400, currency="HKD", points=40)
    said = msgspec.structs.replace(said, exposure=taken)
    await books.db.write(lambda tx: note_status(tx, "hk01:aaaaaaaaaaaaaaaa", said, now_ms=clock()))
    for n in range(400):
        quiet = Status(software="0.0.9", copies=2)
        await books.db.write(
            lambda tx, n=n, quiet=quiet: note_status(tx, f"tw{n:03}:b", quiet, now_ms=clock() - n * 3_000)  # type: ignore[misc]
        )
    screen = await open_screen()
    page = await opened(screen, cloud, office_token)

    line = page.locator('tr[data-store="hk01"]')
    await expect(line).to_contain_text("1,200 rows · 1 hr")
    await expect(line).to_contain_text("+90 s")
    await expect(line).to_contain_text("2 coupons HK$1,234.00 · 40 points")
    await expect(line.locator("td.warn").first).to_contain_text("one copy")
    await expect(page.locator("#found")).to_have_text("300 of 401 stores")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.locator("#search").fill("tw399")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody td[data-state]")).to_have_text("down")
    await page.locator("#search").fill("")
    await page.locator("#filter").select_option("oneCopy")
    await expect(page.locator("tbody tr")).to_have_count(1)

    await line.get_by_role("button", name="Shut out").click()
    await page.locator("#act-why").fill("stolen")
    await expect(page.locator("#act-yes")).to_be_disabled()
    await page.locator("#act-name").fill("hk01")
    await page.locator("#act-yes").click()
    await expect(page.locator("#act")).to_be_hidden()
    assert books.db.read.execute("SELECT why FROM store_token").fetchall() == [("stolen",)]

    await page.locator("#language").click()
    await expect(page.locator("h1")).to_have_text("門市總覽")
    await expect(line).to_contain_text("僅一份")
    await expect(line).to_contain_text("2 張券 HK$1,234.00 · 40 點")
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keys = "import('/fleet/words.js').then(m => Object.values(m.WORDS).map(each => Object.keys(each).join()))"
    english, chinese = await page.evaluate(keys)
    assert english == chinese
    assert screen.complaints == []


async def test_a_wrong_token_is_told_so_and_kept_nowhere(
    keep_running: Any, cloud: Any, open_screen: OpenScreen
) -> None:
    await keep_running(cloud.run)
    screen = await open_screen(390, 800, locale="zh-TW")
    await screen.page.goto(cloud.url)
    await screen.page.locator("#token").fill("no-token-of-ours-0123456789")
    await screen.page.locator("#enter button").click()

    await expect(screen.page.locator("#refused")).to_have_text("雲端不認得這個權杖。")
    assert await screen.page.evaluate("sessionStorage.length") == 0
