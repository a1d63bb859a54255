"""GET /v1/attention: what waits for the manager, a page at a time, on a hub with a real file."""

import json
from typing import Any
from urllib.parse import quote

from sync.store.replicas import replica_id
from sync.store.retention import note_hole
from sync.store.rows import apply_rows
from sync.store.unknown import keep_unknown

OTHER = "hk01:00000000000000b2"


async def set_aside(hub: Any) -> None:
    def job(tx: Any) -> None:
        other = replica_id(tx, OTHER, now_ms=1)
        keep_unknown(tx, other, "sales", [(9, b"{}"), (10, b"{}")])
        note_hole(tx, other, "stock", after=2, last=7, now_ms=1)
        tx.execute("INSERT INTO conflict VALUES ('member', 'm1', 'name', ?, 1, 0, '\"Ann\"')", (OTHER,))
        tx.execute("INSERT INTO suspended_sale VALUES ('s1', X'01', 't1', 1, '{}')")
        body = b'{"committed_at":"2026-09-21T14:00:00Z"}'
        tx.execute("INSERT INTO second_row VALUES (?, 'sales', 5, 'sale', 's2', ?)", (other, body))

    await hub.runtime.db.write(job)


async def test_the_list_names_each_thing_once_whatever_the_size_of_a_page(hub: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    await set_aside(hub)
    whole = (await manager.get("/v1/attention")).json
    pages: list[Any] = []
    for limit in (1, 2, 5):
        after, items = "", []
        while True:
            page = (await manager.get("/v1/attention", limit=str(limit), after=after)).json
            items += page["items"]
            after = page["next"]
            if after is None:
                break
        pages.append(items)

    assert pages == [whole["items"]] * 3
    assert [line["kind"] for line in whole["items"]] == [
        "suspended",
        "second",
        "lost_field",
        "unread",
        "unread",
        "hole",
    ]
    assert whole["items"][-1]["said"] == {"en": "Rows 3 to 7 are lost", "zh-Hant": "第 3 至 7 筆資料遺失"}


async def test_an_empty_list_is_empty_and_only_a_manager_reads_it(hub: Any, till: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")

    assert (await manager.get("/v1/attention")).json["items"] == []
    assert (await till.get("/v1/attention")).status == 403


def document(document_id: str, **fields: Any) -> dict[str, Any]:
    lines = [{"sku": "TEA-01", "qty": 9, "expected": 10}]
    return {"document_id": document_id, "kind": "receive", "lines": lines, "by": "ann"} | fields


async def test_each_line_says_how_old_it_is_whose_and_what_to_do_in_both_languages(
    hub: Any, till: Any, pair_till: Any
) -> None:
    manager = await pair_till(hub, scope="manager")
    await set_aside(hub)
    await till.post("/v1/stock/documents", document("d1"))
    hub.clock.now_ms += 90_000
    items = {line["kind"]: line for line in (await manager.get("/v1/attention")).json["items"]}

    found = items["document"]
    assert (found["id"], found["said"]["en"]) == ("document:d1", "Fewer came than were expected (TEA-01)")
    assert found["parts"] == {"flags": [{"code": "fewer_than_expected", "of": "TEA-01"}]}
    assert (found["age_s"], found["owner"], found["closes"]) == (90, "ann", "person")
    assert (items["second"]["age_s"], items["second"]["owner"]) == (90 + 800, OTHER)
    assert (items["unread"]["age_s"], items["unread"]["closes"]) == (None, "itself")
    for line in items.values():
        assert set(line["remedy"]) == set(line["title"]) == set(line["said"]) == {"en", "zh-Hant"}
        assert line["remedy"]["en"] != line["remedy"]["zh-Hant"]
        assert line["said"]["en"] != line["said"]["zh-Hant"]


async def test_a_person_notes_and_closes_what_a_person_may(hub: Any, till: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    await till.post("/v1/stock/documents", document("d1"))
    await till.post("/v1/stock/documents", document("d2"))
    path = "/v1/attention/document:d1"

    looked = await manager.post(f"{path}/notes", {"note_id": "n1", "text": "called the supplier"})
    closing = {"note_id": "n2", "text": "credit note 7", "close": True, "by": "bob"}
    closed = [await manager.post(f"{path}/notes", closing) for _ in range(2)]

    assert [answer.status for answer in (looked, *closed)] == [201, 201, 200]
    told = [(note["text"], note["closes"], note["by"]) for note in closed[1].json["notes"]]
    assert told == [("called the supplier", False, manager.till_id), ("credit note 7", True, "bob")]
    assert [line["id"] for line in (await manager.get("/v1/attention")).json["items"]] == ["document:d2"]
    everything = (await manager.get("/v1/attention", closed="true")).json["items"]
    assert [line["id"] for line in everything] == ["document:d1", "document:d2"]
    other = await manager.post(f"{path}/notes", {**closing, "text": "no"})
    assert (other.status, other.json["code"]) == (409, "other_content")
    assert (await till.post(f"{path}/notes", closing)).status == 403


async def test_what_closes_itself_is_noted_and_stays(hub: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    await set_aside(hub)
    unread = next(line["id"] for line in (await manager.get("/v1/attention")).json["items"] if line["kind"] == "unread")
    path = f"/v1/attention/{quote(unread, safe='')}/notes"

    refused = await manager.post(path, {"note_id": "n1", "text": "x", "close": True})
    noted = await manager.post(path, {"note_id": "n1", "text": "asked for the update"})

    assert (refused.status, refused.json["code"], noted.status) == (422, "closes_itself", 201)
    assert len((await manager.get("/v1/attention")).json["items"]) == 6
    for name in ("document:none", "weather:rain", "nothing"):
        assert (await manager.get(f"/v1/attention/{name}")).json["code"] == "attention"


async def test_closed_lines_leave_no_gap_in_the_pages(hub: Any, till: Any, pair_till: Any) -> None:
    manager = await pair_till(hub, scope="manager")
    for n in range(7):
        await till.post("/v1/stock/documents", document(f"d{n}"))
    for n in (0, 1, 2, 4):
        note = {"note_id": f"n{n}", "text": "done", "close": True}
        assert (await manager.post(f"/v1/attention/document:d{n}/notes", note)).status == 201

    first = (await manager.get("/v1/attention", limit="2")).json
    second = (await manager.get("/v1/attention", limit="2", after=first["next"])).json

    assert [line["id"] for line in first["items"] + second["items"]] == [f"document:d{n}" for n in (3, 5, 6)]
    assert second["next"] is None


async def test_goods_of_which_another_branch_has_received_something_else_wait_for_somebody(
    hub: Any, till: Any, pair_till: Any
) -> None:
    manager = await pair_till(hub, scope="manager")
    sent = document("d1", kind="transfer_out", to="hk02", lines=[{"sku": "TEA-01", "qty": 3}])
    await till.post("/v1/stock/documents", sent)
    before = (await manager.get("/v1/attention")).json["items"]
    fact = {
        "kind": "arrival",
        "arrival_id": "hk02:a1",
        "transfer_id": "hk01:d1",
        "sender": "hk01",
        "receiver": "hk02",
        "lines": [["TEA-01", 2]],
        "arrived_at": "2026-09-21T15:00:00Z",
    }

    def arrive(tx: Any) -> None:
        cloud = replica_id(tx, "cloud:00000000000000cc", now_ms=1)
        apply_rows(tx, "transfers", [(1, json.dumps(fact).encode())], replica=cloud, rep="cloud:00000000000000cc")

    await hub.runtime.db.write(arrive)

    (line,) = (await manager.get("/v1/attention")).json["items"]
    assert before == []
    assert (line["id"], line["owner"]) == ("transfer:hk01:d1", "hk02")
    note = {"note_id": "n1", "text": "found in the van", "close": True}
    assert (await manager.post("/v1/attention/transfer:hk01:d1/notes", note)).status == 201
    assert (await manager.get("/v1/attention")).json["items"] == []
