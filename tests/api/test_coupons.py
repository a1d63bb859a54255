"""Coupons at a till by real HTTP: a shop without a cloud, which is the only holder there is."""

import json
from hashlib import blake2b
from typing import Any

import msgspec
import pytest

from sync.model import Dot
from sync.retail.names import Name
from sync.retail.people.coupon_rows import COUPON, COUPON_BATCH, REDEMPTION, RELEASE, CouponBatchRow, CouponRow
from sync.retail.people.coupons import RedemptionFact, ReleaseFact, redemption_id_of
from sync.store.replicas import replica_id
from sync.store.rows import apply_rows
from sync.store.writing import put_version

TEN = CouponRow(
    coupon_id="TENOFF",
    name=Name(zh_hant="十元券", en="Ten off"),
    currency="HKD",
    valid_from="2026-01-01",
    valid_until="2026-12-31",
    amount_max=1000,
)
COUPONS = (
    TEN,
    CouponRow(
        coupon_id="PICKY",
        name=Name(en="Members' plums, twice, on Sundays"),
        currency="HKD",
        valid_from="2026-01-01",
        valid_until="2026-12-31",
        weekdays=[7],
        amount_max=100,
        spend_min=5000,
        skus=["PLUM"],
        members_only=True,
        uses=2,
    ),
)
BATCHES = (
    CouponBatchRow(batch_id="B1", coupon_id="TENOFF", prefix="TEN", digits=4, first=1, count=100),
    CouponBatchRow(batch_id="B2", coupon_id="PICKY", prefix="PICKY-1"),
    CouponBatchRow(batch_id="B3", coupon_id="TENOFF", prefix="NOW", digits=2, count=1, instant=True),
)


@pytest.fixture
async def counter(hub: Any, pair_till: Any) -> Any:
    """A manager's till of a shop with coupons."""
    own = hub.runtime.replica

    def job(tx: Any) -> None:
        for coupon in COUPONS:
            put_version(tx, own, COUPON, coupon)
        for batch in BATCHES:
            put_version(tx, own, COUPON_BATCH, batch)

    await hub.runtime.db.write(job)
    return await pair_till(hub, scope="manager")


def with_coupon(till: Any, serial: str, amount: int = 500, **fields: Any) -> Any:
    part = {"amount": amount, "kind": "coupon", "reference": serial}
    line = {"sku": "TEA-01", "qty": 1, "unit_price": 1090, "discount": amount, "discounts": [part]}
    return till.sale(line, coupons=[{"serial": serial, "amount": amount}], **fields)


def books_of(till: Any) -> Any:
    """Every row of every table, but for the clock's."""
    read = till.hub.runtime.db.read
    names = [
        name for (name,) in read.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'clock'")
    ]
    return {name: sorted(map(repr, read.execute(f"SELECT * FROM {name}"))) for name in names}


async def test_a_serial_is_redeemed_once_and_a_repeated_sale_is_the_same_sale(counter: Any) -> None:
    sale = with_coupon(counter, "TEN0001")
    first, again = [await counter.post("/v1/sales", sale) for _ in range(2)]
    assert (first.status, again.status, first.json) == (201, 200, again.json)
    before = books_of(counter)

    other = await counter.post("/v1/sales", with_coupon(counter, "TEN0001"))

    assert (other.status, other.json["code"], other.json["pointer"]) == (422, "coupon_used", "/coupons/0/serial")
    assert books_of(counter) == before


@pytest.mark.parametrize("offline", [False, True])
async def test_a_sale_whose_redemption_came_before_it_from_the_other_hub_is_booked_with_that_one(
    counter: Any, offline: bool
) -> None:
    """A till that got no answer there asks here; redemptions travel in a stream of their own."""
    sale, beside = with_coupon(counter, "TEN0001", offline=offline), "hk01:bbbbbbbbbbbbbbbb"
    fact = RedemptionFact(
        redemption_id=redemption_id_of(sale["sale_id"], "TEN0001"),
        serial="TEN0001",
        rep=beside,
        store="hk01",
        amount=500,
        currency="HKD",
        business_date="2026-09-21",
        sale_id=sale["sale_id"],
    )

    def arrive(tx: Any) -> None:
        row = (1, msgspec.json.encode(fact))
        apply_rows(tx, REDEMPTION.stream, [row], replica=replica_id(tx, beside, now_ms=0), rep=beside)

    await counter.hub.runtime.db.write(arrive)
    answer = await counter.post("/v1/sales", sale)

    assert (answer.status, answer.json.get("warnings", [])) == (201, [])
    rows = counter.hub.runtime.db.read.execute("SELECT body FROM redemption").fetchall()
    assert [msgspec.json.decode(body, type=RedemptionFact) for (body,) in rows] == [fact]


@pytest.mark.parametrize(
    ("serial", "amount", "code"),
    [
        ("TEN0101", 500, "coupon_unknown"),
        ("TEN0000", 500, "coupon_unknown"),
        ("TEN001", 500, "coupon_unknown"),
        ("TEN0002", 1001, "coupon_too_much"),
        ("PICKY-1", 50, "coupon_window"),
        ("NOW00", 500, "coupon_not_issued"),
    ],
)
async def test_what_is_not_valid_is_refused_and_the_books_stay(
    counter: Any, serial: str, amount: int, code: str
) -> None:
    before = books_of(counter)
    answer = await counter.post("/v1/sales", with_coupon(counter, serial, amount))
    assert (answer.status, answer.json["code"]) == (422, code)
    assert set(answer.json["remedy"]) == {"en", "zh-Hant"}
    assert books_of(counter) == before


async def test_a_sale_that_has_happened_is_booked_and_its_coupon_stands_in_the_list_until_it_was_closed(
    counter: Any,
) -> None:
    sale = with_coupon(counter, "PICKY-1", 50, offline=True)
    answer = await counter.post("/v1/sales", sale)
    assert answer.status == 201
    codes = [each["code"] for each in answer.json["warnings"]]
    assert codes == ["coupon_window", "coupon_product", "coupon_spend", "coupon_member", "coupon_too_much"]

    items = (await counter.get("/v1/attention")).json["items"]
    (line,) = [each for each in items if each["kind"] == "coupon"]
    assert line["said"]["en"] == (
        "PICKY-1, HKD 0.50: not good at that date or hour; for other goods; the sale was too small; for members, or for a tier; "
        "takes off less"
    )
    note = {"note_id": "n1", "text": "seen", "close": True}
    assert (await counter.post(f"/v1/attention/coupon:{line['key']}/notes", note)).status in (200, 201)
    assert [each for each in (await counter.get("/v1/attention")).json["items"] if each["kind"] == "coupon"] == []


async def test_a_look_tells_what_a_serial_is_good_for_with_this_basket(counter: Any) -> None:
    plain = await counter.get("/v1/coupons/TEN0003")
    assert (plain.json["verdict"], plain.json["amount"], plain.json["uses_left"]) == ("held", 1000, 1)
    small = json.dumps({"currency": "HKD", "lines": [["TEA-01", 300]]})
    assert (await counter.get("/v1/coupons/TEN0003", basket=small)).json["amount"] == 300

    picky = json.dumps({"currency": "HKD", "lines": [["TEA-01", 9000]], "member_id": "m1"})
    said = (await counter.get("/v1/coupons/PICKY-1", basket=picky, amount="50")).json
    assert (said["verdict"], said["against"]) == ("refused", ["window", "product", "spend", "amount"])
    assert (await counter.get("/v1/coupons/NOBODYS")).status == 404
    for wrong in ("{", "[]", '{"currency":"HKD","lines":[["TEA-01",-1]]}'):
        assert (await counter.get("/v1/coupons/TEN0003", basket=wrong)).status == 422


async def test_a_gift_is_redeemed_without_a_sale_once(counter: Any) -> None:
    path, gift = "/v1/coupons/TEN0004/redemptions", {"redemption_id": "g1", "amount": 800}
    first, again = [await counter.post(path, gift) for _ in range(2)]
    assert (first.status, again.status, first.json) == (201, 200, again.json)
    assert first.json["conditional"] is False

    before = books_of(counter)
    other = await counter.post(path, gift | {"amount": 700})
    used = await counter.post(path, {"redemption_id": "g2", "amount": 800})
    assert (other.status, other.json["code"]) == (409, "other_content")
    assert (used.status, used.json["code"]) == (422, "coupon_used")
    assert books_of(counter) == before
    late = await counter.post(path, {"redemption_id": "g2", "amount": 800, "offline": True})
    assert (late.status, late.json["against"]) == (201, ["used"])


async def test_a_quote_takes_coupons_off_and_its_lines_sell_as_they_are(counter: Any) -> None:
    lines = [{"line": 1, "sku": "TEA-01", "qty": 2}, {"line": 2, "sku": "PLUM", "qty": 600, "unit": "g"}]
    before = books_of(counter)
    asked = {"lines": lines, "coupons": ["TEN0010", "PICKY-1", "TEN0011", "NOBODYS"]}
    quoted = (await counter.post("/v1/quotes", asked)).json
    assert books_of(counter) == before, "a quote redeems nothing"

    assert [(each["serial"], each["amount"], each["verdict"]) for each in quoted["coupons"]] == [
        ("TEN0010", 1000, "held"),
        ("PICKY-1", 0, "refused"),
        ("TEN0011", 1000, "held"),
        ("NOBODYS", 0, "refused"),
    ]
    refused = {each["serial"]: each["against"] for each in quoted["coupons"] if not each["amount"]}
    assert "member" in refused["PICKY-1"] and refused["NOBODYS"] == ["unknown"]
    assert quoted["total"] == 2 * 1090 + 2500 - 2000
    taken = [{"serial": each["serial"], "amount": each["amount"]} for each in quoted["coupons"] if each["amount"]]
    sale = counter.sale(*quoted["lines"], coupons=taken, total=quoted["total"])
    assert (await counter.post("/v1/sales", sale)).status == 201
    again = (await counter.post("/v1/quotes", asked)).json["coupons"][0]
    assert (again["amount"], again["verdict"], again["against"]) == (0, "refused", ["used"])


async def test_a_coupon_that_would_spoil_one_before_it_is_not_quoted(counter: Any) -> None:
    """Forty dollars must be left of the basket beside all other coupons of the sale."""
    own = counter.hub.runtime.replica
    large = msgspec.structs.replace(TEN, coupon_id="LARGE", spend_min=4000)

    def job(tx: Any) -> None:
        put_version(tx, own, COUPON, large)
        put_version(tx, own, COUPON_BATCH, CouponBatchRow(batch_id="B9", coupon_id="LARGE", prefix="LARGE-1"))

    await counter.hub.runtime.db.write(job)
    lines = [{"line": 1, "sku": "TEA-01", "qty": 4}]
    quoted = (await counter.post("/v1/quotes", {"lines": lines, "coupons": ["LARGE-1", "TEN0012"]})).json
    assert [(each["amount"], each["against"]) for each in quoted["coupons"]] == [(1000, []), (0, ["spend"])]
    sale = counter.sale(
        *quoted["lines"], coupons=[{"serial": "LARGE-1", "amount": 1000}], total=quoted["total"], offline=False
    )
    assert (await counter.post("/v1/sales", sale)).status == 201

    twice = await counter.post("/v1/quotes", {"lines": lines, "coupons": ["TEN0012", "TEN0012"]})
    assert (twice.status, twice.json["code"], twice.json["pointer"]) == (422, "coupon_twice", "/coupons/1")


async def test_an_instant_coupon_is_issued_once_and_good_from_then_on(counter: Any) -> None:
    wish = {"issue_id": "i1", "coupon_id": "TENOFF"}
    first, again = [await counter.post("/v1/coupons/issues", wish) for _ in range(2)]
    assert (first.status, again.status, first.json, first.json["serial"]) == (201, 200, again.json, "NOW00")
    other = await counter.post("/v1/coupons/issues", wish | {"member_id": "m1"})
    assert (other.status, other.json["code"]) == (409, "other_content")
    empty = await counter.post("/v1/coupons/issues", wish | {"issue_id": "i2"})
    assert (empty.status, empty.json["code"]) == (422, "coupon_batch_empty")
    nobody = await counter.post("/v1/coupons/issues", wish | {"issue_id": "i3", "coupon_id": "NONE"})
    assert (nobody.status, nobody.json["code"]) == (404, "coupon_unknown")

    assert (await counter.post("/v1/sales", with_coupon(counter, "NOW00"))).status == 201


async def test_only_a_whole_return_gives_the_use_back(counter: Any) -> None:
    part = {"amount": 500, "kind": "coupon", "reference": "TEN0005"}
    line = {"sku": "TEA-01", "qty": 2, "unit_price": 1090, "discount": 500, "discounts": [part]}
    sale = counter.sale(line, coupons=[{"serial": "TEN0005", "amount": 500}])
    await counter.post("/v1/sales", sale)
    for return_id, left in (("r1", 0), ("r2", 1)):
        back = {"return_id": return_id, "till_id": counter.till_id, "sale_id": sale["sale_id"], "reason": "size"}
        answer = await counter.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]})
        assert answer.status == 201, answer.body
        assert (await counter.get("/v1/coupons/TEN0005")).json["uses_left"] == left


@pytest.mark.parametrize("has_seen_it", [True, False])
async def test_a_return_whose_release_came_back_before_it_is_taken_and_gives_the_use_back_once(
    counter: Any, has_seen_it: bool
) -> None:
    """A hub that was restored: releases and returns travel in streams of their own, and the till asks again."""
    sale, db = with_coupon(counter, "TEN0006"), counter.hub.runtime.db
    await counter.post("/v1/sales", sale)
    [(rep, seq)] = db.read.execute(
        "SELECT store || ':' || incarnation, seq FROM redemption JOIN replica ON replica.id = replica"
    ).fetchall()
    seen = Dot(rep, REDEMPTION.stream, seq if has_seen_it else seq + 1)
    release_id = f"release-{blake2b(b'r1 TEN0006', digest_size=16).hexdigest()}"
    fact = ReleaseFact(release_id=release_id, serial="TEN0006", sale_id=sale["sale_id"], seen=(seen,))

    def arrive(tx: Any) -> None:
        row, former = (1, msgspec.json.encode(fact)), "hk01:bbbbbbbbbbbbbbbb"
        apply_rows(tx, RELEASE.stream, [row], replica=replica_id(tx, former, now_ms=0), rep=former)

    await db.write(arrive)
    back = {"return_id": "r1", "till_id": counter.till_id, "sale_id": sale["sale_id"], "reason": "size"}
    answers = [await counter.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]}) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 200], answers[0].body
    assert (await counter.get("/v1/coupons/TEN0006")).json["uses_left"] == 1
    rows = db.read.execute("SELECT body FROM coupon_release").fetchall()
    released = [dot for (body,) in rows for dot in msgspec.json.decode(body, type=ReleaseFact).seen]
    assert len(released) == len(set(released)) == (1 if has_seen_it else 2)


async def test_training_uses_no_coupon(counter: Any) -> None:
    before = books_of(counter)
    assert (await counter.post("/v1/sales", with_coupon(counter, "TEN0006", training=True))).status == 201
    assert books_of(counter) == before


async def test_a_coupon_that_was_taken_anyway_leaves_the_list_with_its_sale(counter: Any) -> None:
    sale = with_coupon(counter, "PICKY-1", 50, offline=True)
    assert (await counter.post("/v1/sales", sale)).status == 201
    items = (await counter.get("/v1/attention")).json["items"]
    (line,) = [each for each in items if each["kind"] == "coupon"]
    assert (line["amount"], line["currency"], line["ended"]) == (50, "HKD", "")
    back = {"return_id": "r1", "till_id": counter.till_id, "sale_id": sale["sale_id"], "reason": "no"}
    assert (await counter.post("/v1/returns", back | {"lines": [{"line": 1, "qty": 1}]})).status == 201
    assert [each for each in (await counter.get("/v1/attention")).json["items"] if each["kind"] == "coupon"] == []
    closed = (await counter.get("/v1/attention", closed="true")).json["items"]
    assert [each["ended"] for each in closed if each["kind"] == "coupon"] == ["undone"]
