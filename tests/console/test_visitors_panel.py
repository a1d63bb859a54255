"""Visitors by hour: what is drawn is what GET /v1/insights/footfall says, in the store's zone, and it follows the door."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from playwright.async_api import Page, expect

Start = Callable[..., Awaitable[None]]
Look = Callable[..., Awaitable[Any]]

# the heights of the bars of one colour on the canvas, from left to right
BARS = """(colour) => {
  const canvas = document.querySelector("#visitors-plot canvas");
  const probe = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  [probe.canvas.width, probe.canvas.height] = [canvas.width, canvas.height];
  probe.drawImage(canvas, 0, 0);
  const pixels = probe.getImageData(0, 0, canvas.width, canvas.height).data;
  const hex = getComputedStyle(document.documentElement).getPropertyValue(colour);
  const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const bars = [];
  let isInside = false;
  for (let x = 0; x < canvas.width; x++) {
    let height = 0;
    for (let y = 0; y < canvas.height; y++) {
      const at = 4 * (y * canvas.width + x);
      if (wanted.every((value, channel) => pixels[at + channel] === value)) height++;
    }
    if (height > 0 && isInside) bars.push(Math.max(bars.pop(), height));
    if (height > 0 && !isInside) bars.push(height);
    isInside = height > 0;
  }
  return bars;
}"""


async def a_morning(desk: Any) -> None:
    """Count from 9 to 13:40: 12, 30, nobody, 24, and 6 so far in this hour."""
    now = desk.clock.at
    for hours, entered, exited in ((4, 12, 5), (3, 30, 25), (1, 24, 30), (0, 6, 3)):
        desk.clock.at = now - timedelta(hours=hours)
        await desk.count(entered, exited)
    desk.clock.at = now


async def test_bars_and_table_are_what_the_insights_say_in_the_stores_zone(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})
    await a_morning(desk)
    screen = await look_at(desk, timezone_id="America/New_York")
    page: Page = screen.page
    rows = page.locator("#visitors-hours tr")
    await expect(rows).to_have_count(13)
    shown = [row.split("\t") for row in await rows.all_inner_texts()]
    assert [" ".join(row) for row in shown[:5]] == [
        "09:00 12 5",
        "10:00 30 25",
        "11:00 0 0",
        "12:00 24 30",
        "13:00 6 3",
    ]
    assert all(row[1:] == ["0", "0"] for row in shown[5:])
    await expect(page.locator('#visitors-hours [aria-current="time"]')).to_contain_text("13:00")
    await expect(page.locator('[data-figure="figureVisitors"]')).to_contain_text("72")
    for colour, counts in (("--in", (12, 30, 24, 6)), ("--out", (5, 25, 30, 3))):
        bars = await page.evaluate(BARS, colour)
        assert len(bars) == len(counts)
        for bar, count in zip(bars, counts, strict=True):
            assert abs(bar / max(bars) - count / 30) < 0.04, (colour, bars)
    assert screen.complaints == []


async def test_the_plot_follows_the_door_and_the_clock_and_says_more_under_the_pointer(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})
    await a_morning(desk)
    screen = await look_at(desk)
    page: Page = screen.page
    await desk.count(4, 0, entrance="mall-side")
    await expect(page.locator('#visitors-hours [data-hour="13:00"]')).to_have_text("13:00103")
    await expect(page.locator('[data-entrance="mall-side"]')).to_have_text("mall-side 4 / 0")
    over = page.locator("#visitors-plot .u-over")
    box = await over.bounding_box()
    assert box is not None
    await over.hover(position={"x": box["width"] * 1.5 / 13, "y": box["height"] / 2})
    await expect(page.locator("#visitors-plot .tip")).to_have_text("10:00–10:59   30 in, 25 out")

    desk.clock.at += timedelta(hours=9)  # 22:40, beyond the usual hours
    await page.clock.set_fixed_time(desk.clock.at)
    await desk.count(1, 1)
    await expect(page.locator("#visitors-hours tr")).to_have_count(14)
    await expect(page.locator('#visitors-hours [aria-current="time"]')).to_contain_text("22:00")
    assert screen.complaints == []


async def test_a_shop_without_counters_is_told_why_there_is_no_plot(
    desk: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {})
    screen = await look_at(desk, locale="zh-TW")
    page: Page = screen.page
    await expect(page.locator("#visitors-none")).to_contain_text("尚未設定人流計數器")
    await expect(page.locator("#visitors-plot")).to_be_hidden()
    await expect(page.locator('[data-figure="figureVisitors"]')).to_contain_text("—")
    await desk.count(2, 0)
    await expect(page.locator("#visitors-plot canvas")).to_be_visible()
    await expect(page.locator("#visitors-title")).to_have_text("每小時訪客")
    assert screen.complaints == []


async def test_the_plot_fits_a_telephone_and_grows_with_the_window(
    desk: Any, cloud: Any, keep_running: Start, look_at: Look
) -> None:
    await keep_running(desk.run, {"cloud": cloud.section})
    await a_morning(desk)
    screen = await look_at(desk, 390, 844, locale="zh-TW", color_scheme="dark")
    page: Page = screen.page
    canvas = page.locator("#visitors-plot canvas")
    await expect(page.locator("#panel-cloud")).to_have_attribute("data-state", "down")
    for width in (390, 1440, 760, 390):
        await page.set_viewport_size({"width": width, "height": 844})
        await page.wait_for_function(
            "() => { const box = document.querySelector('#visitors-plot');"
            " return Math.abs(box.querySelector('canvas').clientWidth - box.clientWidth) < 2 }"
        )
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert len(await page.evaluate(BARS, "--in")) == 4, width
    await expect(canvas).to_be_visible()
    assert screen.complaints == []
