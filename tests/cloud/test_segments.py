"""Segments: the three that head office asks for, every condition against a judge in Python, and who came in and went out."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cli import main
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.persons.purchases import STORE, Purchase, enter, enter_return
from sync.cloud.segments.evaluation import Scene, evaluate
from sync.cloud.segments.filters import Filter, Purchases
from sync.connections import connect_writer

STORES: dict[str, dict[str, Any]] = {
    "tpe01": {"token": "tpe01-token-0123456789", "members": "tw", "city": "Taipei", "zone": "Asia/Taipei"},
    "hk01": {"token": "hk01-token-0123456789", "members": "tw", "city": "Hong Kong"},
}
SCOPES = {"members": {"tw": {"stores": ["tpe01", "hk01"]}}}
ONLINE_ONLY_IN_TAICHUNG = {
    "all": [
        {"purchases": {"where": "online", "cities": ["taichung"]}},
        {"not": {"purchases": {"where": "store"}}},
    ]
}
A_NOT_B = {"all": [{"purchases": {"skus": ["A"]}}, {"not": {"purchases": {"skus": ["B"]}}}]}
A_AND_B = {"all": [{"purchases": {"skus": ["A"]}}, {"purchases": {"skus": ["B"]}}]}
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
async def office(start_cloud: Any) -> Any:
    """A cloud with four customers: on line only in Taichung; both ways; A and B; nobody's guest."""
    cloud = await start_cloud(stores=STORES, scopes=SCOPES, members={"region": "TW"})
    for who, city, skus in (
        ("ann", "Taichung", "A"),
        ("bo", "Taichung", "A"),
        ("cy", "Tainan", "AB"),
        ("di", "Taichung", "B"),
    ):
        lines = [{"line": n, "sku": sku, "qty": 1, "amount": 500} for n, sku in enumerate(skus, 1)]
        customer = {"channel": "web", "customer_id": who, "name": who.title(), "email": f"{who}@example.org"}
        order = {
            "channel": "web",
            "purchase_id": who,
            "bought_at": "2026-09-01T00:00:00Z",
            "currency": "TWD",
            "city": city,
        }
        answer = await cloud.post("/cloud/v1/purchases", order | {"lines": lines, "customer": customer})
        cloud.ids = getattr(cloud, "ids", {}) | {answer.json["customer"]["member_id"]: who}
    return cloud


def sell_to(writer: Any, cloud: Any, who: str, sku: str = "TEA-01") -> None:
    member = next(member for member, name in cloud.ids.items() if name == who)
    line = {"line": 1, "sku": sku, "qty": 1, "unit_price": 100, "per": 1}
    sale = {
        "sale_id": f"s-{who}-{sku}",
        "till_id": "t1",
        "currency": "TWD",
        "lines": [line],
        "total": 100,
        "tenders": [],
    }
    writer.write(
        "sales", {"sale": sale | {"member_id": member}, "receipt_no": f"r{who}{sku}", "business_date": "2026-09-21"}
    )


async def previewed(cloud: Any, wanted: Any) -> list[str]:
    answer = await cloud.post("/cloud/v1/segments/preview", {"filter": wanted})
    assert answer.status == 200, answer.body
    assert answer.json["count"] == len(answer.json["sample"])
    return sorted(cloud.ids[each["member_id"]] for each in answer.json["sample"])


async def test_the_three_named_cases(office: Any, new_writer: Any) -> None:
    writer = new_writer("tpe01:aaaaaaaaaaaaaaaa")
    sell_to(writer, office, "bo")
    await office.books("tpe01").apply(writer.batch())
    assert await previewed(office, ONLINE_ONLY_IN_TAICHUNG) == ["ann", "di"]
    assert await previewed(office, A_NOT_B) == ["ann", "bo"]
    assert await previewed(office, A_AND_B) == ["cy"]
    assert await previewed(office, {"purchases": {"where": "store", "cities": ["Taipei"]}}) == ["bo"]


async def test_a_sample_is_masked(office: Any) -> None:
    answer = await office.post("/cloud/v1/segments/preview", {"filter": {"purchases": {"skus": ["A"]}}})
    assert b"@example.org" in answer.body and not any(f"{who}@".encode() in answer.body for who in office.ids.values())


async def test_who_comes_in_and_goes_out_is_kept_and_bears_the_tag_meanwhile(office: Any, sql: Any) -> None:
    path = "/cloud/v1/segments"
    body = {
        "segment": "a-not-b",
        "name": {"zh-Hant": "買甲未買乙", "en": "A, not B"},
        "filter": A_NOT_B,
        "tag": "cross-sell",
    }
    assert [(await office.post(path, body)).status for _ in range(2)] == [201, 200]
    first = (await office.post(f"{path}/a-not-b/evaluation", {})).json
    assert (first["count"], first["entered"], first["left"]) == (2, 2, 0)
    ann = next(member for member, who in office.ids.items() if who == "ann")
    seen = (await office.get(f"/cloud/v1/members/{ann}")).json
    assert seen["segments"][0]["segment"] == "a-not-b" and seen["tags"][0]["source"] == "a-not-b"
    office.clock.now_ms += DAY_MS
    order = {"channel": "web", "purchase_id": "ann-2", "bought_at": "2026-09-02T00:00:00Z", "currency": "TWD"}
    lines = [{"line": 1, "sku": "B", "qty": 1, "amount": 500}]
    await office.post("/cloud/v1/purchases", order | {"lines": lines, "customer": {"customer_id": "ann"}})
    second = (await office.post(f"{path}/a-not-b/evaluation", {})).json
    assert (second["count"], second["entered"], second["left"]) == (1, 0, 1)
    assert (await office.get(f"/cloud/v1/members/{ann}")).json["tags"] == []
    entered, left = sql("SELECT entered_ms, left_ms FROM segment_member WHERE person_id = ?", ann)[0]
    assert left - entered == DAY_MS
    listed = (await office.get(f"{path}/a-not-b/members", limit=1)).json
    assert [office.ids[each["member_id"]] for each in listed["items"]] == ["bo"]
    (item,) = (await office.get(path)).json["items"]
    assert (item["version"], item["evaluated"]["count"]) == (1, 1)
    assert (await office.post(path, body | {"tag": ""})).json["version"] == 2
    assert sql("SELECT * FROM member_tag") == []


async def test_a_segment_by_category_reads_the_catalogue(office: Any) -> None:
    entry: dict[str, Any] = {"product": {"sku": "A", "name": {"zh-Hant": "茶", "en": "Tea"}, "category": "tea"}}
    assert (
        await office.post("/cloud/v1/products", {"entries": [entry | {"price": {"amount": 1, "currency": "TWD"}}]})
    ).status == 200
    assert await previewed(office, {"purchases": {"categories": ["tea"]}}) == ["ann", "bo", "cy"]


async def test_consent_tags_and_months_are_asked_for(office: Any) -> None:
    said = {"customer_id": "ann", "consents": {"marketing": "in"}, "birth_month": 9}
    member = (await office.post("/cloud/v1/members", said)).json["member_id"]
    await office.post(f"/cloud/v1/members/{member}/tags", {"tag": "vip"})
    await office.post(f"/cloud/v1/members/{member}/tier", {"tier": "gold"})
    for wanted in (
        {"consent": {"purpose": "marketing", "word": "in"}},
        {"tags": ["vip", "none"]},
        {"birth_month": [9]},
        {"tier": ["gold"]},
    ):
        assert await previewed(office, wanted) == ["ann"], wanted
    assert await previewed(office, {"consent": {"purpose": "marketing", "word": "unknown"}}) == ["bo", "cy", "di"]
    assert await previewed(office, {"points": {"max": 0}}) == ["ann", "bo", "cy", "di"]


async def test_a_filter_that_says_nothing_is_refused_with_the_reason(office: Any) -> None:
    for wanted, word in (
        ({}, "one thing"),
        ({"tags": ["a"], "tier": ["b"]}, "one thing"),
        ({"purchase": {}}, "unknown field"),
        ({"purchases": {"amount": {"min": 1}}}, "currency"),
        ({"points": {"min": 2, "max": 1}}, "above max"),
        ({"birth_month": [13]}, "<= 12"),
    ):
        refused = await office.post("/cloud/v1/segments/preview", {"filter": wanted})
        assert (refused.status, refused.json["code"]) == (422, "invalid_field"), wanted
        assert word in refused.json["detail"] and refused.json["pointer"].startswith("/filter"), wanted


async def test_the_command_previews_a_file_and_declares_it(office: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "token").write_text("office-token-0123456789\n")
    file = tmp_path / "a-not-b.toml"
    file.write_text(
        'segment = "a-not-b"\nname = { zh-Hant = "甲", en = "A" }\n'
        '[[filter.all]]\npurchases = { skus = ["A"], since = 2026-01-01 }\n'
        '[[filter.all]]\nnot = { purchases = { skus = ["B"] } }\n'
    )
    asked = ["segment", str(file), "--url", office.url, "--token-file", str(tmp_path / "token")]
    assert await asyncio.to_thread(main, asked) == 0
    assert await asyncio.to_thread(main, [*asked, "--put"]) == 0
    said = capsys.readouterr().out
    assert "a-not-b: 2 persons" in said and "version 1: 2 in it, 2 came in, 0 went out" in said
    file.write_text('segment = "x"\n[filter]\npurchase = 1\n')
    assert await asyncio.to_thread(main, asked) == 1
    assert "unknown field `purchase`" in capsys.readouterr().out


def test_the_page_names_all_that_a_filter_may_say() -> None:
    page = (Path(__file__).parents[2] / "docs/people.md").read_text()
    said = set(re.findall(r"`([a-z_]+)`", page))
    names = {field.encode_name for struct in (Filter, Purchases) for field in msgspec.structs.fields(struct)}
    assert names <= said, names - said


PEOPLE = ("a", "b", "c")
purchases = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE), st.sampled_from((STORE, "web")), st.sampled_from(("tpe01", "hk01")),
        st.sampled_from(("", "Tainan")), st.sampled_from(("A", "B")), st.integers(1, 3), st.integers(0, 3), st.integers(0, 40),
    ),
    max_size=8,
)  # fmt: skip
conditions = st.fixed_dictionaries(
    {},
    optional={
        "where": st.sampled_from(("store", "online")),
        "stores": st.just(["tpe01"]),
        "cities": st.sampled_from((["Tainan"], ["taipei"])),
        "skus": st.sampled_from((["A"], ["A", "B"])),
        "within_days": st.integers(1, 40),
        "since": st.just("2026-09-01"),
        "count": st.sampled_from(({"min": 2}, {"max": 0}, {"min": 0}, {"min": 1, "max": 1})),
    },
)


@settings(max_examples=40, deadline=None)
@given(bought=purchases, asked=conditions, is_negated=st.booleans())
def test_a_condition_finds_whom_a_loop_in_python_finds(bought: Any, asked: Any, is_negated: bool) -> None:
    tx = connect_writer(Path(":memory:"), MIGRATIONS, "off")
    for who in PEOPLE:  # b and c are one person
        row = (who, "b" if who == "c" else who)
        tx.execute("INSERT INTO person_member VALUES (?, ?, 1, '', 0, '')", row)
    for n, (who, channel, store, city, sku, qty, back, days) in enumerate(bought):
        is_store = channel == STORE
        place = {"store": store if is_store else "", "city": "" if is_store else city}
        said = {"channel": channel, "purchase_id": str(n), "member_id": who, "currency": "TWD"} | place
        enter(tx, Purchase(**said, lines=((1, sku, qty, 100 * qty),), bought_ms=NOW_MS - days * DAY_MS))
        enter_return(tx, channel, str(n), "r", [(1, min(back, qty), 100 * min(back, qty))] if back else [])
    wanted = {"not": {"purchases": asked}} if is_negated else {"purchases": asked}
    found = evaluate(tx, msgspec.convert(wanted, Filter), Scene(NOW_MS, {"tpe01": "Taipei"}))
    tx.close()

    def fits(each: Any) -> bool:
        _, channel, store, city, sku, qty, back, days = each
        at = datetime.fromtimestamp((NOW_MS - days * DAY_MS) / 1000, UTC)
        places = {"Taipei" if store == "tpe01" else ""} if channel == STORE else {city}
        return (
            back < qty
            and asked.get("where") in (None, "store" if channel == STORE else "online")
            and ("stores" not in asked or (channel == STORE and store in asked["stores"]))
            and ("cities" not in asked or asked["cities"][0].casefold() in {place.casefold() for place in places})
            and ("skus" not in asked or sku in asked["skus"])
            and ("within_days" not in asked or days <= asked["within_days"])
            and ("since" not in asked or at >= datetime(2026, 9, 1, tzinfo=UTC))
        )

    counts = {"a": 0, "b": 0}
    for each in bought:
        counts["b" if each[0] == "c" else each[0]] += fits(each)
    count = asked.get("count", {"min": 1})
    holds = {who for who, n in counts.items() if count.get("min", 0) <= n <= count.get("max", 99)}
    assert found == sorted(counts.keys() - holds if is_negated else holds)
