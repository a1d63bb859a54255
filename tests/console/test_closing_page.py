"""Closing a drawer by a blind count and the trading day, and enrolling a member, from the console."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.console.test_manager_pages import GET, at_the_till, sell_for_cash, show

Start = Callable[..., Awaitable[None]]
Look = Callable[..., Awaitable[Any]]


@pytest.fixture
async def screen(desk: Any, keep_running: Start, look_at: Look) -> Any:
    """The console of a desk that runs alone, in English."""
    await keep_running(desk.run, {"members": {"region": "HK"}})
    return await look_at(desk)


async def test_a_drawer_is_counted_blind_then_told_then_the_day_is_closed(desk: Any, screen: Any) -> None:
    page: Page = screen.page
    async with at_the_till(desk) as till:
        await sell_for_cash(till)
    await show(page, "day")
    close_day = page.locator("#close-button")
    await close_day.click()
    await expect(page.locator("#close-hint")).to_be_visible()
    await close_day.click()
    await expect(page.locator("#view-day .notice")).to_contain_text("Close them first")  # a drawer is open
    await page.locator("#day-drawers summary").click()
    await expect(page.locator("#day-drawers")).to_contain_text("HKD 521.80 expected")

    await page.get_by_role("button", name="Count and close").click()
    await expect(page.locator("#view-day")).not_to_contain_text("521.80")
    await page.fill('#count-pieces [data-value="50000"]', "1")
    await page.fill('#count-pieces [data-value="1000"]', "2")
    await expect(page.locator("#count-sum")).to_have_text("HKD 520.00")
    await page.fill("#count-note", "a coin fell behind the drawer")
    await page.get_by_role("button", name="Close the drawer by this count").click()
    result = page.locator("#count-result")
    await expect(result.locator(".badge")).to_have_text("HKD 1.80 short")
    await expect(result).to_contain_text("a coin fell behind the drawer")
    await expect(page.locator("#day-drawers")).to_contain_text("No drawer is open.")
    (z,) = (await page.evaluate(GET, "/v1/z-reports"))["items"]
    assert (z["counted_cash"], z["difference"], z["business_date"]) == (52_000, -180, "2026-11-21")

    await close_day.click()
    await expect(close_day).to_have_text("Close 2026-11-21 for good")
    await close_day.click()
    await expect(page.locator("#day-facts")).to_contain_text("Closed through2026-11-21")
    await expect(close_day).to_have_text("Close the trading day")
    await expect(page.locator('#trail [data-action="day_closed"]')).to_have_count(1)
    await page.get_by_role("button", name="Sign out").click()
    assert await page.locator("#count-result *, #view-day li").count() == 0
    assert [text for text in screen.complaints if "409" not in text] == []


async def test_a_member_is_enrolled_and_a_known_number_may_be_the_same_person(screen: Any) -> None:
    page: Page = screen.page
    await show(page, "members")
    form = page.locator("#enrol-form")
    await form.get_by_label("Name").fill("Ada <b>Ho</b>")
    await form.get_by_label("Telephone").fill("5123 4567")
    await form.get_by_label("Month of birth").fill("7")
    await form.get_by_label("May be sent offers").select_option("in")
    await form.get_by_role("button", name="Enrol", exact=True).click()
    await expect(page.locator("#enrolled")).to_contain_text("Ada <b>Ho</b> is enrolled.")
    await expect(page.locator("#members li")).to_contain_text("+85251234567")
    await expect(page.locator("#members li")).to_contain_text("Marketing yes")
    await expect(form.get_by_label("Name")).to_have_value("")

    await form.get_by_label("Name").fill("Ada")
    await form.get_by_label("Telephone").fill("+852 5123 4567")
    await form.get_by_role("button", name="Enrol", exact=True).click()
    await expect(page.locator("#enrolled .warn")).to_contain_text("Somebody is known by that already")
    await expect(page.locator("#members li")).to_contain_text("Ada <b>Ho</b>")
    await form.get_by_role("button", name="It is the same person: enrol and join").click()
    await expect(page.locator("#members li")).to_contain_text("2 memberships, one person")
    assert len((await page.evaluate(GET, "/v1/members?phone=51234567"))["items"]) == 1
    await form.get_by_role("button", name="Enrol", exact=True).click()  # nothing is filled in
    await expect(page.locator("#enrolled .warn")).to_be_visible()
    assert [text for text in screen.complaints if "409" not in text and "422" not in text] == []
