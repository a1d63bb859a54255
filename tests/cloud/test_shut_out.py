"""A store that head office shuts out is asked no more by a cloud that pulls it, at once and for good, and the page says so."""

import asyncio
from typing import Any

import pytest

from sync.cloud.collect import admission
from sync.cloud.collect.tokens import revoke
from sync.cloud.talk.hub_http import REMEDIES
from sync.errors import SyncError
from tests.cloud.pulled_hub import HUB_TOKEN, PulledHub
from tests.cloud.test_pull import hub

__all__ = ["hub"]
WHY = {"why": "the machine was stolen"}
OTHER = "another-hub-token-0123456789abcdefgh"


def section(hub: PulledHub, **more: Any) -> dict[str, Any]:
    return {"mode": "pull", "url": f"http://127.0.0.1:{hub.port}", "hub_token": HUB_TOKEN, "every_s": 0.1} | more


@pytest.fixture
async def pulling(start_cloud: Any, hub: PulledHub, tokens: Any) -> Any:
    """A cloud that pulls hk01 and is dialled by hk02."""
    stores = {"hk01": section(hub), "hk02": {"token": tokens["hk02"]}}
    return await start_cloud(stores=stores, pulling=False)


async def states(cloud: Any) -> dict[str, tuple[str, bool]]:
    items = (await cloud.get("/cloud/v1/fleet")).json["items"]
    return {each["store"]: (each["state"], each["is_asked"]) for each in items}


async def test_a_store_that_is_pulled_is_asked_no_more_once_it_is_shut_out(
    pulling: Any,
    hub: PulledHub,
    start_cloud: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (puller,) = pulling.pulls
    await puller.round()
    asking = asyncio.create_task(puller.run())
    hub.writer.sell("late", 1)
    before = await states(pulling)
    done = await pulling.post("/cloud/v1/stores/hk01/revoke", WHY)
    await asyncio.wait_for(asking, 10)
    asked, acked = hub.asked, dict(hub.acked)
    with pytest.raises(SyncError) as caught:
        await puller.round()
    (token,) = (await pulling.get("/cloud/v1/stores/hk01/tokens")).json["items"]

    assert (len(done.json["revoked"]), before["hk01"][1], await states(pulling)) == (
        *(1, True),
        {"hk01": ("shut", True), "hk02": ("never", False)},
    )
    assert (puller.reason, caught.value.code) == ("shut_out", "shut_out") and "shut_out" in REMEDIES
    assert (hub.asked, hub.acked) == (asked, acked)
    assert (token["id"], token["name"], token["why"]) == (done.json["revoked"][0], "cloud.toml, hub_token", WHY["why"])
    assert (await pulling.post("/cloud/v1/stores/hk01/revoke", WHY)).json["revoked"] == []
    again = await start_cloud(stores={"hk01": section(hub)}, pulling=False)  # a restart lets nobody in
    with pytest.raises(SyncError):
        await again.pulls[0].round()
    monkeypatch.setattr("tests.cloud.pulled_hub.HUB_TOKEN", OTHER)  # the shop has paired anew
    paired = await start_cloud(stores={"hk01": section(hub, hub_token=OTHER)}, pulling=False)
    await paired.pulls[0].round()
    assert (await paired.store_item())["sales"]["count"] == 1001
    assert (await states(paired))["hk01"][0] == "up"


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_round_that_is_under_way_is_cut_by_whichever_worker_shuts_it_out(
    pulling: Any,
    hub: PulledHub,
    sql: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_elsewhere: bool,
) -> None:
    """The first one: nothing of the store stands on the line yet."""
    monkeypatch.setattr(admission, "LOOK_EVERY_S", 0.01)
    (puller,) = pulling.pulls
    reached, books = asyncio.Event(), pulling.cloud.books

    async def hold() -> None:
        reached.set()
        await hub.gate.wait()

    hub.meanwhile = hold
    asking = asyncio.create_task(puller.run())
    await asyncio.wait_for(reached.wait(), 10)
    if is_elsewhere:
        key, now_ms = pulling.config.pulls[0].key, pulling.clock()
        watching = asyncio.create_task(pulling.cloud.admission.run())
        await books.db.write(lambda tx: revoke(tx, "hk01", [key], why="elsewhere", now_ms=now_ms))
        await asyncio.wait_for(asking, 10)
        watching.cancel()
    else:
        await pulling.post("/cloud/v1/stores/hk01/revoke", WHY)
        await asyncio.wait_for(asking, 10)

    assert (puller.reason, hub.acked, sql("SELECT count(*) FROM fact")) == ("shut_out", {}, [(0,)])
    assert pulling.cloud.line.connections == []


async def test_one_token_of_many_shuts_nobody_out_and_a_new_one_lets_in_again(cloud: Any, tokens: Any) -> None:
    (first,) = (await cloud.get("/cloud/v1/stores/hk01/tokens")).json["items"]
    code = (await cloud.post("/cloud/v1/enrolments", {"store": "hk01"})).json["code"]
    enrolled = await cloud.post("/sync/v1/enrol", {"code": code, "store": "hk01", "token": OTHER}, token="")
    one = await cloud.post("/cloud/v1/stores/hk01/revoke", WHY | {"token": first["id"]})
    after_one = await states(cloud)
    await cloud.post("/cloud/v1/stores/hk01/revoke", WHY)
    after_all = await states(cloud)
    code = (await cloud.post("/cloud/v1/enrolments", {"store": "hk01"})).json["code"]
    await cloud.post("/sync/v1/enrol", {"code": code, "store": "hk01", "token": OTHER + "-2"}, token="")

    assert (enrolled.status, len(one.json["revoked"])) == (201, 1)
    assert [each["hk01"][0] for each in (after_one, after_all, await states(cloud))] == ["never", "shut", "never"]
    assert after_all["hk02"] == ("never", False)
