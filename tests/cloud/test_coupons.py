"""Coupons on real sockets: a cloud and hubs in this process, tills that redeem, with and without a line.

Goal: every use of a serial is redeemed once, or the second redemption is a dispute that names its cost, told to the shop that
accepted it. Method: real hubs over their HTTP; what the cloud says is read by its own HTTP.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.looking import looking

STORES: dict[str, dict[str, Any]] = {
    "hk01": {"token": "hk01-token-0123456789"},
    "hk02": {"token": "hk02-token-0123456789"},
}
COUPON = {
    "kind": "coupon",
    "coupon_id": "TENOFF",
    "name": {"zh-Hant": "十元券", "en": "Ten off"},
    "currency": "HKD",
    "valid_from": "2026-01-01",
    "valid_until": "2026-12-31",
    "amount_max": 1000,
}
BATCH = {"kind": "coupon_batch", "batch_id": "B1", "coupon_id": "TENOFF", "prefix": "TEN", "digits": 4, "count": 100}
INSTANT = BATCH | {"batch_id": "B2", "prefix": "NOW", "instant": True}


@pytest.fixture
async def head_office(start_cloud: Any) -> AsyncIterator[Any]:
    """A cloud with a coupon and two batches of its serials."""
    cloud = await start_cloud(stores=STORES)
    answer = await cloud.post("/cloud/v1/coupons", {"coupons": [COUPON], "batches": [BATCH, INSTANT]})
    assert (answer.status, answer.json) == (200, {"changed": 3, "unchanged": 0}), answer.body
    async with looking(cloud):
        yield cloud


@pytest.fixture
def shop_of(head_office: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any) -> Any:
    """Start a shop that has heard of the coupon: `hub, till = await shop_of("hk01", coupons={...})`."""

    async def start(store: str, **sections: Any) -> Any:
        (tmp_path / store).mkdir()
        name = {"name_zh_hant": store, "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"}
        hub = await start_hub(
            cloud={"url": head_office.url, "token": STORES[store]["token"], "reconnect_max_s": 0.1},
            store={"id": store} | name,
            data={"dir": store},
            **sections,
        )
        till = await pair_till(hub, scope="manager")
        await until(lambda: till.get("/v1/coupons/TEN0001"), lambda got: got.status == 200)
        return hub, till

    return start


def with_coupon(till: Any, serial: str, amount: int = 500, **fields: Any) -> Any:
    part = {"amount": amount, "kind": "coupon", "reference": serial}
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": amount, "discounts": [part]}
    return till.sale(line, coupons=[{"serial": serial, "amount": amount}], **fields)


async def line_up(cloud: Any, up: bool, till: Any, until: Any) -> None:
    await cloud.post("/cloud/v1/demo/line", {"up": up})
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"] is up)


async def granted(cloud: Any, store: str, until: Any, *, batch: str = "B1") -> Any:
    """The answer to a grant, once the cloud has heard of the shop's hub: until then there is nobody to give it to."""
    wish = {"batch_id": batch, "store": store}
    return await until(
        lambda: cloud.post("/cloud/v1/coupons/grants", wish), lambda got: got.json.get("code") != "no_hub"
    )


async def attention(till: Any, kind: str) -> list[Any]:
    items = (await till.get("/v1/attention")).json["items"]
    return [each for each in items if each["kind"] == kind]


async def test_a_shop_asks_for_a_use_and_the_next_shop_is_told_that_it_is_used(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, first = await shop_of("hk01")
    _, second = await shop_of("hk02")
    assert (await first.get("/v1/coupons/TEN0001")).json["verdict"] == "ask"

    sold = await first.post("/v1/sales", with_coupon(first, "TEN0001"))
    assert (sold.status, sold.json.get("warnings", [])) == (201, [])
    refused = await second.post("/v1/sales", with_coupon(second, "TEN0001"))

    assert (refused.status, refused.json["code"]) == (422, "coupon_used")
    assert refused.json["pointer"] == "/coupons/0/serial"
    said = await until(
        lambda: head_office.get("/cloud/v1/coupons/TEN0001"), lambda got: got.json["held"] or got.json["provisional"]
    )
    assert len(said.json["held"]) == 1 and said.json["disputes"] == []


async def fleet(head_office: Any) -> Any:
    """What head office's page of the fleet is made of, by store."""
    return {each["store"]: each for each in (await head_office.get("/cloud/v1/fleet")).json["items"]}


async def test_two_shops_without_a_line_redeem_one_serial_and_the_second_bears_it(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    tills = [(await shop_of(store, coupons={"exposed_max_minor": 600}))[1] for store in STORES]
    for till in tills:
        await line_up(head_office, False, till, until)
    answers = [await till.post("/v1/sales", with_coupon(till, "TEN0002")) for till in tills]
    assert [answer.status for answer in answers] == [201, 201]
    assert [each["code"] for answer in answers for each in answer.json["warnings"]] == ["coupon_conditional"] * 2
    more = await tills[0].post("/v1/sales", with_coupon(tills[0], "TEN0003"))
    assert (more.status, more.json["code"]) == (422, "coupon_no_right"), "the cap of the day is used up"

    await line_up(head_office, True, tills[0], until)
    said = await until(
        lambda: head_office.get("/cloud/v1/coupons/TEN0002"),
        lambda got: len(got.json["provisional"]) + len(got.json["disputes"]) == 2,
    )

    (dispute,) = said.json["disputes"]
    assert (dispute["amount"], dispute["currency"]) == (500, "HKD")
    told = await until(lambda: fleet(head_office), lambda items: items["hk01"]["exposure"]["coupons"])
    assert told["hk01"]["exposure"] == {"coupons": 1, "amount": 500, "currency": "HKD", "points": 0}
    loser = tills[list(STORES).index(dispute["store"])]
    winner = tills[1 - list(STORES).index(dispute["store"])]
    (line,) = await until(lambda: attention(loser, "dispute"), bool)
    assert line["key"] == dispute["redemption_id"] and "HKD 5.00" in line["said"]["en"]
    assert await attention(winner, "dispute") == []
    note = {"note_id": "n1", "text": "booked as a loss", "close": True}
    closed = await loser.post(f"/v1/attention/dispute:{line['key']}/notes", note)
    assert closed.status in (200, 201) and await attention(loser, "dispute") == []


async def test_a_sale_that_has_happened_is_booked_with_a_used_coupon_and_stands_in_the_list(
    shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    await till.post("/v1/sales", with_coupon(till, "TEN0001"))
    for serial, code in (("TEN0001", "coupon_used"), ("NOBODYS", "coupon_unknown")):
        answer = await till.post("/v1/sales", with_coupon(till, serial, offline=True))
        assert answer.status == 201
        assert [each["code"] for each in answer.json["warnings"]] == [code]

    lines = await attention(till, "coupon")
    assert sorted(line["parts"]["serial"] for line in lines) == ["NOBODYS", "TEN0001"]
    assert len(await until(lambda: attention(till, "dispute"), lambda got: len(got) == 2)) == 2


async def test_a_shop_that_holds_a_batch_redeems_and_issues_without_a_line(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, till = await shop_of("hk01")
    for batch in ("B1", "B2"):
        await granted(head_office, "hk01", until, batch=batch)
    await until(lambda: till.get("/v1/coupons/NOW0000"), lambda got: got.json["uses_left"] == 1)
    await line_up(head_office, False, till, until)

    held = await till.post("/v1/sales", with_coupon(till, "TEN0007"))
    assert held.status == 201 and "warnings" not in held.json
    early = await till.post("/v1/sales", with_coupon(till, "NOW0000"))
    assert (early.status, early.json["code"]) == (422, "coupon_not_issued")
    wish = {"issue_id": "i1", "coupon_id": "TENOFF", "member_id": "m1"}
    issued, again = [await till.post("/v1/coupons/issues", wish) for _ in range(2)]
    assert (issued.status, again.status, issued.json) == (201, 200, again.json)
    assert issued.json["serial"] == "NOW0000"
    other = await till.post("/v1/coupons/issues", wish | {"issue_id": "i2"})
    assert other.json["serial"] == "NOW0001"
    assert (await till.post("/v1/sales", with_coupon(till, "NOW0000"))).status == 201


async def test_a_hub_that_begins_anew_holds_nothing_and_asks_for_what_its_former_life_left(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    hub, till = await shop_of("hk01")
    await granted(head_office, "hk01", until)
    await until(lambda: till.get("/v1/coupons/TEN0007"), lambda got: got.json["uses_left"] == 1)
    sold = await till.post("/v1/sales", with_coupon(till, "TEN0007"))
    await until(
        lambda: till.post("/v1/sales/status", {"ids": [sold.json["sale_id"]]}), lambda got: got.json["sales"][0]["safe"]
    )
    await line_up(head_office, False, till, until)
    await hub.runtime.replication.books.forked("a card was copied")
    assert (await till.get("/v1/coupons/TEN0008")).json["uses_left"] == 0

    await line_up(head_office, True, till, until)
    await until(lambda: till.post("/v1/sales", with_coupon(till, "TEN0008")), lambda got: got.status == 201)
    said = (await head_office.get("/cloud/v1/coupons/TEN0008")).json
    assert sum(said["rights"].values()) == 1 and said["disputes"] == []
    used = await till.post("/v1/sales", with_coupon(till, "TEN0007"))
    assert (used.status, used.json["code"]) == (422, "coupon_used")


async def test_a_returned_sale_gives_its_use_back(head_office: Any, shop_of: Any, until: Any) -> None:
    _, till = await shop_of("hk01")
    sale = with_coupon(till, "TEN0009")
    await till.post("/v1/sales", sale)
    void = {"void_id": "v1", "till_id": till.till_id, "reason": "wrong size"}
    assert (await till.post(f"/v1/sales/{sale['sale_id']}/void", void)).status == 201

    assert (await till.get("/v1/coupons/TEN0009")).json["uses_left"] == 1
    assert (await till.post("/v1/sales", with_coupon(till, "TEN0009"))).status == 201
    said = await until(lambda: head_office.get("/cloud/v1/coupons/TEN0009"), lambda got: len(got.json["held"]) == 1)
    assert said.json["disputes"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"coupons": [COUPON | {"uses": 2}]}, "coupon"),
        ({"coupons": [COUPON | {"coupon_id": "X", "valid_from": "2027-01-01"}]}, "coupon"),
        ({"batches": [BATCH | {"batch_id": "B9", "first": 50}]}, "coupon_batch"),
        ({"batches": [BATCH | {"count": 50}]}, "coupon_batch"),
        ({"batches": [BATCH | {"instantly": True}]}, "invalid_field"),
        ({"coupons": [COUPON | {"amountmax": 1000}]}, "invalid_field"),
        ({"coupons": [COUPON | {"name": {"en": "Ten off", "fr": "Dix"}}]}, "invalid_field"),
        ({"batches": [BATCH | {"batch_id": "B9", "prefix": "Z", "coupon_id": "NONE"}]}, "coupon"),
        ({"batches": [BATCH | {"batch_id": "B9", "prefix": "Z", "digits": 0}]}, "coupon_batch"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(head_office: Any, body: Any, code: str) -> None:
    answer = await head_office.post("/cloud/v1/coupons", body)
    assert (answer.status, answer.json["code"]) == (422, code)
    again = await head_office.post("/cloud/v1/coupons", {"coupons": [COUPON], "batches": [BATCH, INSTANT]})
    assert again.json == {"changed": 0, "unchanged": 3}


async def test_a_batch_is_given_once(head_office: Any, shop_of: Any, until: Any) -> None:
    for store in STORES:
        await shop_of(store)
    first, again, other = [await granted(head_office, store, until) for store in ("hk01", "hk01", "hk02")]
    assert (first.status, again.status, first.json) == (200, 200, again.json)
    assert (other.status, other.json["code"]) == (409, "coupon_granted")


async def disputed(head_office: Any, shop_of: Any, until: Any, serial: str) -> tuple[Any, Any]:
    """Redeem a serial in both shops without a line; return (who was first, who bears it), each as (till, its sale)."""
    tills = [(await shop_of(store, coupons={"exposed_max_minor": 600}))[1] for store in STORES]
    sales = [with_coupon(till, serial) for till in tills]
    for till in tills:
        await line_up(head_office, False, till, until)
    for till, sale in zip(tills, sales, strict=True):
        assert (await till.post("/v1/sales", sale)).status == 201
    for till in tills:
        await line_up(head_office, True, till, until)
    path = f"/cloud/v1/coupons/{serial}"
    said = (await until(lambda: head_office.get(path), lambda got: got.json["disputes"])).json
    loser = said["disputes"][0]["store"]
    shops = dict(zip(STORES, zip(tills, sales, strict=True), strict=True))
    bears = shops.pop(loser)
    (line,) = await until(lambda: attention(bears[0], "dispute"), bool)
    assert (line["amount"], line["currency"], line["ended"], line["closes"]) == (500, "HKD", "", "person")
    return next(iter(shops.values())), bears


async def give_back(till: Any, sale: Any) -> None:
    back = {"return_id": f"back-{sale['sale_id']}", "till_id": till.till_id, "sale_id": sale["sale_id"], "reason": "no"}
    answer = await till.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]})
    assert answer.status == 201, answer.body


async def ended(till: Any) -> list[str]:
    items = (await till.get("/v1/attention", closed="true")).json["items"]
    return [each["ended"] for each in items if each["kind"] == "dispute"]


@pytest.mark.parametrize(("who", "why"), [(0, "use_left"), (1, "undone")])
async def test_a_dispute_is_over_when_either_sale_has_come_back(
    head_office: Any, shop_of: Any, until: Any, who: int, why: str
) -> None:
    shops = await disputed(head_office, shop_of, until, "TEN0007")
    bears = shops[1][0]
    await give_back(*shops[who])

    await until(lambda: attention(bears, "dispute"), lambda lines: not lines)

    assert await ended(bears) == [why]
    assert (await head_office.get("/cloud/v1/coupons/TEN0007")).json["disputes"] == []


async def test_a_dispute_that_was_over_is_open_again_when_the_holder_uses_what_came_free(
    head_office: Any, shop_of: Any, until: Any
) -> None:
    _, holder = await shop_of("hk01")
    _, other = await shop_of("hk02", coupons={"exposed_max_minor": 600})
    await granted(head_office, "hk01", until)
    await until(lambda: holder.get("/v1/coupons/TEN0008"), lambda got: got.json["uses_left"] == 1)
    await line_up(head_office, False, other, until)
    assert (await other.post("/v1/sales", with_coupon(other, "TEN0008"))).status == 201
    first = with_coupon(holder, "TEN0008")
    assert (await holder.post("/v1/sales", first)).status == 201
    await line_up(head_office, True, other, until)
    await until(lambda: attention(other, "dispute"), bool)
    await give_back(holder, first)
    await until(lambda: attention(other, "dispute"), lambda lines: not lines)

    assert (await holder.post("/v1/sales", with_coupon(holder, "TEN0008"))).status == 201

    (line,) = await until(lambda: attention(other, "dispute"), bool)
    assert (line["amount"], line["ended"]) == (500, "")


async def test_head_office_may_bear_a_dispute_for_good(head_office: Any, shop_of: Any, until: Any) -> None:
    _, (till, _) = await disputed(head_office, shop_of, until, "TEN0009")
    (line,) = await attention(till, "dispute")
    path = f"/cloud/v1/coupons/disputes/{line['key']}/end"
    first, again = await head_office.post(path, {}), await head_office.post(path, {})
    assert (first.status, again.status, first.json) == (201, 200, again.json)
    await until(lambda: attention(till, "dispute"), lambda lines: not lines)
    assert await ended(till) == ["borne"]
    nobody = await head_office.post("/cloud/v1/coupons/disputes/nobody/end", {})
    assert (nobody.status, nobody.json["code"]) == (404, "dispute")
