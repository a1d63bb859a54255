"""People at head office: customers of the web and members of the shops, one person, nothing lost, forgotten to the last byte."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert

from hub.client import new_id
from hub.store.upkeep.audit import audit
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.persons.people import members_of, take_fact
from sync.cloud.persons.purchases import STORE, Purchase, enter, enter_return
from sync.cloud.scopes.scope_definitions import ScopesSection, wanted_of
from sync.cloud.scopes.scope_work import FILL
from sync.cloud.scopes.scopes import settle_scopes
from sync.connections import connect_writer
from sync.retail.people.people import LinkFact, UndoFact, components
from tests.cloud_engines import Engine

TOKENS = {store: f"{store}-token-0123456789" for store in ("hk01", "hk02")}
STORES: dict[str, dict[str, Any]] = {store: {"token": token, "members": "hk"} for store, token in TOKENS.items()}
SCOPES = {"members": {"hk": {"stores": ["hk01", "hk02"]}}}
MEMBERS = {"region": "HK", "join": ["email"]}
CLEAR = ("Quillfeather", "91234567", "zq@example.org")
CUSTOMER = {"channel": "web", "customer_id": "c-1", "name": "Zebedee Quillfeather", "email": "ZQ@example.org"}
ORDER = {
    "channel": "web",
    "purchase_id": "W-1",
    "bought_at": "2026-09-20T10:00:00Z",
    "currency": "HKD",
    "city": "Sha Tin",
    "lines": [
        {"line": 1, "sku": "TEA-01", "qty": 2, "amount": 2000},
        {"line": 2, "sku": "CUP-01", "qty": 1, "amount": 500},
    ],
    "customer": CUSTOMER,
}


@pytest.fixture
async def office(start_cloud: Any) -> Any:
    """A cloud whose stores share members, without a shop."""
    return await start_cloud(stores=STORES, scopes=SCOPES, members=MEMBERS)


@pytest.fixture
async def shop(office: Any, start_hub: Any, pair_till: Any, tmp_path: Path) -> Any:
    """(hub, a manager's till): a shop on the line."""
    (tmp_path / "hk01").mkdir()
    named = {"id": "hk01", "name_zh_hant": "店", "name_en": "hk01", "currency": "HKD", "zone": "Asia/Hong_Kong"}
    line = {"url": office.url, "token": TOKENS["hk01"], "reconnect_max_s": 0.1}
    points = {"points": {"points": 1, "per": 100}}
    hub = await start_hub(cloud=line, store=named, data={"dir": "hk01"}, members=points)
    return hub, await pair_till(hub, "manager")


async def found(till: Any, **query: str) -> list[Any]:
    return list((await till.get("/v1/members", **query)).json["items"])


async def person(office: Any, member_id: str) -> Any:
    answer = await office.get(f"/cloud/v1/members/{member_id}")
    return answer.json if answer.status == 200 else None


async def test_a_customer_of_the_web_is_found_in_the_shop_and_is_one_person_with_its_member(
    office: Any, shop: Any, until: Any
) -> None:
    hub, till = shop
    member = {"member_id": new_id(), "name": "Zebedee", "email": "zq@example.org", "consents": {"marketing": "out"}}
    assert (await till.post("/v1/members", member)).status == 201
    sale = till.sale({"sku": "TEA-01", "qty": 10, "unit_price": 1090}, member_id=member["member_id"])
    assert (await till.post("/v1/sales", sale)).json["points"] == 109
    is_there = lambda got: got and got["points"] == 109 and got["identities"]  # noqa: E731 - each by a stream of its own
    await until(lambda: person(office, member["member_id"]), is_there)

    taken = await office.post("/cloud/v1/members", CUSTOMER | {"phone": "9123 4567", "consents": {"marketing": "in"}})

    assert (taken.status, taken.json["joined"], taken.json["cases"]) == (201, [member["member_id"]], [])
    again = await office.post("/cloud/v1/members", CUSTOMER | {"phone": "9123 4567", "consents": {"marketing": "in"}})
    assert (again.status, again.json["is_changed"]) == (200, False)
    seen = await person(office, taken.json["member_id"])
    assert sorted(seen["ids"]) == sorted([member["member_id"], taken.json["member_id"]])
    assert (seen["points"], seen["home_store"], seen["points_history"][0]["points"]) == (109, "hk01", 109)
    assert {(each["store"], each["choice"]) for each in seen["consents_given"]} == {("hk01", "out"), ("cloud", "in")}
    (shown,) = await until(lambda: found(till, phone="+852 9123 4567"), bool)
    assert sorted(shown["ids"]) == sorted(seen["ids"]) and shown["points"] == 109
    assert audit(hub.runtime.db.read, hub.runtime.replica) == []


async def test_who_may_be_the_same_waits_for_a_person_and_two_stay_two(office: Any) -> None:
    first = (await office.post("/cloud/v1/members", CUSTOMER | {"phone": "9123 4567"})).json["member_id"]
    other = {"channel": "shop2", "customer_id": "7", "name": "Somebody Else", "phone": "+85291234567"}
    taken = await office.post("/cloud/v1/members", other)
    assert (taken.json["joined"], taken.json["cases"]) == ([], [first])
    (case,) = (await office.get("/cloud/v1/joins")).json["items"]
    assert case["why"] == "phone" and case["members"][1]["name"] == "Z****** Q***********"
    two = {"member_id": case["member_id"], "other": case["other"]}
    assert (await office.post("/cloud/v1/joins", two | {"decision": "apart"})).json["state"] == "apart"
    assert (await office.get("/cloud/v1/joins")).json["items"] == []
    assert (await office.post("/cloud/v1/members", other)).json["cases"] == []
    refused = await office.post("/cloud/v1/joins", two | {"decision": "join"})
    assert (refused.status, refused.json["code"]) == (409, "join_decided")


async def test_who_contradicts_the_other_is_not_joined_by_itself_but_by_a_person(office: Any) -> None:
    first = (await office.post("/cloud/v1/members", CUSTOMER | {"birth_month": 3})).json["member_id"]
    other = {"channel": "shop2", "customer_id": "7", "email": "zq@example.org", "birth_month": 4}
    taken = (await office.post("/cloud/v1/members", other)).json
    assert (taken["joined"], taken["cases"]) == ([], [first])
    case = {"member_id": taken["member_id"], "other": first, "decision": "join"}
    assert (await office.post("/cloud/v1/joins", case)).json["person_id"] == min(first, taken["member_id"])
    seen = await person(office, first)
    assert seen["contested"] == ["birth_month"]
    (link,) = seen["links"]
    undone = await office.post(f"/cloud/v1/members/{first}/unlinks", {"undo_id": "u1", "link_id": link["link_id"]})
    assert undone.status == 201
    assert (await person(office, first))["ids"] == [first]
    await office.post("/cloud/v1/members", other)
    assert (await person(office, first))["ids"] == [first]


async def test_an_opt_in_that_is_only_repeated_is_no_answer_to_an_opt_out(office: Any) -> None:
    said = CUSTOMER | {"consents": {"marketing": "in"}, "how": "checkout"}
    member = (await office.post("/cloud/v1/members", said)).json["member_id"]
    out = {"consent_id": "o1", "purpose": "marketing", "choice": "out", "how": "telephone"}
    statuses = [(await office.post(f"/cloud/v1/members/{member}/consents", out)).status for _ in range(2)]
    assert statuses == [201, 200]
    other = await office.post(f"/cloud/v1/members/{member}/consents", out | {"choice": "in"})
    assert (other.status, other.json["code"]) == (409, "other_content")
    assert (await person(office, member))["consents"]["marketing"] == "out"
    await office.post("/cloud/v1/members", said)
    assert (await person(office, member))["consents"][
        "marketing"
    ] == "in"  # what they said last on the web, having seen the no
    second = {"channel": "app", "customer_id": "a", "email": CUSTOMER["email"], "consents": {"marketing": "in"}}
    await office.post("/cloud/v1/members", second)
    await office.post(f"/cloud/v1/members/{member}/consents", out | {"consent_id": "o2"})
    await office.post("/cloud/v1/members", second)
    assert (await person(office, member))["consents"]["marketing"] == "out"


async def test_purchases_of_all_channels_stand_by_currency_less_what_came_back(office: Any, writer: Any) -> None:
    back = {
        "channel": "web",
        "purchase_id": "W-1",
        "return_id": "R-1",
        "lines": [{"line": 1, "qty": 1, "amount": 1000}],
    }
    assert (await office.post("/cloud/v1/purchases/returns", back)).status == 201  # before its purchase
    booked = await office.post("/cloud/v1/purchases", ORDER)
    member = booked.json["customer"]["member_id"]
    again = await office.post("/cloud/v1/purchases", ORDER)
    assert (booked.status, again.status, (await office.post("/cloud/v1/purchases/returns", back)).status) == (
        201,
        200,
        200,
    )
    line = {"line": 1, "sku": "TEA-01", "qty": 2, "unit_price": 1090, "per": 1}
    said = {"sale_id": "s1", "till_id": "t1", "currency": "TWD", "lines": [line], "total": 2180, "member_id": member}
    writer.write("sales", {"sale": said | {"tenders": []}, "receipt_no": "r", "business_date": "2026-09-21"})
    content = {"return_id": "b1", "till_id": "t1", "sale_id": "s1", "lines": [{"line": 1, "qty": 2}], "reason": "no"}
    gone = {"line": 1, "sku": "TEA-01", "qty": 2, "amount": 2180}
    writer.write("returns", {"return": content, "currency": "TWD", "lines": [gone], "refund": 2180})
    for stream in ("sales", "returns"):
        await office.books().apply(writer.batch(stream))
    seen = await person(office, member)
    sums = [(each["channel"], each["currency"], each["count"], each["amount"]) for each in seen["purchases"]]
    assert sums == [("store", "TWD", 0, 0), ("web", "HKD", 1, 1500)]
    assert [each["city"] for each in seen["latest"]] == ["", "Sha Tin"]


async def test_an_order_of_somebody_who_cannot_be_read_is_booked_for_nobody(office: Any, sql: Any) -> None:
    nobody = {"channel": "web", "phone": "zq-nowhere", "email": "none"}
    booked = await office.post("/cloud/v1/purchases", ORDER | {"customer": nobody})
    assert (booked.status, booked.json["customer"]) == (201, None)
    strange = ORDER | {"purchase_id": "W-2", "customer": nobody | {"customer_id": "9"}}
    assert (await office.post("/cloud/v1/purchases", strange)).json["customer"]["unread"] == ["phone", "email"]
    refused = await office.post("/cloud/v1/members", nobody)
    assert (refused.status, refused.json["code"]) == (422, "identity")
    assert "zq-nowhere" not in str(refused.json)
    assert sql("SELECT count(*), sum(amount) FROM purchase") == [(2, 5000)]


async def test_without_a_region_nobody_is_enrolled(cloud: Any) -> None:
    refused = await cloud.post("/cloud/v1/members", CUSTOMER)
    assert (refused.status, refused.json["code"]) == (409, "no_region")


async def test_tags_by_hand_come_and_go(office: Any) -> None:
    member = (await office.post("/cloud/v1/members", CUSTOMER)).json["member_id"]
    path = f"/cloud/v1/members/{member}/tags"
    assert [(await office.post(path, {"tag": "貴賓"})).status for _ in range(2)] == [201, 200]
    assert [each["tag"] for each in (await person(office, member))["tags"]] == ["貴賓"]
    gone = [(await office.request("DELETE", f"{path}/貴賓", token="office-token-0123456789")).status for _ in range(2)]
    assert gone == [200, 404]


async def test_an_identity_finds_its_person_masked(office: Any) -> None:
    member = (await office.post("/cloud/v1/members", CUSTOMER | {"phone": "9123 4567"})).json["member_id"]
    for query in ({"phone": "+85291234567"}, {"of": "web_id", "value": "c-1"}):
        (item,) = (await office.get("/cloud/v1/members", **query)).json["items"]
        assert item == {
            "member_id": member,
            "name": "Z****** Q***********",
            "phone": "*********567",
            "email": "z***@example.org",
        }
    both = await office.get("/cloud/v1/members", phone="1", email="a@b.cc")
    assert (both.status, both.json["code"]) == (422, "invalid_field")


async def test_head_office_tells_all_of_a_person_and_forgets_all_of_it_in_every_file(
    office: Any, shop: Any, engine: Engine, until: Any, tmp_path: Path
) -> None:
    hub, till = shop
    customer = CUSTOMER | {"phone": "9123 4567"}
    member = (await office.post("/cloud/v1/members", customer)).json["member_id"]
    await office.post("/cloud/v1/purchases", ORDER)
    await until(lambda: found(till, phone="91234567"), bool)
    edit = {"edit_id": new_id(), "note": "Quillfeather likes plums"}
    assert (await till.post(f"/v1/members/{member}/edits", edit)).status == 201
    told = await until(lambda: office.get(f"/cloud/v1/members/{member}/export"), lambda got: b"plums" in got.body)
    assert all(word.encode() in told.body for word in CLEAR)
    assert len(told.json["registers"]) == 2 and told.json["purchases"][0]["purchase_id"] == "W-1"

    def left() -> dict[str, list[str]]:
        places = engine.said(tmp_path)
        return {word: [place for place, text in places.items() if word.encode() in text] for word in CLEAR}

    assert all(left().values())
    first, again = [await office.post(f"/cloud/v1/members/{member}/erasure", {}) for _ in range(2)]
    assert (first.status, first.json) == (201, {"ids": [member], "is_overwritten": True})
    assert again.status == 200
    assert (await office.get(f"/cloud/v1/members/{member}")).status == 404

    async def words() -> dict[str, list[str]]:
        await till.get("/healthz")
        return left()

    await until(words, lambda got: not any(got.values()))
    assert (await till.get(f"/v1/members/{member}")).status == 404
    assert hub.runtime.erasures.all() == [member]
    anew = await office.post("/cloud/v1/members", {**customer, "customer_id": "c-2"})
    assert (anew.status, anew.json["cases"]) == (201, [])


async def test_a_region_that_is_new_gets_the_customers_that_are_near_it_and_no_others(office: Any, sql: Any) -> None:
    near = (await office.post("/cloud/v1/members", CUSTOMER | {"store": "hk01"})).json["member_id"]
    far = {"customer_id": "far", "email": "far@example.org", "store": "hk02", "consents": {"marketing": "in"}}
    await office.post("/cloud/v1/members", far)
    anywhere = (await office.post("/cloud/v1/members", {"customer_id": "any", "email": "any@example.org"})).json[
        "member_id"
    ]
    scopes = convert({"members": {"own": {"stores": ["hk01"]}}}, ScopesSection)
    alone = wanted_of("hk01", scopes, catalogue="", branches="", members="own")
    own = office.cloud.books.replica

    await office.cloud.books.db.write(lambda tx: settle_scopes(tx, own, alone, stores=["hk01"], fill=FILL))

    rows = sql("SELECT entity, body FROM scope_row JOIN scope ON scope.id = scope WHERE definition LIKE '%[\"hk01\"]%'")
    told = [(entity, msgspec.json.decode(body)["row"]) for entity, body in rows if entity]
    assert {row["key"] for entity, row in told if entity == "member"} == {near, anywhere}
    assert {row["member_id"] for entity, row in told if entity == "identity"} == {near, anywhere}
    assert not [entity for entity, _ in told if entity == "consent"]


@settings(max_examples=20, deadline=None)
@given(
    links=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8),
    undone=st.sets(st.integers(0, 7)),
    order=st.randoms(use_true_random=False),
)
def test_persons_are_the_components_whatever_order_links_and_undos_come_in(
    links: list[tuple[int, int]], undone: set[int], order: Any
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    facts: list[Any] = [
        LinkFact(link_id=f"l{n}", a=f"m{a}", b=f"m{b}", evidence="x", at=at) for n, (a, b) in enumerate(links)
    ]
    wanted = components(facts, [f"l{n}" for n in undone])
    facts += [UndoFact(undo_id=f"u{n}", what="link", undone=f"l{n}", at=at) for n in sorted(undone)]
    order.shuffle(facts)
    tx = connect_writer(Path(":memory:"), MIGRATIONS, "off")
    for fact in [*facts, *facts[:3]]:
        take_fact(tx, "hk01", msgspec.json.encode(fact))
    assert {member: frozenset(members_of(tx, min(ids))) for member, ids in wanted.items()} == dict(wanted)
    tx.close()


@settings(max_examples=20, deadline=None)
@given(
    back=st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3), st.integers(0, 900)), max_size=5),
    order=st.randoms(use_true_random=False),
)
def test_what_is_kept_of_a_purchase_does_not_depend_on_what_came_first(
    back: list[tuple[int, int, int]], order: Any
) -> None:
    bought = Purchase(
        channel=STORE,
        purchase_id="p",
        member_id="m",
        currency="HKD",
        lines=((1, "A", 3, 900), (2, "B", 2, 500)),
        bought_ms=1,
    )
    steps: list[Any] = [bought, bought, *((f"r{n}", line) for n, line in enumerate(back))]
    order.shuffle(steps)
    tx = connect_writer(Path(":memory:"), MIGRATIONS, "off")
    for step in steps:
        if isinstance(step, Purchase):
            enter(tx, step)
        else:
            enter_return(tx, STORE, "p", step[0], [step[1]])
    kept = {1: 3, 2: 2}
    for line, qty, _ in back:
        kept[line] -= qty
    found = tx.execute("SELECT amount, refunded, is_kept FROM purchase").fetchall()
    assert found == [(1400, sum(amount for *_, amount in back), int(any(left > 0 for left in kept.values())))]
    tx.close()
