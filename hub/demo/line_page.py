"""The demo's own web page with one big switch: the line to the cloud, up or cut. The console frames it like a device's page.

`GET /` is one page without anything fetched from elsewhere. It asks `GET /line` for the state and sends
`POST /line {"up": bool}`; this server asks the cloud, and the cloud's token never leaves it.

Not here: what a cut line does (sync.cloud.talk.line).
"""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Self

import aiohttp
from aiohttp import web

from hub.demo.framed import page_headers

CLOUD_PATH = "/cloud/v1/demo/line"
CLOUD_TIMEOUT_S = 3.0  # the cloud of the demo is on this machine
STOP_TIMEOUT_S = 0.5  # requests under way at a stop are not worth waiting for

_STYLE = """
:root{color-scheme:light dark;--back:#fff;--ink:#17212b;--soft:#566370;--good:#0b7a4b;--bad:#b3261e;--off:#8b97a3;--knob:#fff}
@media (prefers-color-scheme:dark){:root{--back:#1a2128;--ink:#e8edf1;--soft:#9fadb9;--good:#35b878;--bad:#ff8a7e;--off:#5d6a76;
--knob:#10161b}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--back);color:var(--ink);
font:15px/1.35 system-ui,-apple-system,"Noto Sans","Noto Sans CJK TC",sans-serif}
main{width:100%;max-width:430px;padding:8px 12px;display:grid;gap:4px}
button{all:unset;box-sizing:border-box;width:100%;display:flex;align-items:center;gap:16px;padding:8px 10px;
border-radius:14px;cursor:pointer}
button:hover{background:color-mix(in srgb,var(--soft) 10%,transparent)}
button:focus-visible{outline:3px solid var(--good);outline-offset:-2px}
button[aria-disabled=true]{cursor:default;opacity:.55}
.track{flex:none;width:84px;height:46px;border-radius:46px;background:var(--off);padding:5px;transition:background .2s}
.track::before{content:"";display:block;width:36px;height:36px;border-radius:50%;background:var(--knob);
box-shadow:0 1px 3px #0004;transition:transform .2s}
[aria-checked=true] .track{background:var(--good)}
[aria-checked=true] .track::before{transform:translateX(38px)}
[aria-checked=false] .track{background:var(--bad)}
strong,small,.words span{display:block}
strong{font-size:1.3rem;line-height:1.25}
small,p{color:var(--soft);font-size:.86rem}
p{margin:0;padding:0 10px;min-height:2.7em;font-variant-numeric:tabular-nums}
p{white-space:pre-line}
p.bad{color:var(--bad)}
@media (prefers-reduced-motion:reduce){.track,.track::before{transition:none}}
"""
_SCRIPT = """
const button = document.querySelector("button"), said = document.querySelector("p");
const [zh, en] = document.querySelectorAll("strong, .words small");
let line = null, isBusy = false;
function put(element, words) { if (element.textContent !== words) element.textContent = words; }
function lasts(language) {
  const [unit, length] = [["hour", 3600], ["minute", 60]].find(([, length]) => line.for_s >= length) ?? [];
  if (!unit) return "less than a minute";
  return new Intl.NumberFormat(language, {style: "unit", unit, unitDisplay: "long"}).format(Math.floor(line.for_s / length));
}
function draw(trouble) {
  said.className = trouble ? "bad" : "";
  button.setAttribute("aria-disabled", String(isBusy || line === null));
  if (line !== null) {
    button.setAttribute("aria-checked", String(line.up));
    put(zh, line.up ? "線路接通" : "線路已切斷");
    put(en, line.up ? "The line to the cloud is up" : "The line to the cloud is cut");
  }
  if (trouble) { put(said, "雲端沒有回應 · The cloud does not answer: " + trouble); return; }
  if (line === null) return;
  const zhUp = line.up ? "接通" : "切斷";
  const zhSaid = line.for_s < 60 ? `剛剛${zhUp}` : `${zhUp}已有 ${lasts("zh-Hant")}`;
  put(said, line.up ? `${zhSaid}，按一下切斷。\\nUp for ${lasts("en")}. Press to cut it.`
    : `${zhSaid}，門市照常銷售。\\nCut for ${lasts("en")}. The shop sells on.`);
}
async function ask(change) {
  let trouble = "";
  try {
    const answer = await fetch("line", {signal: AbortSignal.timeout(5000), ...change});
    const content = await answer.json();
    if (answer.ok) line = content; else trouble = content.trouble;
  } catch { trouble = "the demo has ended"; }
  return trouble;
}
button.onclick = async () => {
  if (isBusy || line === null) return;
  isBusy = true;
  draw("");
  const body = JSON.stringify({up: !line.up});
  const trouble = await ask({method: "POST", headers: {"Content-Type": "application/json"}, body});
  isBusy = false;
  draw(trouble);
};
async function watch() {
  if (!document.hidden && !isBusy) {
    const trouble = await ask({});
    if (!isBusy) draw(trouble);
  }
  setTimeout(watch, 1500);
}
watch();
"""
_PAGE = f"""<!doctype html>
<html lang="zh-Hant">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>線路 Line</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main><button type="button" role="switch" aria-checked="mixed" aria-disabled="true" aria-describedby="said">
<span class="track"></span>
<span class="words"><strong>通往雲端的線路</strong><small lang="en">The line to the cloud</small></span>
</button><p id="said" role="status"></p></main>
<script>{_SCRIPT}</script></body>
</html>
"""


_HEADERS = page_headers(_SCRIPT)


class LinePage:
    """`async with LinePage(cloud_url, cloud_token) as page:` serves `page.url`."""

    def __init__(self, cloud_url: str, cloud_token: str) -> None:
        self.url = ""
        self._cloud_url = cloud_url.rstrip("/")
        self._cloud_token = cloud_token
        self._is_up: bool | None = None
        self._since_s = 0.0
        app = web.Application()
        app.router.add_get("/", _page)
        app.router.add_get("/line", self._get)
        app.router.add_post("/line", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            self._session = await undo.enter_async_context(
                aiohttp.ClientSession(
                    headers={"Authorization": f"Bearer {self._cloud_token}"},
                    timeout=aiohttp.ClientTimeout(total=CLOUD_TIMEOUT_S),
                )
            )
            undo.push_async_callback(self._runner.cleanup)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self._undo = undo.pop_all()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    async def _get(self, _: web.Request) -> web.StreamResponse:
        """GET /line: whether the line is up, and for how many seconds we have known it so."""
        return await self._ask("GET", None)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """POST /line {"up": bool}; JSON only, which no foreign page can send without asking first."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send application/json\n")
        try:
            wanted = (await request.json())["up"]
        except (ValueError, TypeError, KeyError):
            wanted = None
        if not isinstance(wanted, bool):
            raise web.HTTPBadRequest(text='send {"up": true} or {"up": false}\n')
        return await self._ask("POST", {"up": wanted})

    async def _ask(self, method: str, body: dict[str, bool] | None) -> web.StreamResponse:
        try:
            async with self._session.request(method, f"{self._cloud_url}{CLOUD_PATH}", json=body) as answer:
                if answer.status >= 400:
                    return _trouble(f"HTTP {answer.status}")
                is_up = (await answer.json())["up"]
        except TimeoutError:
            return _trouble(f"no answer in {CLOUD_TIMEOUT_S:g} s")
        except (aiohttp.ClientError, ValueError, TypeError, KeyError) as err:
            return _trouble(type(err).__name__)
        now_s = asyncio.get_running_loop().time()
        if is_up != self._is_up:
            self._is_up, self._since_s = is_up, now_s
        return web.json_response({"up": is_up, "for_s": round(now_s - self._since_s, 1)}, headers=_HEADERS)


def _trouble(what: str) -> web.Response:
    return web.Response(
        status=502, text=json.dumps({"trouble": what}), content_type="application/json", headers=_HEADERS
    )


async def _page(_: web.Request) -> web.StreamResponse:
    return web.Response(text=_PAGE, content_type="text/html", headers=_HEADERS)
