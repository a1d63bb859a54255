"""Transfers that the cloud proposes: from what places have, accepted by head office, sent as any transfer."""

from typing import Any

from sync.cloud.allocation.availability import availability
from sync.cloud.allocation.history import DAY_MS

RULES: dict[str, Any] = {"ask": False, "cover_days": 10, "days": 10}
PLACES: dict[str, Any] = {"dc": {"kind": "warehouse", "safety_stock": 5}}
PATH = "/cloud/v1/transfers/proposals"


async def figures(chain: Any, on_hand: int) -> None:
    said = {"figures": [{"sku": "TEA-01", "on_hand": on_hand}]}
    assert (await chain.end.post("/cloud/v1/locations/dc/stock", said)).status == 200


async def ten_days(chain: Any) -> None:
    """Two shops that sell one a day and three a day, of ten and a hundred."""
    await chain.stock("hk01", "TEA-01", 12, held=0)
    await chain.stock("hk02", "TEA-01", 100, held=0)
    await chain.look()
    chain.end.clock.now_ms += 10 * DAY_MS
    await chain.stock("hk01", "TEA-01", 12, sold=10, held=0)
    await chain.stock("hk02", "TEA-01", 100, sold=30, held=0)
    await chain.look()


async def proposed(chain: Any, state: str = "proposed") -> list[Any]:
    return list((await chain.end.get(PATH, state=state)).json["items"])


async def test_a_shop_that_runs_out_is_sent_goods_of_the_warehouse_and_its_hub_hears_of_them(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=PLACES)
    await figures(chain, 40)
    await ten_days(chain)
    (item,) = await proposed(chain)
    assert (item["sender"], item["receiver"], item["lines"]) == ("dc", "hk01", [{"sku": "TEA-01", "qty": 8}])
    done = [await chain.end.post(f"{PATH}/{item['proposal_id']}/accept", {}) for _ in range(2)]
    assert [(got.status, got.json["state"]) for got in done] == [(200, "sent")] * 2

    rows, _ = await chain.end.feed("transfers")
    (row,) = [each["row"] for each in rows]
    assert (row["transfer_id"], row["sender"], row["receiver"], row["lines"]) == (
        *(f"dc:{item['proposal_id']}", "dc", "hk01", [["TEA-01", 8]]),
    )
    read = chain.end.cloud.books.db.read
    assert availability(read, skus=["TEA-01"]) == {"TEA-01": 27}
    heads = [head for head in chain.end.books("hk01").heads() if head.stream.startswith("transfers")]
    batches = await chain.end.books("hk01").load(heads[0], chain.end.books("hk01").floor(heads[0]), 10)
    assert row["transfer_id"].encode() in batches[0].rows[0][1]
    assert (await chain.end.post(PATH, {})).json["items"] == []


async def test_a_shop_that_has_too_much_is_told_what_to_book_and_its_document_ends_the_proposal(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES)
    await ten_days(chain)
    (item,) = await proposed(chain)
    done = (await chain.end.post(f"{PATH}/{item['proposal_id']}/accept", {"lines": [{"sku": "TEA-01", "qty": 6}]})).json
    lines = [{"sku": "TEA-01", "qty": 6}]
    assert done["document"] == {
        **{"document_id": item["proposal_id"], "kind": "transfer_out", "to": "hk01", "lines": lines},
    }
    assert (await chain.end.post(PATH, {})).json["items"] == []
    transfer = {"kind": "transfer", "v": 1, "transfer_id": f"hk02:{item['proposal_id']}", "sender": "hk02"}
    told = transfer | {"receiver": "hk01", "lines": [["TEA-01", 6]], "sent_at": "2026-10-02T00:00:00Z"}
    await chain.fact("hk02", "transfers", told)
    await chain.look()

    assert (await proposed(chain, "sent"))[0]["transfer_id"] == f"hk02:{item['proposal_id']}"
    late = await chain.end.post(f"{PATH}/{item['proposal_id']}/dismiss", {})
    assert (late.status, late.json["code"]) == (409, "proposal_sent")


async def test_what_head_office_dismisses_is_proposed_again_tomorrow_at_the_earliest(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES)
    await ten_days(chain)
    (item,) = await proposed(chain)
    assert (await chain.end.post(f"{PATH}/{item['proposal_id']}/dismiss", {})).json["state"] == "dismissed"
    refused = await chain.end.post(f"{PATH}/{item['proposal_id']}/accept", {})
    unknown = await chain.end.post(f"{PATH}/proposal-0/accept", {})
    assert [(got.status, got.json["code"]) for got in (refused, unknown)] == [(409, "dismissed"), (404, "proposal")]
    assert (await chain.end.post(PATH, {})).json["items"] == []
    chain.end.clock.now_ms += DAY_MS
    await chain.look()

    assert [each["receiver"] for each in await proposed(chain)] == ["hk01"]


async def test_a_warehouse_that_has_promised_its_goods_meanwhile_refuses_and_nothing_moves(chain_of: Any) -> None:
    chain = await chain_of(allocation=RULES, locations=PLACES)
    await figures(chain, 40)
    await ten_days(chain)
    (item,) = await proposed(chain)
    await chain.order("w1", ("TEA-01", 35))
    refused = await chain.end.post(f"{PATH}/{item['proposal_id']}/accept", {})

    assert (refused.status, refused.json["code"]) == (409, "no_right")
    assert (await proposed(chain))[0]["state"] == "proposed"
    assert availability(chain.end.cloud.books.db.read, skus=["TEA-01"]) == {"TEA-01": 0}
    assert (await chain.end.feed("transfers"))[0] == []


async def test_more_skus_than_one_job_takes_are_all_proposed(chain_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("sync.cloud.allocation.proposals.SKUS_MAX", 2)
    chain = await chain_of(allocation=None, locations=PLACES, rights={"safety_stock": 4, "online_share_pct": 0})
    for n in range(5):
        await chain.stock("hk01", f"SKU-{n}", 1, held=0)
        await chain.stock("hk02", f"SKU-{n}", 20, held=0)
    await chain.look()
    (item,) = (await chain.end.post(PATH, {})).json["items"]

    assert [line["sku"] for line in item["lines"]] == [f"SKU-{n}" for n in range(5)]
    assert {line["qty"] for line in item["lines"]} == {3}
