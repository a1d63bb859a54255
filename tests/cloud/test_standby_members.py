"""Two hubs of a store and another shop of the region, on real sockets: a hub dies with members that the cloud never heard of."""

from pathlib import Path
from typing import Any

import pytest

from hub.client import new_id

TOKENS = {store: f"{store}-token-0123456789" for store in ("hk01", "hk02")}
STORES = {store: {"token": token, "members": "hk"} for store, token in TOKENS.items()}
SCOPES = {"members": {"hk": {"stores": ["hk01", "hk02"]}}}


@pytest.fixture(autouse=True)
def shared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop has seconds, a test waits."""
    monkeypatch.setattr("hub.following.members.LOOK_EVERY_S", 0.05)


async def test_the_other_hub_tells_the_cloud_of_members_that_the_dead_one_had_told_it_alone(
    start_cloud: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any
) -> None:
    cloud = await start_cloud(stores=STORES, scopes=SCOPES)
    dead = await start_hub(cloud={"mode": "pull"})  # a cloud that has no address of it never asks
    paired = await pair_till(dead, scope="standby")
    line = {"url": cloud.url, "token": TOKENS["hk01"], "reconnect_max_s": 0.1}
    follows = {"follows": dead.url, "token": paired.token, "reconnect_max_s": 0.1}
    other = await start_hub(cloud=line, standby=follows)
    (tmp_path / "hk02").mkdir()
    name = {"name_zh_hant": "店", "name_en": "hk02", "currency": "HKD", "zone": "Asia/Hong_Kong"}
    far = await start_hub(cloud=line | {"token": TOKENS["hk02"]}, store={"id": "hk02"} | name, data={"dir": "hk02"})
    one, two, three = [await pair_till(hub, "manager") for hub in (dead, other, far)]
    body = {"member_id": new_id(), "name": "Zebedee Quillfeather", "phone": "9123 4567"}
    assert (await one.post("/v1/members", body)).status == 201
    path = "/v1/members"
    await until(lambda: two.get(path, phone="91234567"), lambda got: bool(got.json["items"]))
    rep = dead.runtime.replica.rep
    lives = "/cloud/v1/lives"
    await until(lambda: cloud.get(lives, store="hk01"), lambda got: any(e["rep"] == rep for e in got.json["items"]))
    assert (await three.get(path, phone="91234567")).json["items"] == []

    assert (await cloud.post("/cloud/v1/seals", {"rep": rep, "why": "its card is dead"})).status == 200
    await cloud.post("/cloud/v1/demo/line", {"up": False})  # a hub hears of seals when it says hello
    await until(lambda: two.get("/v1/sync"), lambda got: not got.json["up"])
    await cloud.post("/cloud/v1/demo/line", {"up": True})

    got = await until(lambda: three.get(path, phone="91234567"), lambda got: bool(got.json["items"]))
    (found,) = got.json["items"]
    assert (found["member_id"], found["name"]) == (body["member_id"], "Zebedee Quillfeather")
    edit = {"edit_id": new_id(), "name": "Z. Q."}
    assert (await three.post(f"/v1/members/{body['member_id']}/edits", edit)).status == 201
    await until(lambda: two.get(f"/v1/members/{body['member_id']}"), lambda got: got.json["name"] == "Z. Q.")
