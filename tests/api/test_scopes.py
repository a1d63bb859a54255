"""Who may do what: every route of the API with every scope, with no token, and with a wrong one."""

from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from hub.api.routing import _IMPLIED
from hub.api.server import routes
from hub.store.staff.tills import Scope

SCOPES: tuple[Scope, ...] = get_args(Scope)
GUARDED = [route for route in routes() if route.scopes]
PairTill = Callable[..., Awaitable[Any]]


def test_only_pairing_is_open_to_everybody() -> None:
    assert [route.path for route in routes() if not route.scopes] == ["/v1/pair"]


async def test_every_guarded_route_refuses_strangers_and_admits_its_scopes(hub: Any, pair_till: PairTill) -> None:
    """An admitted request may be refused for what it says; never with 401 or 403 `forbidden`."""
    clients = {scope: await pair_till(hub, scope=scope) for scope in SCOPES}
    stranger, forger = await pair_till(hub, scope=None), await pair_till(hub, scope=None)
    forger.token = "forged"
    for route in GUARDED:
        path = route.path.replace("{", "").replace("}", "")
        body = {} if route.body else None
        for nobody in (stranger, forger):
            answer = await nobody.request(route.method, path, body)
            assert (answer.status, answer.json["code"]) == (401, "unauthorized"), route
            assert answer.headers["WWW-Authenticate"].split()[0] == ("Basic" if route.is_wire else "Bearer")
        for scope, client in clients.items():
            answer = await client.request(route.method, path, body)
            is_admitted = bool(route.scopes & _IMPLIED.get(scope, {scope}))
            is_refused = answer.status == 403 and answer.json["code"] == "forbidden"
            assert answer.status != 401 and is_refused == (not is_admitted), (route.path, scope, answer)


@pytest.mark.parametrize(
    ("scope", "status"), [("till", 101), ("manager", 101), ("device", 403), ("ops", 403), (None, 401)]
)
async def test_events_are_for_tills_and_managers(
    hub: Any, pair_till: PairTill, scope: Scope | None, status: int
) -> None:
    client = await pair_till(hub, scope=scope)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
        "Sec-WebSocket-Protocol": f"storehub.v1, storehub.bearer.{client.token}",
    }

    async with client.session.get("/v1/events", headers=headers) as response:
        assert response.status == status


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/openapi.json", "/metrics", "/", "/docs", "/console/console.js"]
)
async def test_health_description_and_console_are_open_on_this_machine(
    hub: Any, pair_till: PairTill, path: str
) -> None:
    stranger = await pair_till(hub, scope=None)

    assert (await stranger.get(path)).status == 200


@pytest.mark.parametrize(
    "path", ["/console/../../app.py", "/console/%2e%2e%2fapp.py", "/console/__init__.py", "/console/"]
)
async def test_nothing_but_the_consoles_files_is_served(hub: Any, pair_till: PairTill, path: str) -> None:
    stranger = await pair_till(hub, scope=None)

    assert (await stranger.get(path)).status == 404


async def test_a_token_in_the_address_is_no_token(hub: Any, till: Any, pair_till: PairTill) -> None:
    stranger = await pair_till(hub, scope=None)

    answer = await stranger.get("/v1/devices", token=till.token, access_token=till.token)

    assert answer.status == 401


async def test_a_token_is_good_after_a_restart(start_hub: Any, pair_till: PairTill) -> None:
    till = await pair_till(await start_hub())
    second = await start_hub()

    till.hub = second
    async with till.session.get(
        f"{second.url}/v1/products", headers={"Authorization": f"Bearer {till.token}"}
    ) as response:
        assert response.status == 200


async def test_a_manager_may_post_a_tills_sale_and_a_till_only_its_own(
    hub: Any, till: Any, pair_till: PairTill
) -> None:
    manager, other = await pair_till(hub, scope="manager"), await pair_till(hub)

    assert (await other.post("/v1/sales", till.sale())).json["code"] == "not_your_till"
    assert (await manager.post("/v1/sales", till.sale())).status == 201
