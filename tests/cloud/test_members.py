"""Members of a region on real sockets: two shops and a cloud in this process; what one writes the other finds, erased at all."""

from pathlib import Path
from typing import Any

import pytest

from hub.client import new_id
from hub.store.upkeep.audit import audit
from tests.cloud_engines import Engine

TOKENS = {store: f"{store}-token-0123456789" for store in ("hk01", "hk02")}
STORES: dict[str, dict[str, Any]] = {store: {"token": token, "members": "hk"} for store, token in TOKENS.items()}
SCOPES = {"members": {"hk": {"stores": ["hk01", "hk02"]}}}
CLEAR = ("Quillfeather", "91234567", "zq@example.org")


async def open_shop(start_hub: Any, cloud: Any, tmp_path: Path, store: str) -> Any:
    (tmp_path / store).mkdir()
    named = {"id": store, "name_zh_hant": "店", "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"}
    line = {"url": cloud.url, "token": TOKENS[store], "reconnect_max_s": 0.1}
    points = {"points": {"points": 1, "per": 100}, "burn_off_line_max": 100}
    return await start_hub(cloud=line, store=named, data={"dir": store}, members=points)


@pytest.fixture
async def shops(start_cloud: Any, start_hub: Any, pair_till: Any, tmp_path: Path) -> Any:
    """(cloud, first hub, second hub, a manager's till at each)"""
    cloud = await start_cloud(stores=STORES, scopes=SCOPES)
    hubs = [await open_shop(start_hub, cloud, tmp_path, store) for store in TOKENS]
    return cloud, *hubs, *[await pair_till(hub, "manager") for hub in hubs]


def body(**fields: Any) -> dict[str, Any]:
    return {"member_id": new_id(), "name": "Zebedee Quillfeather", "phone": "9123 4567"} | fields


async def items(till: Any, **query: str) -> list[Any]:
    return list((await till.get("/v1/members", **query)).json["items"])


async def test_a_member_of_one_shop_is_found_in_the_other(shops: Any, until: Any) -> None:
    _, first, second, one, two = shops
    member = body(email="zq@example.org", consents={"marketing": "out"})
    assert (await one.post("/v1/members", member)).status == 201
    (found,) = await until(lambda: items(two, phone="+852 9123 4567"), bool)
    assert (found["member_id"], found["name"]) == (member["member_id"], "Zebedee Quillfeather")
    assert await until(lambda: items(two, email="ZQ@example.org"), bool)
    (found,) = await until(lambda: items(two, q="quill"), lambda got: got and got[0]["consents"]["marketing"] == "out")
    edit = {"edit_id": new_id(), "name": "Zebedee Q.", "phone": "6123 4567"}
    assert (await two.post(f"/v1/members/{member['member_id']}/edits", edit)).status == 201
    await until(lambda: items(one, phone="6123 4567"), bool)
    await until(lambda: items(one, phone="9123 4567"), lambda got: not got)
    for hub in (first, second):
        assert audit(hub.runtime.db.read, hub.runtime.replica) == []


async def test_what_two_shops_enrol_at_once_is_joined_by_hand_for_both(shops: Any, until: Any) -> None:
    _, _, _, one, two = shops
    first, second = body(offline=True), body(offline=True)
    assert (await one.post("/v1/members", first)).status == 201
    assert (await two.post("/v1/members", second)).status == 201
    ids = sorted([first["member_id"], second["member_id"]])
    await until(lambda: items(one, phone="91234567"), lambda got: len(got) == 2)
    await until(lambda: items(two, phone="91234567"), lambda got: len(got) == 2)
    link = {"link_id": new_id(), "other": second["member_id"]}
    assert (await one.post(f"/v1/members/{first['member_id']}/links", link)).status == 201
    (person,) = await until(lambda: items(two, phone="91234567"), lambda got: len(got) == 1)
    assert person["ids"] == ids


async def test_the_chains_key_comes_down_and_is_written_under(shops: Any, until: Any) -> None:
    cloud, first, second, one, _ = shops

    def keys(hub: Any) -> Any:
        return hub.runtime.db.read.execute(
            "SELECT key_id FROM identity_key WHERE is_chains = 1 ORDER BY begun_ms"
        ).fetchall()

    async def both() -> Any:
        await one.get("/healthz")  # the loop turns
        return keys(first), keys(second)

    held, other = await until(both, lambda got: got[0] and got[0] == got[1])
    await one.post("/v1/members", body())
    used = "SELECT DISTINCT body ->> '$.key_id' FROM identity"
    assert first.runtime.db.read.execute(used).fetchall() == held == other
    cloud.clock.now_ms += 1000
    rotated = await cloud.post("/cloud/v1/identity-keys", {})
    assert (rotated.status, rotated.json["stores"]) == (201, ["hk01", "hk02"])
    await until(both, lambda got: len(got[0]) == 2 and got[0] == got[1])
    await one.post("/v1/members", body(phone="6123 4567"))
    assert set(first.runtime.db.read.execute(used).fetchall()) == set(keys(first))
    assert len(await items(one, phone="91234567")) == len(await items(one, phone="61234567")) == 1


async def test_a_member_enrolled_before_the_shop_was_joined_is_found_by_the_other(
    start_cloud: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any
) -> None:
    cloud = await start_cloud(stores=STORES, scopes=SCOPES)
    one = await open_shop(start_hub, cloud, tmp_path, "hk01")
    till = await pair_till(one, "manager")
    assert (await till.post("/v1/members", body())).status == 201
    two = await open_shop(start_hub, cloud, tmp_path, "hk02")
    other = await pair_till(two, "manager")
    await until(lambda: items(other, phone="91234567"), bool)


async def test_an_erasure_reaches_every_file_of_cloud_and_shops(
    shops: Any, engine: Engine, until: Any, tmp_path: Path
) -> None:
    _, first, second, one, two = shops
    member = body(email="zq@example.org")
    await one.post("/v1/members", member)
    await until(lambda: items(two, phone="91234567"), bool)
    edit = {"edit_id": new_id(), "note": "Quillfeather likes plums"}
    assert (await two.post(f"/v1/members/{member['member_id']}/edits", edit)).status == 201
    await until(lambda: items(one, q="quill"), lambda got: got and "note" in got[0])

    def left() -> dict[str, list[str]]:
        places = engine.said(tmp_path)
        return {word: [place for place, text in places.items() if word.encode() in text] for word in CLEAR}

    assert all(len(places) >= 3 for places in left().values()), left()
    assert (await two.post(f"/v1/members/{member['member_id']}/erasure", {"erasure_id": "e"})).json["is_overwritten"]

    async def erased() -> int:
        return int((await one.get(f"/v1/members/{member['member_id']}")).status)

    await until(erased, lambda status: status == 404)

    async def listed() -> list[str]:
        await one.get("/healthz")
        return list(first.runtime.erasures.all())

    await until(listed, bool)

    async def words() -> dict[str, list[str]]:
        await one.get("/healthz")
        return left()

    await until(words, lambda found: not any(found.values()))
    assert second.runtime.erasures.all() == first.runtime.erasures.all() == [member["member_id"]]


async def test_a_tier_is_given_at_head_office_and_shown_in_every_shop(shops: Any, until: Any) -> None:
    cloud, _, _, one, two = shops
    member = body()
    await one.post("/v1/members", member)
    await until(lambda: items(two, phone="91234567"), bool)
    path = f"/cloud/v1/members/{member['member_id']}/tier"
    given, again = await cloud.post(path, {"tier": "gold"}), await cloud.post(path, {"tier": "gold"})
    assert (given.status, again.status) == (201, 200)
    for till in (one, two):
        await until(lambda till=till: items(till, phone="91234567"), lambda got: got[0].get("tier") == "gold")
    await cloud.post(path, {"tier": "silver"})
    for till in (one, two):
        await until(lambda till=till: items(till, phone="91234567"), lambda got: got[0].get("tier") == "silver")
    unknown = await cloud.post("/cloud/v1/members/nobody/tier", {"tier": "gold"})
    assert (unknown.status, unknown.json["code"]) == (404, "member")


async def test_points_of_one_shop_are_burned_in_the_other_and_count_once(shops: Any, until: Any) -> None:
    _, _, _, one, two = shops
    member = body()
    await one.post("/v1/members", member)
    sale = one.sale({"sku": "TEA-01", "qty": 10, "unit_price": 1090}, member_id=member["member_id"])
    assert (await one.post("/v1/sales", sale)).json["points"] == 109

    async def points(till: Any) -> int:
        return int((await till.get(f"/v1/members/{member['member_id']}")).json.get("points", 0))

    await until(lambda: points(two), lambda got: got == 109)
    parts = [{"amount": 60, "kind": "points"}]
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": 60, "discounts": parts}
    burned = two.sale(line, member_id=member["member_id"], points_burned=60)
    assert (await two.post("/v1/sales", burned)).json["points"] == 10 - 60
    await until(lambda: points(one), lambda got: got == 109 + 10 - 60)
    assert await points(two) == 109 + 10 - 60
    back = {"return_id": new_id(), "till_id": one.till_id, "sale_id": sale["sale_id"], "reason": "no"}
    assert (await one.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 10}]})).json["points"] == -109
    await until(lambda: points(two), lambda got: got == 10 - 60)
