"""Shops are asked for accepted transfers: what head office is answered, what goes to the shop, what the shop says to it."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync.cloud.allocation.history import DAY_MS, note_days
from sync.cloud.migrations import MIGRATIONS
from sync.migrate import migrations
from tests.cloud.conftest import CloudEnd

RULES: dict[str, Any] = {"ask": False, "cover_days": 10, "days": 10}
PATH = "/cloud/v1/transfers/proposals"
STARVING = {"hungry": {"store": "hk01", "safety_stock": 60}}


async def proposal(chain: Any) -> str:
    """A shop that has what another one lacks; return what is proposed."""
    await chain.stock("hk01", "TEA-01", 2, held=0)
    await chain.stock("hk02", "TEA-01", 100, held=0)
    await chain.look()
    (item,) = (await chain.end.post(PATH, {})).json["items"]
    assert (item["sender"], item["receiver"]) == ("hk02", "hungry")
    return str(item["proposal_id"])


@pytest.fixture
async def chain(chain_of: Any) -> Any:
    return await chain_of(allocation=RULES, locations=STARVING)


async def say(chain: Any, proposal_id: str, what: str, said: Any = None) -> Any:
    return await chain.end.post(f"{PATH}/{proposal_id}/{what}", said or {})


async def told(end: CloudEnd, store: str) -> list[Any]:
    """Return the versions of requests that stand in what a store gets."""
    books = end.books(store)
    heads = [head for head in books.heads() if head.stream.startswith("transfer_requests")]
    rows = [row for head in heads for batch in await books.load(head, books.floor(head), 50) for _, row in batch.rows]
    return [row for row in map(json.loads, rows) if "@" not in row]


async def document(chain: Any, proposal_id: str, *, store: str = "hk02") -> None:
    transfer = {"kind": "transfer", "v": 1, "transfer_id": f"hk02:{proposal_id}", "sender": "hk02", "receiver": "hk01"}
    await chain.fact(store, "transfers", transfer | {"lines": [["TEA-01", 6]], "sent_at": "2026-10-02T00:00:00Z"})


async def refusal(chain: Any, proposal_id: str) -> None:
    said = {"kind": "refusal", "v": 1, "refusal_id": f"hk02:{proposal_id}", "request_id": proposal_id, "sender": "hk02"}
    more = {"reason": "not_found", "note": "looked twice", "by": "ann", "refused_at": "2026-10-02T00:00:00Z"}
    await chain.fact("hk02", "transfers", said | more)


async def test_accepting_asks_the_shop_that_sends_and_its_document_ends_it(chain: Any) -> None:
    name = await proposal(chain)
    now = chain.end.clock.now_ms
    until = datetime.fromtimestamp(now / 1000, UTC) + timedelta(days=2)
    said = {
        "lines": [{"sku": "TEA-01", "qty": 4}, {"sku": "TEA-01", "qty": 2}],
        "until": until.isoformat(),
        "note": "by van",
    }
    done = [(await say(chain, name, "accept", said)).json for _ in range(2)]
    (row,) = await told(chain.end, "hk02")

    assert done[0] == done[1]
    assert (done[0]["state"], done[0]["lines"], done[0]["note"]) == (
        "accepted",
        [{"sku": "TEA-01", "qty": 6}],
        "by van",
    )
    assert datetime.fromisoformat(done[0]["until"]) == until.replace(microsecond=until.microsecond // 1000 * 1000)
    expected = {"request_id": name, "store": "hk02", "receiver": "hk01", "n": 1, "gone": False, "state": "open"}
    expected |= {"lines": [["TEA-01", 6]], "asked_ms": now, "until_ms": int(until.timestamp() * 1000)}
    assert row == {"v": 1, **expected, "note": "by van"}
    assert await told(chain.end, "hk01") == []

    await document(chain, name)
    await chain.look()
    (row,) = await told(chain.end, "hk02")
    assert (row["state"], row["lines"], row["n"]) == ("done", [], 2)
    assert [each["state"] for each in (await chain.end.get(PATH, state="sent")).json["items"]] == ["sent"]


async def test_withdrawing_tells_the_shop_once_and_is_refused_where_the_goods_have_left(chain: Any) -> None:
    name = await proposal(chain)
    early = await say(chain, name, "withdraw")
    await say(chain, name, "accept")
    first, again = await say(chain, name, "withdraw"), await say(chain, name, "withdraw")
    (row,) = await told(chain.end, "hk02")
    accepted = await say(chain, name, "accept")
    await document(chain, name)
    await chain.look()
    late = await say(chain, name, "withdraw")
    unknown = await say(chain, "proposal-0", "withdraw")

    assert (early.status, early.json["code"]) == (409, "not_accepted")
    assert (first.status, first.json, first.json["state"]) == (200, again.json, "withdrawn")
    assert (row["state"], row["n"], row["lines"]) == ("withdrawn", 2, [])
    assert (accepted.status, accepted.json["code"]) == (409, "withdrawn")
    assert (late.status, late.json["code"]) == (409, "proposal_sent"), "it left all the same"
    assert (unknown.status, unknown.json["code"]) == (404, "proposal")


async def test_dismissing_what_was_accepted_withdraws_it(chain: Any) -> None:
    name = await proposal(chain)
    await say(chain, name, "accept")
    dismissed = [(await say(chain, name, "dismiss")).json["state"] for _ in range(2)]

    assert dismissed == ["withdrawn", "withdrawn"]
    assert [row["state"] for row in await told(chain.end, "hk02")] == ["withdrawn"]


async def test_what_came_and_was_not_looked_at_yet_is_sent_and_not_withdrawn(chain: Any) -> None:
    name = await proposal(chain)
    await say(chain, name, "accept")
    await document(chain, name)
    late = [await say(chain, name, what) for what in ("withdraw", "dismiss")]

    assert [(got.status, got.json["code"]) for got in late] == [(409, "proposal_sent")] * 2


async def test_a_refusal_is_shown_with_its_reason_and_the_goods_count_as_coming_no_more(chain: Any) -> None:
    name = await proposal(chain)
    await say(chain, name, "accept")
    await refusal(chain, name)
    await chain.look()
    (item,) = (await chain.end.get(PATH, state="refused")).json["items"]
    again = await say(chain, name, "accept")
    withdrawn = await say(chain, name, "withdraw")

    said = {"reason": "not_found", "note": "looked twice", "by": "ann", "at": "2026-10-02T00:00:00Z"}
    assert (item["proposal_id"], item["refused"], item["document"]) == (name, said, None)
    assert (again.status, again.json["code"]) == (409, "refused")
    assert (withdrawn.status, withdrawn.json["state"]) == (200, "refused")
    assert (await chain.end.post(PATH, {})).json["items"] == [], "not again today"
    chain.end.clock.now_ms += DAY_MS
    await chain.look()
    assert [each["receiver"] for each in (await chain.end.get(PATH, state="proposed")).json["items"]] == ["hungry"]

    await document(chain, name)
    await chain.look()
    (item,) = (await chain.end.get(PATH, state="sent")).json["items"]
    assert (item["proposal_id"], item["refused"]) == (name, None), "found after all"


async def test_a_document_that_another_store_has_written_ends_nothing(chain: Any) -> None:
    name = await proposal(chain)
    await say(chain, name, "accept")
    await document(chain, name, store="hk01")
    await chain.look()

    assert [each["proposal_id"] for each in (await chain.end.get(PATH, state="accepted")).json["items"]] == [name]


async def test_a_document_that_is_here_before_its_proposal_is_accepted_ends_it_at_once(chain: Any) -> None:
    """As after a restore of the cloud, which has forgotten that it had asked."""
    name = await proposal(chain)
    await document(chain, name)
    await chain.look()
    accepted = await say(chain, name, "accept")

    assert (accepted.status, accepted.json["state"]) == (200, "sent")
    assert [row["state"] for row in await told(chain.end, "hk02")] == ["done"]


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, 422, "until"),
        ({"until": "9999-12-31T23:59:59-12:00"}, 422, "until"),
        ({"until": "2026-10-01T00:00:00"}, 422, "invalid_field"),
        ({"lines": []}, 422, "invalid_field"),
        ({"lines": [{"sku": "TEA-01", "qty": 0}]}, 422, "invalid_field"),
        ({"note": "two\nlines"}, 422, "invalid_field"),
        ({"who": "ann"}, 422, "invalid_field"),
    ],
)
async def test_what_no_shop_could_be_asked_is_refused(chain: Any, said: Any, status: int, code: str) -> None:
    name = await proposal(chain)
    answer = await say(chain, name, "accept", said)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert await told(chain.end, "hk02") == []


async def test_two_places_of_one_store_move_goods_by_themselves(chain_of: Any) -> None:
    places = {"front": {"store": "hk01", "safety_stock": 60}, "back": {"store": "hk01", "location": "back"}}
    chain = await chain_of(allocation=RULES, locations=places)
    await chain.stock("hk01", "TEA-01", 2, held=0)
    level = {"v": 1, "sku": "TEA-01", "location": "back", "received": 100, "issued": 0}
    await chain.tell("hk01", "levels", level)
    await chain.look()
    await chain.end.cloud.books.db.write(lambda tx: note_days(tx, now_ms=chain.end.clock.now_ms))
    items = (await chain.end.post(PATH, {})).json["items"]
    refused = [await say(chain, item["proposal_id"], "accept") for item in items if item["sender"] == "back"]

    assert [(got.status, got.json["code"]) for got in refused] == [(409, "same_store")]


async def test_a_cloud_of_the_version_before_asks_for_what_it_had_accepted(chain_of: Any, tmp_path: Path) -> None:
    """A file of every step before the requests', with proposals in it, is opened as it is."""
    steps = migrations(MIGRATIONS)
    number = next(number for number, sql in steps if "transfer_proposal_asked" in sql)
    with closing(sqlite3.connect(tmp_path / "cloud.db", isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        for each, sql in steps:
            if each < number:
                file.executescript(f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {each}; COMMIT;")
        for name, state in (("p1", "accepted"), ("p2", "sent"), ("p3", "dismissed")):
            file.execute(
                "INSERT INTO transfer_proposal VALUES (?, 1, 'hk02', 'hk01', ?, ?, CAST('[[\"TEA-01\",6]]' AS BLOB))",
                (name, state, f"hk02:{name}"),
            )
    chain = await chain_of(allocation=RULES)
    before = [(each["proposal_id"], each["state"]) for each in (await chain.end.get(PATH)).json["items"]]
    await chain.look()

    assert before == [("p1", "accepted"), ("p2", "sent"), ("p3", "dismissed")]
    asked = [(row["request_id"], row["state"], row["asked_ms"]) for row in await told(chain.end, "hk02")]
    assert asked == [("p1", "open", chain.end.clock.now_ms)]
