"""The store's other hub on a real socket: who may follow, what is safe, what each says of the line."""

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from hub.config import parse_config
from hub.standby.line import FOLLOWERS_MAX
from sync.errors import ConfigError
from sync.line.link import Conversation, WebSocketWire
from sync.protocol import SUBPROTOCOL
from sync.testing.memory_books import MemoryBooks


async def test_a_sale_is_safe_once_the_other_hub_has_it(
    followed: Any, follower: Any, pair_till: Any, until: Any
) -> None:
    till, beside = await pair_till(followed), await pair_till(follower)
    sale, other = till.sale(), beside.sale()
    async with till.events() as ws, asyncio.timeout(30):
        answer = (await till.post("/v1/sales", sale)).json
        async for message in ws:
            event = json.loads(message.data)
            if event["type"] == "sync" and event["data"]["safe"]["upto"] == 1:
                break
    assert event["data"]["safe"] == {"rep": answer["dot"]["rep"], "upto": 1}
    assert (await beside.get(f"/v1/sales/{sale['sale_id']}")).json["dot"] == answer["dot"]

    await beside.post("/v1/sales", other)
    ask = lambda: beside.post("/v1/sales/status", {"ids": [other["sale_id"]]})  # noqa: E731
    await until(ask, lambda got: got.json["sales"][0]["safe"])
    assert (await till.get(f"/v1/sales/{other['sale_id']}")).status == 200


async def test_each_says_how_the_line_is_and_what_is_on_two_machines(
    followed: Any, follower: Any, pair_till: Any, until: Any
) -> None:
    till, beside = await pair_till(followed), await pair_till(follower)
    up = lambda got: got.json.get("standby", {}).get("up")  # noqa: E731
    said = (await until(lambda: till.get("/v1/sync"), up)).json["standby"]
    assert (said["role"], said["peer"]) == ("followed", follower.runtime.replica.rep)
    said = (await until(lambda: beside.get("/v1/sync"), up)).json["standby"]
    assert (said["role"], said["peer"]) == ("follows", followed.runtime.replica.rep)

    await till.post("/v1/sales", till.sale())
    ready = await until(lambda: till.get("/readyz"), lambda got: got.json["copies"] == "two copies")
    assert ready.status == 200


async def test_a_follower_that_is_revoked_is_cut_at_once_and_stays_out(
    followed: Any, follower: Any, pair_till: Any, until: Any
) -> None:
    manager, beside = await pair_till(followed, scope="manager"), await pair_till(follower)
    standby = lambda got: got.json.get("standby", {})  # noqa: E731
    await until(lambda: manager.get("/v1/sync"), lambda got: standby(got).get("up"))
    (paired,) = [each for each in (await manager.get("/v1/tills")).json["items"] if each["scope"] == "standby"]

    assert (await manager.request("DELETE", f"/v1/tills/{paired['till_id']}")).status == 200

    await until(lambda: manager.get("/v1/sync"), lambda got: not standby(got)["up"])
    said = await until(lambda: beside.get("/v1/sync"), lambda got: standby(got).get("reason") == "refused")
    assert "storehub pair --scope standby" in standby(said)["remedy"]
    sale = beside.sale()
    await beside.post("/v1/sales", sale)
    assert (await manager.get(f"/v1/sales/{sale['sale_id']}")).status == 404


async def test_a_hub_alone_goes_on_when_nobody_follows(followed: Any, pair_till: Any) -> None:
    till = await pair_till(followed)
    assert "standby" not in (await till.get("/v1/sync")).json
    assert (await till.get("/readyz")).json["copies"] == "one copy"


@pytest.mark.parametrize(("scope", "status"), [("till", 403), ("manager", 403), ("cloud", 403), (None, 401)])
async def test_only_a_paired_standby_may_follow(followed: Any, pair_till: Any, scope: Any, status: int) -> None:
    client = await pair_till(followed, scope=scope)
    answer = await client.get("/sync/v1/link")
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_browser_on_the_line_is_told_what_it_is_for(followed: Any, pair_till: Any) -> None:
    answer = await (await pair_till(followed, scope="standby")).get("/sync/v1/link")
    assert (answer.status, answer.json["code"]) == (426, "not_a_link")


async def test_more_hubs_than_a_shop_has_are_refused_and_may_come_back(followed: Any, pair_till: Any) -> None:
    paired = await pair_till(followed, scope="standby")
    url, headers = f"{followed.url}/sync/v1/link", {"Authorization": f"Bearer {paired.token}"}
    async with aiohttp.ClientSession(headers=headers) as http, AsyncExitStack() as open_:
        for _ in range(FOLLOWERS_MAX):
            await open_.enter_async_context(http.ws_connect(url, protocols=(SUBPROTOCOL,)))
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url, protocols=(SUBPROTOCOL,))
    assert refused.value.status == 503


async def test_a_hub_of_another_store_is_refused_by_name(followed: Any, pair_till: Any) -> None:
    paired = await pair_till(followed, scope="standby")
    stranger = Conversation("dialler", MemoryBooks("hk02:0123456789abcdef"), now_ms=lambda: 0)
    url, headers = f"{followed.url}/sync/v1/link", {"Authorization": f"Bearer {paired.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(url, protocols=(SUBPROTOCOL,)) as ws,
    ):
        end = await stranger.run(WebSocketWire(ws))
    assert (end.code, end.is_ours) == ("refused", False)
    assert "hk02:0123456789abcdef" in end.detail


def test_the_line_to_another_machine_is_encrypted(tmp_path: Any) -> None:
    store = {"id": "hk01", "name_zh_hant": "店", "name_en": "Shop", "currency": "HKD"}
    raw = {"store": store, "standby": {"follows": "http://hub-a.local:8080", "token": "secret-of-the-pair"}}
    with pytest.raises(ConfigError, match=r"standby\.follows .*https://"):
        parse_config(raw, base=tmp_path)
    config = parse_config(
        raw | {"standby": {"follows": "https://hub-a.local", "token": "secret-of-the-pair"}}, base=tmp_path
    )
    assert "secret-of-the-pair" not in repr(config)


async def test_a_cashier_who_was_enrolled_at_either_hub_signs_in_at_both(
    followed: Any, follower: Any, pair_till: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hub has made a key of its own before; nobody but the two is told them."""
    monkeypatch.setattr("hub.following.keys.LOOK_EVERY_S", 0.05)
    for hub, number in ((followed, "1"), (follower, "2")):
        manager = await pair_till(hub, scope="manager")
        body = {"cashier_id": f"c{number}", "number": number, "name": "Mei", "role": "cashier", "pin": "4819"}
        assert (await manager.post("/v1/cashiers", body)).status == 201
    for hub in (followed, follower):
        till = await pair_till(hub)
        listed = lambda got: len(got.json["items"]) == 2  # noqa: E731
        await until(lambda till=till: till.get("/v1/cashiers"), listed)
        for number in ("1", "2"):
            ask = lambda till=till, number=number: till.post("/v1/cashiers/sign-in", {"number": number, "pin": "4819"})  # noqa: E731
            answer = await until(ask, lambda got: got.status != 503)
            assert answer.status == 201, (number, answer.body)
    keys = [
        hub.runtime.db.read.execute("SELECT key_id FROM pin_key ORDER BY 1").fetchall() for hub in (followed, follower)
    ]
    assert keys[0] == keys[1] and len(keys[0]) in (1, 2)


async def test_only_the_other_hub_is_told_the_keys(followed: Any, pair_till: Any) -> None:
    manager = await pair_till(followed, scope="manager")
    body = {"cashier_id": "c1", "number": "1", "name": "Mei", "role": "cashier", "pin": "4819"}
    assert (await manager.post("/v1/cashiers", body)).status == 201
    other = await pair_till(followed, scope="standby")

    told = await other.post("/sync/v1/pin-keys", {"keys": [{"secret": "k" * 43, "made_ms": 1}]})
    again = await other.post("/sync/v1/pin-keys", {"keys": []})
    bad = await other.post("/sync/v1/pin-keys", {"keys": [{"secret": "short", "made_ms": 1}]})
    refused = await manager.post("/sync/v1/pin-keys", {"keys": []})

    assert told.status == 200 and told.json == again.json and len(told.json["keys"]) == 2
    assert (bad.status, refused.status, refused.json["code"]) == (422, 403, "forbidden")


@pytest.fixture
async def followed_on_lan(start_hub: Any) -> Any:
    """A hub that tablets reach."""
    return await start_hub(api={"host": "0.0.0.0", "port": 0})


async def follow_by_tls(followed: Any, start_hub: Any, pair_till: Any, **section: Any) -> Any:
    paired = await pair_till(followed, scope="standby")
    at = {"follows": f"https://127.0.0.1:{followed.port}", "token": paired.token, "reconnect_max_s": 0.1}
    return await start_hub(
        standby=at | {"ca_sha256": followed.runtime.ca_fingerprint().upper()} | section,
        api={"host": "0.0.0.0", "port": 0},
    )


async def test_the_line_beside_knows_the_other_hub_by_its_authority_and_takes_it_over(
    followed_on_lan: Any, start_hub: Any, pair_till: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tablet that trusts the store's CA trusts both hubs then."""
    monkeypatch.setattr("hub.following.keys.LOOK_EVERY_S", 0.05)
    follower = await follow_by_tls(followed_on_lan, start_hub, pair_till)
    till = await pair_till(followed_on_lan)
    sale = till.sale()
    await till.post("/v1/sales", sale)
    ask = lambda: till.post("/v1/sales/status", {"ids": [sale["sale_id"]]})  # noqa: E731
    await until(ask, lambda got: got.json["sales"][0]["safe"])

    async def told() -> str:
        return str(follower.runtime.tls.context or "")

    await until(told, bool)
    assert follower.runtime.ca_fingerprint() == followed_on_lan.runtime.ca_fingerprint()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(cadata=followed_on_lan.runtime.tls.authority.pem)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http:
        for hub in (followed_on_lan, follower):
            async with http.get(f"https://127.0.0.1:{hub.port}/healthz") as answer:
                assert answer.status == 200


async def test_another_authority_than_the_one_written_down_is_not_spoken_with(
    followed_on_lan: Any, start_hub: Any, pair_till: Any, until: Any
) -> None:
    follower = await follow_by_tls(followed_on_lan, start_hub, pair_till, ca_sha256="ab" * 32)
    beside = await pair_till(follower)
    down = lambda got: got.json["standby"].get("reason") == "wrong_ca"  # noqa: E731
    said = (await until(lambda: beside.get("/v1/sync"), down)).json["standby"]
    assert "tls show" in said["remedy"] and followed_on_lan.runtime.ca_fingerprint() in said["detail"]
    assert follower.runtime.tls.context is None
    assert followed_on_lan.runtime.replication.standby.view() is None


async def test_without_a_fingerprint_the_stores_own_authority_is_nobody(
    followed_on_lan: Any, start_hub: Any, pair_till: Any, until: Any
) -> None:
    follower = await follow_by_tls(followed_on_lan, start_hub, pair_till, ca_sha256="")
    beside = await pair_till(follower)
    down = lambda got: got.json["standby"].get("reason") == "tls"  # noqa: E731
    said = (await until(lambda: beside.get("/v1/sync"), down)).json["standby"]
    assert "certificate" in said["detail"].lower()
