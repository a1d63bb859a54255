"""The simulated printer's own little web page: the paper as a person would see it."""

from collections import deque
from typing import Self

from aiohttp import web

from devices.testing.paper_html import paper_html
from devices.testing.printer import Receipt

PAPERS_MAX = 30


class PaperPage:
    def __init__(self) -> None:
        self._papers: deque[tuple[int, str]] = deque(maxlen=PAPERS_MAX)
        self._n = 0
        self.url = ""

    def add(self, receipt: Receipt) -> None:
        self._n += 1
        self._papers.append((self._n, paper_html(receipt.paper)))

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/papers", self._list)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _list(self, request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after", "0"))
        return web.json_response([{"n": n, "html": html} for n, html in self._papers if n > after])
