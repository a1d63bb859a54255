"""The page of orders: what waits, the pick list, picking by scan, ready, handing over by code, calling off.

Method: a real browser at a real hub; what the page says is held against the hub's own view, asked by a till.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from hub.client import HubClient

Start = Callable[..., Awaitable[None]]
Look = Callable[..., Awaitable[Any]]
POST = "([path, body]) => import('/console/client.js').then((client) => client.post(path, body))"
GET = "(path) => import('/console/client.js').then((client) => client.get(path))"
GTIN = "4890000000010"


def order(order_id: str, qty: int = 2, **fields: Any) -> dict[str, Any]:
    lines = [{"line": 1, "sku": "TEA-01", "qty": qty}]
    return {"order_id": order_id, "kind": "click_and_collect", "lines": lines, "name": "Chan <b>Tai Man</b>"} | fields


async def state_of(page: Page, order_id: str) -> str:
    return str((await page.evaluate(GET, f"/v1/orders/{order_id}"))["state"])


async def scan(page: Page, label: str) -> None:
    await page.fill("#order-label", label)
    await page.press("#order-label", "Enter")


@pytest.fixture
async def screen(desk: Any, keep_running: Start, look_at: Look) -> Any:
    """The page of orders of a desk that runs alone, in English, with two orders."""
    await keep_running(desk.run, {})
    screen = await look_at(desk)
    for made in (order("w1"), order("w2", 3, deadline="2026-11-21T08:00:00Z")):
        await screen.page.evaluate(POST, ["/v1/orders", made])
    await screen.page.goto(f"{desk.url}/#orders")
    await screen.page.reload()
    return screen


async def test_an_order_is_picked_by_scan_and_handed_over_by_its_code(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    rows = page.locator("#orders li")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("w2")  # its deadline is the nearest
    await expect(page.locator('#tabs [data-tab="orders"] .waiting')).to_have_text("2")
    await expect(page.locator('#order-picklist [data-sku="TEA-01"]')).to_contain_text("× 5")
    await page.locator('[data-order="w1"] button').click()
    await expect(page.locator("#order-table")).to_contain_text("Chan <b>Tai Man</b>")
    await page.get_by_role("button", name="Begin to pick").click()
    await expect(page.locator("#order-label")).to_be_focused()
    said, line = page.locator("#order-scan-said"), page.locator("#order-table tbody tr")
    for label, words in (
        (GTIN, "Oolong tea: in the parcel, 1 missing"),
        ("TEA-01", "Oolong tea: in the parcel, 0 missing"),
        (GTIN, "More than was ordered"),
        ("NOTHING", "Does not belong to this order"),
    ):
        await scan(page, label)
        await expect(said).to_contain_text(words)
    await expect(line).to_have_text("Oolong tea22−")
    await page.get_by_role("button", name="Take Oolong tea out again").click()
    await expect(said).to_contain_text("taken out, 1 missing")
    await scan(page, GTIN)
    await page.get_by_role("button", name="Parcel is ready").click()
    await expect(page.locator("#order-table .badge")).to_have_text("ready")

    await page.fill("#order-code", "00000000")
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.locator("#view-orders .notice")).to_contain_text("Ask the customer for the code")
    assert await state_of(page, "w1") == "ready"
    await page.get_by_role("button", name="Show the code").click()
    await expect(page.locator("#view-orders .notice")).to_contain_text("Write down why")
    await page.fill("#order-reason", "no telephone")
    await page.get_by_role("button", name="Show the code").click()
    await expect(page.locator("#order-code")).not_to_have_value("00000000")
    code = await page.input_value("#order-code")
    assert code.isdecimal() and len(code) == 8
    await page.fill("#order-number", f"w1/{code}")  # as the customer's QR says it
    await page.press("#order-number", "Enter")
    await expect(page.locator("#order-code")).to_have_value(code)
    await page.get_by_role("button", name="Hand over").click()
    await expect(page.locator("#order-table .badge")).to_have_text("handed over")
    await expect(rows).to_have_count(1)
    assert await state_of(page, "w1") == "collected"
    async with HubClient(desk.url) as till:
        await till.pair(await desk.code("till"), "t")
        stock = (await till.product("TEA-01")).stock
    assert stock is not None
    assert stock.on_hand == 18
    assert [text for text in screen.complaints if "422" not in text and "409" not in text] == []


async def test_who_took_a_step_is_said_in_peoples_words(screen: Any) -> None:
    said = (
        "(actors) => import('/console/people.js').then(({ People }) => actors.map((each) => new People().actor(each)))"
    )

    names = await screen.page.evaluate(said, ["demo-cloud:211948a387818450", "till:t1", "cashier:c7", "somebody"])

    assert names == ["demo-cloud", "t1", "c7", "somebody"]


async def test_what_is_short_or_called_off_asks_for_a_reason(screen: Any) -> None:
    page: Page = screen.page
    notice = page.locator("#view-orders .notice")
    await page.locator('[data-order="w1"] button').click()
    await page.get_by_role("button", name="Cancel the order").click()
    await expect(notice).to_contain_text("Write down why")
    await page.fill("#order-reason", "the customer rang")
    await page.get_by_role("button", name="Cancel the order").click()
    await expect(page.locator("#order-table .badge")).to_have_text("cancelled")
    await expect(page.locator("#order-past li").first).to_contain_text("the customer rang")
    await expect(page.locator("#order-step")).to_be_hidden()

    await page.locator('[data-order="w2"] button').click()
    await page.get_by_role("button", name="Begin to pick").click()
    await scan(page, GTIN)
    await expect(page.locator("#order-scan-said")).to_contain_text("2 missing")
    await page.get_by_role("button", name="Ready without what is missing").click()
    await expect(notice).to_contain_text("Scan what is missing")
    await page.fill("#order-reason", "the shelf was empty")
    await page.get_by_role("button", name="Ready without what is missing").click()
    await expect(page.locator("#order-table tbody tr")).to_have_text("Oolong tea312")
    assert await state_of(page, "w2") == "ready"
    await page.fill("#order-number", "w9")
    await page.press("#order-number", "Enter")
    await expect(notice).to_contain_text("No order w9 is known here")


async def test_a_scanner_of_the_hub_picks_for_the_screen_that_claims_it(shop: Any, console: Any) -> None:
    page: Page = console.page
    await page.evaluate(POST, ["/v1/orders", order("w1")])
    await page.locator('#tabs [data-tab="orders"]').click()
    await page.locator('[data-order="w1"] button').click()
    await page.get_by_role("button", name="Begin to pick").click()
    said = page.locator("#order-scan-said")
    await shop.scanner.write(f"{GTIN}\r".encode())  # nobody has claimed it: it is for no parcel
    await page.select_option("#order-scanner", "s1")
    await _until_claimed(page)
    await shop.scanner.write(f"{GTIN}\r".encode())
    await expect(said).to_contain_text("Oolong tea: in the parcel, 1 missing")
    await page.locator('#tabs [data-tab="live"]').click()
    await _until_claimed(page, is_claimed=False)
    assert console.complaints == []


async def _until_claimed(page: Page, *, is_claimed: bool = True) -> None:
    await page.wait_for_function(
        f"""async () => {{
            const client = await import('/console/client.js');
            const devices = await client.get('/v1/devices');
            const scanner = devices.items.find((each) => each.device_id === 's1');
            return Boolean(scanner.claimed_by) === {str(is_claimed).lower()};
        }}"""
    )
