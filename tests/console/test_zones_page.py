"""Zones: what the page says of stays is what they were, in both languages; labels: what is typed is what is queued."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from playwright.async_api import Page, expect

from hub.store import dwells
from sync.retail.visitors.dwells import DwellRow

Start = Callable[..., Awaitable[None]]
Look = Callable[..., Awaitable[Any]]


async def stays(desk: Any) -> None:
    """This morning: at the desk 30, 60 and 600 s from 9 on, 125 s at noon; two minutes at the entrance before."""
    now = desk.clock.at
    said = (
        ("desk", 280, 30, "a"),
        ("desk", 270, 60, "b"),
        ("desk", 260, 600, "c"),
        ("desk", 60, 125, "a"),
        ("entrance", 281, 120, "a"),
    )
    rows = [
        DwellRow(
            dwell_id=f"d{n}",
            zone=zone,
            visitor=visitor,
            begun=now - timedelta(minutes=ago_min),
            ended=now - timedelta(minutes=ago_min) + timedelta(seconds=lasted_s),
        )
        for n, (zone, ago_min, lasted_s, visitor) in enumerate(said)
    ]
    await desk.hub.db.write(lambda tx: dwells.record(tx, desk.hub.replica, rows))


async def rows_of(page: Page, place: str) -> list[list[str]]:
    return [row.split("\t") for row in await page.locator(f"#{place} tr").all_inner_texts()]


async def test_zones_are_told_with_their_median_in_both_languages(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})
    await stays(desk)
    screen = await look_at(desk)
    page: Page = screen.page
    await page.locator('#tabs [data-tab="zones"]').click()
    await expect(page.locator("#zones-sums tr")).to_have_count(3)
    assert await rows_of(page, "zones-sums") == [
        ["Zone", "Visits", "Median stay", "Mean", "Visitors"],
        ["desk", "4", "1:32", "3:24", "3"],
        ["entrance", "1", "2:00", "2:00", "1"],
    ]
    assert await rows_of(page, "zones-hours") == [
        ["Hour", "desk", "entrance"],
        ["08:00", "—", "1 there"],
        ["09:00", "3 · 1:00", "1 · 2:00"],
        ["12:00", "1 · 2:05", "—"],
    ]
    await page.locator("#language").click()
    await expect(page.locator("#view-zones")).to_contain_text("停留中位數")
    await page.locator("#zones-date").fill("2026-11-20")
    await expect(page.locator("#zones-sums")).to_contain_text("這一天沒有人")
    assert screen.complaints == []


async def test_labels_are_printed_as_they_were_typed_and_a_wrong_line_is_said(shop: Any, console: Any) -> None:
    page: Page = console.page
    await page.locator('#tabs [data-tab="prices"]').click()
    skus, said = page.locator("#labels-form textarea"), page.locator("#labels-said")
    for typed, answer in (("TEA-01 x0", "TEA-01 x0"), ("TEA-01 twice", "TEA-01 twice"), ("AWAY-1", "AWAY-1")):
        await skus.fill(typed)
        await page.locator("#labels-form button").click()
        await expect(said).to_contain_text(answer)
    await skus.fill("TEA-01\n TEA-01 x3 \n")
    await page.locator("#labels-form button").click()
    await expect(said).to_contain_text("Labels on their way: 4, at p1.")
    await expect(skus).to_have_value("")
    await shop.printer.wait_for(
        lambda: sum("10.90" in line for sheet in shop.printer.receipts for line in sheet.lines()) == 4, 30
    )


async def test_without_a_printer_there_is_no_form_for_labels(desk: Any, keep_running: Start, look_at: Look) -> None:
    await keep_running(desk.run, {})
    page: Page = (await look_at(desk)).page
    await page.locator('#tabs [data-tab="prices"]').click()
    await expect(page.locator("#labels-said")).to_contain_text("No printer is configured that prints labels.")
    await expect(page.locator("#labels-form")).to_be_hidden()
