"""The simulated printer's own web page: its paper as a person would see it, the newest receipt first.

`GET /` is one page without anything fetched from elsewhere; it asks `GET /papers?after=N` for the receipts it has not shown.
Receipts are drawn when somebody asks for them: a printer that nobody looks at costs nothing. The console may frame the page.
Not here: what stands on the paper (devices.testing.paper_html).
"""

from collections import deque
from contextlib import AsyncExitStack
from typing import Self

from aiohttp import web

from devices.testing.paper_html import paper_html
from devices.testing.printer import Receipt
from hub.demo.framed import page_headers

PAPERS_MAX = 30  # receipts kept; when full the oldest is thrown away, as the shop does
STOP_TIMEOUT_S = 0.5  # requests under way at a stop are not worth waiting for

_TORN = ",".join(f"{100 - x * 2.5}% calc(100% - {x % 2 * 6}px)" for x in range(41))  # the edge the knife leaves
_STYLE = """
@font-face{font-family:wide;size-adjust:116%;src:local("Noto Sans CJK TC"),local("NotoSansCJKtc-Regular"),
local("PingFang TC"),local("PingFangTC-Regular"),local("Microsoft JhengHei"),local("Source Han Sans TC");
unicode-range:U+2E80-9FFF,U+F900-FAFF,U+FE30-FE4F,U+FF00-FFEF,U+20000-3FFFF}
:root{color-scheme:light dark;--desk:#e9ebee;--ink:#5b6470}
@media (prefers-color-scheme:dark){:root{--desk:#20242b;--ink:#9aa4b2}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;background:var(--desk);color:var(--ink);font:14px/1.5 system-ui,sans-serif;overflow-x:hidden}
main{padding:16px;display:flex;flex-direction:column;align-items:center;gap:18px}
p.empty{margin:25vh 0 0;text-align:center}
article{position:relative;filter:drop-shadow(0 1px 2px #0003) drop-shadow(0 4px 10px #0002);animation:out .3s ease-out}
article .paper{box-shadow:none;padding:18px 16px 22px;clip-path:polygon(0 0,100% 0,TORN);
font:13px/20px "DejaVu Sans Mono","Noto Sans Mono",Menlo,Consolas,wide,monospace}
article .paper small{color:#6b6b6b}
article .paper hr{display:none}
@keyframes out{from{transform:translateY(-24px);opacity:0}}
@media (prefers-reduced-motion:reduce){article{animation:none}}
""".replace("TORN", _TORN)
_SCRIPT = """
const papers = document.getElementById("papers");
let last = 0;
function fit() {
  for (const strip of papers.querySelectorAll("article")) {
    strip.style.zoom = 1;
    strip.style.zoom = Math.min(1, (document.documentElement.clientWidth - 24) / strip.offsetWidth);
  }
}
async function ask() {
  try {
    const answer = await fetch("papers?after=" + last, {signal: AbortSignal.timeout(5000)});
    for (const paper of await answer.json()) {
      const strip = document.createElement("article");
      strip.dataset.n = paper.n;
      strip.innerHTML = paper.html;  // drawn by paper_html, which escapes all text; the CSP lets nothing in it run
      papers.querySelector(".empty")?.remove();
      papers.prepend(strip);
      last = paper.n;
    }
    while (papers.children.length > PAPERS_MAX) papers.lastChild.remove();
    fit();
  } catch { /* the printer is switched off: ask again */ }
}
async function watch() {
  if (!document.hidden) await ask();
  setTimeout(watch, 700);
}
addEventListener("resize", fit);
watch();
""".replace("PAPERS_MAX", str(PAPERS_MAX))
_PAGE = f"""<!doctype html>
<html lang="zh-Hant">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>紙 Paper</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main id="papers"><p class="empty">等待第一張收據<br><span lang="en">Waiting for the first receipt</span></p></main>
<script>{_SCRIPT}</script></body>
</html>
"""


_HEADERS = page_headers(_SCRIPT)


class PaperPage:
    """`async with PaperPage() as page:` serves `page.url`; `page.add` lays a receipt on top."""

    def __init__(self) -> None:
        self.url = ""
        self._papers: deque[tuple[int, Receipt]] = deque(maxlen=PAPERS_MAX)
        self._last_n = 0
        app = web.Application()
        app.router.add_get("/", _page)
        app.router.add_get("/papers", self._list)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._runner.cleanup)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            undo.pop_all()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def add(self, receipt: Receipt) -> None:
        """Lay a receipt on top; numbers begin with 1."""
        self._last_n += 1
        self._papers.append((self._last_n, receipt))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """GET /papers?after=N: the receipts after N, newest last."""
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) <= 15):
            raise web.HTTPBadRequest(text="after: the number of the last receipt you have\n")
        papers = [{"n": n, "html": paper_html(receipt.paper)} for n, receipt in self._papers if n > int(after)]
        return web.json_response(papers, headers=_HEADERS)


async def _page(_: web.Request) -> web.StreamResponse:
    return web.Response(text=_PAGE, content_type="text/html", headers=_HEADERS)
