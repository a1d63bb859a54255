"""The demo's switch: what it asks the cloud, what it keeps to itself, and what it says when the cloud is away."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from hub.demo.line_page import LinePage

OpenScreen = Callable[..., Awaitable[Any]]
TOKEN = "office-token"


class CloudStub:
    """Answers as the cloud's demo line does; `status` other than 200 is a refusal."""

    def __init__(self) -> None:
        self.is_up, self.status = True, 200
        self.asked: list[tuple[str, str]] = []
        app = web.Application()
        app.router.add_route("*", "/cloud/v1/demo/line", self._line)
        self.server = TestServer(app)

    async def _line(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.headers["Authorization"]))
        if request.method == "POST":
            self.is_up = (await request.json())["up"]
        return web.json_response({"up": self.is_up}, status=self.status)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/"))


async def test_the_switch_is_the_clouds_and_the_token_stays_on_this_side() -> None:
    cloud = CloudStub()
    async with (
        cloud.server,
        LinePage(cloud.url, TOKEN) as page,
        aiohttp.ClientSession(page.url) as session,
    ):
        async with session.get("line") as answer:
            assert (await answer.json())["up"] is True
        async with session.post("line", json={"up": False}) as answer:
            assert (await answer.json())["up"] is False
        assert not cloud.is_up
        assert cloud.asked == [("GET", f"Bearer {TOKEN}"), ("POST", f"Bearer {TOKEN}")]
        async with session.get("") as answer:
            assert TOKEN not in await answer.text()


async def test_what_is_no_state_and_what_a_foreign_page_could_send_is_refused() -> None:
    cloud = CloudStub()
    async with cloud.server, LinePage(cloud.url, TOKEN) as page, aiohttp.ClientSession(page.url) as session:
        for body in (b"", b"[]", b"{}", b'{"up": 1}', b'{"up": null}', b"\xff"):
            async with session.post("line", data=body, headers={"Content-Type": "application/json"}) as answer:
                assert answer.status == 400, body
        async with session.post("line", data=b'{"up": false}', headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415
    assert cloud.asked == []


async def test_only_loopback_pages_may_frame_the_switch_and_nothing_is_fetched_from_elsewhere() -> None:
    async with LinePage("http://127.0.0.1:9", TOKEN) as page, aiohttp.ClientSession(page.url) as session:
        async with session.get("") as answer:
            policy = answer.headers["Content-Security-Policy"]
            html = await answer.text()
        async with session.get("line") as answer:
            assert answer.status == 502
            assert "ClientConnectorError" in (await answer.json())["trouble"]
    assert "default-src 'none'" in policy
    assert policy.endswith("frame-ancestors http://127.0.0.1:* http://localhost:*")
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "http" not in html


async def test_one_press_cuts_and_one_mends_and_a_cloud_that_is_away_is_said(open_screen: OpenScreen) -> None:
    cloud = CloudStub()
    async with cloud.server, LinePage(cloud.url, TOKEN) as line:
        screen = await open_screen(300, 160)
        page: Page = screen.page
        await page.goto(line.url)
        switch = page.get_by_role("switch")
        await expect(switch).to_have_attribute("aria-checked", "true")
        await expect(switch).to_contain_text("線路接通")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await expect(switch).to_have_attribute("aria-checked", "false")
        await expect(switch).to_contain_text("The line to the cloud is cut")
        assert not cloud.is_up
        cloud.is_up = True  # somebody else mends it
        await expect(switch).to_have_attribute("aria-checked", "true")
        for axis, roof in (("Width", "innerWidth"), ("Height", "innerHeight")):
            assert await page.evaluate(f"document.documentElement.scroll{axis} <= {roof}"), axis
        assert screen.complaints == []
        cloud.status = 503
        await expect(page.get_by_role("status")).to_contain_text("The cloud does not answer: HTTP 503")
