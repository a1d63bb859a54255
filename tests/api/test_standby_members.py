"""Members at the store's other hub, on real sockets, without a cloud: what one has enrolled the other one knows when it dies."""

from typing import Any

import pytest

from hub.client import new_id
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, CouponBatchRow, CouponRow
from sync.store.writing import put_version

RULE = {"points": {"points": 1, "per": 100}}
TEN = CouponRow(
    coupon_id="TENOFF",
    name=Name(en="Ten off"),
    currency="HKD",
    valid_from="2026-01-01",
    valid_until="2026-12-31",
    amount_max=1000,
)


class Pair:
    """Two hubs of a store, the second follows the first; a manager's till at each."""

    def __init__(self, primary: Any, standby: Any, at: tuple[Any, Any], until: Any) -> None:
        self.primary, self.standby, self.at, self.until = primary, standby, at, until

    async def found(self, till: Any, **query: str) -> list[Any]:
        return list((await till.get("/v1/members", **query)).json["items"])

    async def known(self, till: Any, phone: str, holds: Any = bool) -> Any:
        return await self.until(lambda: self.found(till, phone=phone), holds)


@pytest.fixture
async def pair(start_hub: Any, pair_till: Any, until: Any, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setattr("hub.following.members.LOOK_EVERY_S", 0.05)
    primary = await start_hub(members=RULE)
    paired = await pair_till(primary, scope="standby")
    line = {"follows": primary.url, "token": paired.token, "reconnect_max_s": 0.1}
    standby = await start_hub(standby=line, members=RULE)
    tills = await pair_till(primary, "manager"), await pair_till(standby, "manager")
    return Pair(primary, standby, tills, until)


def chan(n: int = 7, **fields: Any) -> dict[str, Any]:
    return {"member_id": new_id(), "name": "Zebedee Quillfeather", "phone": f"9123 456{n}"} | fields


async def test_a_standby_knows_the_members_when_its_primary_dies(pair: Pair) -> None:
    one, two = pair.at
    body = chan(consents={"marketing": "in"}, birth_month=5)
    assert (await one.post("/v1/members", body)).status == 201
    assert (await one.post("/v1/sales", one.sale(member_id=body["member_id"]))).json["points"] == 10
    entry = {"entry_id": new_id(), "points": 5, "why": "goodwill"}
    await one.post(f"/v1/members/{body['member_id']}/points", entry)

    (there,) = await pair.known(two, "+852 91234567", lambda got: got and got[0]["points"] == 15)

    await pair.primary.runtime.db.write(lambda tx: tx.execute("DELETE FROM till"))  # it answers nobody any more
    here = (await two.get(f"/v1/members/{body['member_id']}")).json
    assert here == there
    assert (here["name"], here["birth_month"], here["consents"]["marketing"]) == ("Zebedee Quillfeather", 5, "in")
    assert [each["member_id"] for each in await pair.found(two, q="quill")] == [body["member_id"]]
    again = await two.post("/v1/members", chan())
    assert (again.status, again.json["code"], again.json["holder"]) == (409, "identity_taken", body["member_id"])


async def test_what_either_writes_both_show(pair: Pair) -> None:
    one, two = pair.at
    first, second = chan(1), chan(2)
    await one.post("/v1/members", first)
    await two.post("/v1/members", second)
    await pair.known(one, "91234562")
    await pair.known(two, "91234561")
    edit = {"edit_id": new_id(), "name": "Zebedee Q.", "phone": "6123 4567"}
    assert (await two.post(f"/v1/members/{first['member_id']}/edits", edit)).status == 201
    (seen,) = await pair.known(one, "61234567", lambda got: got and got[0]["name"] == "Zebedee Q.")
    assert seen["ids"] == [first["member_id"]]
    await pair.known(one, "91234561", lambda got: not got)
    await one.post(f"/v1/members/{first['member_id']}/links", {"link_id": "l1", "other": second["member_id"]})
    await pair.known(two, "91234562", lambda got: got and len(got[0]["ids"]) == 2)


async def test_who_is_erased_at_one_is_forgotten_at_the_other(pair: Pair) -> None:
    one, two = pair.at
    body = chan()
    await one.post("/v1/members", body)
    await pair.known(two, "91234567")
    gone = await two.post(f"/v1/members/{body['member_id']}/erasure", {"erasure_id": "x1"})
    assert gone.status == 201
    await pair.known(one, "91234567", lambda got: not got)
    for hub in (pair.primary, pair.standby):
        read = hub.runtime.db.read
        await pair.until(_later(lambda read=read: read.execute("SELECT body FROM member").fetchall()), _is_swept)
        listed = _later(lambda hub=hub: hub.runtime.erasures.all())
        await pair.until(listed, lambda got: got == [body["member_id"]])


async def test_a_coupon_that_was_used_at_one_is_used_at_the_other(pair: Pair) -> None:
    one, two = pair.at
    batch = CouponBatchRow(batch_id="B1", coupon_id="TENOFF", prefix="TEN", digits=2, count=10)
    for hub in (pair.primary, pair.standby):

        def job(tx: Any, own: Any = hub.runtime.replica) -> None:
            put_version(tx, own, COUPON, TEN)
            put_version(tx, own, COUPON_BATCH, batch)

        await hub.runtime.db.write(job)
    gift = {"redemption_id": "g1", "amount": 500}
    assert (await one.post("/v1/coupons/TEN00/redemptions", gift)).status == 201
    await pair.until(lambda: two.get("/v1/coupons/TEN00"), lambda got: got.json["against"] == ["used"])
    refused = await two.post("/v1/coupons/TEN00/redemptions", gift | {"redemption_id": "g2"})
    assert (refused.status, refused.json["code"]) == (422, "coupon_used")


async def test_more_members_than_one_message_has_all_arrive(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.upkeep.beside_registers.ROWS_MAX", 3)
    one, two = pair.at
    for n in range(10):
        assert (await one.post("/v1/members", chan(n))).status == 201
    for n in range(10):
        await pair.known(two, f"9123456{n}")


async def test_only_the_other_hub_is_told_members(pair: Pair, pair_till: Any) -> None:
    one, _ = pair.at
    await one.post("/v1/members", chan())
    for scope in ("till", "manager", "cloud", "device"):
        client = await pair_till(pair.primary, scope=scope)
        assert (await client.post("/sync/v1/registers", {"rep": "hk01:0123456789abcdef"})).status == 403


async def test_rows_of_another_store_are_refused_and_nothing_is_written(pair: Pair, pair_till: Any) -> None:
    other = await pair_till(pair.primary, scope="standby")
    row = {"stream": "members", "rep": "hk02:0123456789abcdef", "seq": 1, "row": {"v": 1, "key": "m1", "cells": {}}}
    refused = await other.post("/sync/v1/registers", {"rep": "hk01:0123456789abcdef", "rows": [row]})
    assert (refused.status, refused.json["code"], refused.json["pointer"]) == (422, "not_this_store", "/rows/0/rep")
    assert pair.primary.runtime.db.read.execute("SELECT count(*) FROM member").fetchone() == (0,)


def _later(look: Any) -> Any:
    async def found() -> Any:
        return look()

    return found


def _is_swept(rows: Any) -> bool:
    return len(rows) >= 1 and not any("Quillfeather" in body for (body,) in rows)
