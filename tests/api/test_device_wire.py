"""Devices that speak HTTP to the hub, on a real socket: who may, how a token comes, how long an answer may take."""

import asyncio
import io
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from devices.supervision.requests import REQUESTS_MAX, DeviceRequest
from hub.api.attached import device_wire

DOOR = {"kind": "http_counter", "entrances": {"door": "Main door"}}
WIRE = "/v1/devices/door/wire"
PairTill = Callable[..., Awaitable[Any]]


def basic(user: str, token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{token}".encode()).decode()}


@pytest.fixture
async def hub(start_hub: Any) -> Any:
    return await start_hub(devices={"door": DOOR, "other": DOOR})


async def test_a_push_is_counted_before_it_is_answered(hub: Any, pair_till: PairTill) -> None:
    door, till = await pair_till(hub, scope="device", name="door"), await pair_till(hub)

    for body in ({"in": 100, "out": 90}, {"in": 103, "out": 91}):
        assert (await door.post(WIRE, body)).status == 200

    day = (await till.get("/v1/insights/footfall")).json
    assert day["entrances"] == [{"entrance": "Main door", "in": 3, "out": 1}]


async def test_a_token_may_come_as_the_password_of_basic_on_this_path_only(hub: Any, pair_till: PairTill) -> None:
    door, till = await pair_till(hub, scope="device", name="door"), await pair_till(hub)
    good = basic(door.till_id, door.token)

    assert (await door.request("GET", WIRE, **good)).status == 200
    for bad in (basic("device9", door.token), basic(door.till_id, "x"), {"Authorization": "Basic ?"}):
        answer = await door.request("GET", WIRE, **bad)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="storehub", charset="UTF-8"')
    as_till = basic(till.till_id, till.token)
    assert (await till.request("GET", "/v1/shop", **as_till)).status == 401
    assert (await till.request("GET", WIRE, **as_till)).status == 401


async def test_a_device_speaks_for_itself_only(hub: Any, pair_till: PairTill) -> None:
    door = await pair_till(hub, scope="device", name="door")
    answer = await door.post("/v1/devices/other/wire", {"in": 1, "out": 1})
    assert (answer.status, answer.json["code"]) == (403, "not_its_device")

    nothing = await pair_till(hub, scope="device", name="nothing")
    answer = await nothing.post("/v1/devices/nothing/wire", {})
    assert (answer.status, answer.json["code"]) == (404, "device")


async def test_what_the_driver_refuses_reaches_the_device(hub: Any, pair_till: PairTill) -> None:
    door = await pair_till(hub, scope="device", name="door")

    async def send(method: str, body: bytes) -> tuple[int, bytes]:
        auth = {"Authorization": f"Bearer {door.token}"}
        async with door.session.request(method, WIRE, data=io.BytesIO(body), headers=auth) as answer:
            return answer.status, await answer.read()

    assert await send("POST", b"\x00\xff") == (422, b"not_json: no JSON object\n")
    assert await send("DELETE", b"") == (405, b"")
    assert (await send("POST", bytes(1024 * 1024 + 1)))[0] == 413


async def test_a_driver_that_does_not_answer_is_given_up_and_its_late_answer_is_not_heard(
    hub: Any, pair_till: PairTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_wire, "DEVICE_ANSWER_TIMEOUT_S", 0.05)
    asked: list[DeviceRequest] = []

    def keep(_device_id: str, request: DeviceRequest) -> bool:
        asked.append(request)
        return True

    hub.runtime.ask_device = keep
    door = await pair_till(hub, scope="device", name="door")

    answer = await door.post(WIRE, {})

    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "wire_busy", "1")
    assert not asked[0].answer(200)


async def test_a_full_queue_tells_the_device_to_come_again(
    hub: Any, pair_till: PairTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver waits for a hub that does not write: REQUESTS_MAX wait behind the one in hand, the next is refused."""
    gate = asyncio.Event()

    async def wait(*_: Any) -> None:
        await gate.wait()

    monkeypatch.setattr("hub.visitors.Visitors.on_readings", wait)
    door = await pair_till(hub, scope="device", name="door")
    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(door.post(WIRE, {"in": n})) for n in range(REQUESTS_MAX + 2)]
        done, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result().status for task in done] == [503]
        gate.set()
    assert sorted(task.result().status for task in sent) == [200] * (REQUESTS_MAX + 1) + [503]


async def test_plain_http_from_the_network_is_for_devices_whose_section_allows_it(
    start_hub: Any, pair_till: PairTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen from the network: this machine's own address is taken for another's."""
    monkeypatch.setattr("hub.api.lan.is_local", lambda _peer: False)
    devices = {"old": DOOR | {"plain_http": True}, "new": DOOR}
    hub = await start_hub(devices=devices, api={"host": "0.0.0.0", "port": 0})
    trusts_all = ssl.create_default_context()
    trusts_all.check_hostname, trusts_all.verify_mode = False, ssl.CERT_NONE
    https = aiohttp.ClientSession(f"https://127.0.0.1:{hub.port}", connector=aiohttp.TCPConnector(ssl=trusts_all))
    async with https, aiohttp.ClientSession(hub.url) as http:
        for name, status in (("old", 200), ("new", 426)):
            pairing = {"code": await hub.make_code("device"), "name": name}
            async with https.post("/v1/pair", json=pairing) as paired:
                token = (await paired.json())["token"]
            auth = {"Authorization": f"Bearer {token}"}
            for session, wanted in ((https, 200), (http, status)):
                async with session.post(f"/v1/devices/{name}/wire", json={"in": 1}, headers=auth) as answer:
                    assert answer.status == wanted, (name, await answer.read())
            async with http.get("/v1/shop", headers=auth) as answer:
                assert answer.status == 426
