"""CORS is closed: a page of another server gets no permission, no answer and no event socket; the hub's own page does."""

from typing import Any

import aiohttp
import pytest

ELSEWHERE = (
    "https://evil.example",
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "file://",
    "capacitor://localhost",
)
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


def allowed(answer: Any) -> list[str]:
    return [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_a_preflight_from_elsewhere_gets_no_permission(till: Any, origin: str) -> None:
    for path in ("/v1/sales", "/v1/pair", "/v1/products", "/", "/v1/events"):
        async with till.session.options(path, headers={"Origin": origin, **PREFLIGHT}) as answer:
            assert (answer.status, allowed(answer)) == (403, [])


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_a_simple_request_from_elsewhere_is_refused_and_changes_nothing(hub: Any, till: Any, origin: str) -> None:
    """What a browser sends without asking first: GET, and POST as a form or plain text."""
    code, sale = await hub.make_code(), till.sale()
    seen = await till.request("GET", "/v1/products", Origin=origin)
    paired = await till.request("POST", "/v1/pair", {"code": code, "name": "x"}, Origin=origin)
    sold = await till.request("POST", "/v1/sales", sale, Origin=origin)

    for answer in (seen, paired, sold):
        assert (answer.status, answer.json["code"], allowed(answer)) == (403, "foreign_origin", [])
    assert (await till.get(f"/v1/sales/{sale['sale_id']}")).status == 404
    assert (await till.post("/v1/pair", {"code": code, "name": "x"})).status == 201, "the code was not spent"


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_an_event_socket_for_a_page_from_elsewhere_is_refused(hub: Any, till: Any, origin: str) -> None:
    protocols = ("storehub.v1", f"storehub.bearer.{till.token}")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await till.session.ws_connect("/v1/events", protocols=protocols, origin=origin)

    assert refused.value.status == 403 and hub.runtime.bus.clients == 0


async def test_the_hubs_own_page_asks_and_listens(hub: Any, till: Any) -> None:
    own = f"http://127.0.0.1:{hub.port}"
    answer = await till.request("GET", "/v1/products", Origin=own)
    async with till.session.ws_connect(
        "/v1/events", protocols=("storehub.v1", f"storehub.bearer.{till.token}"), origin=own
    ) as ws:
        hello = await ws.receive_json(timeout=30)

    assert (answer.status, allowed(answer), hello["type"]) == (200, [], "hello")
