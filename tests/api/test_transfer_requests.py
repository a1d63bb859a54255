"""What head office asks a shop to send, by HTTP: listed while it is open, sent under its own id, refused with a reason."""

from typing import Any

import pytest

from hub.client import new_id
from sync.retail.stock.transfer_requests import TRANSFER_REQUEST, TransferRequestRow
from sync.retail.stock.transfers import TransferLine
from sync.store.writing import put_version
from tests.hub.clock_world import NOW

PATH = "/v1/stock/transfers/requests"


async def ask(hub: Any, name: str = "proposal-1", *, state: str = "open", until_ms: int = 0, **lines: int) -> None:
    """Head office has asked, or says that it is over."""
    hub = hub.runtime
    asked = tuple(TransferLine(sku.replace("_", "-"), qty) for sku, qty in lines.items())
    row = TransferRequestRow(
        request_id=name,
        store="hk01",
        receiver="hk02",
        n=0,
        state=state,  # type: ignore[arg-type]
        lines=asked,
        asked_ms=NOW,
        until_ms=until_ms,
        note="for the weekend",
    )
    await hub.db.write(lambda tx: put_version(tx, hub.replica, TRANSFER_REQUEST, row), then=lambda _: hub.on_rows())


async def send(till: Any, name: str = "proposal-1", *, to: str = "hk02", **lines: int) -> Any:
    said = [{"sku": sku.replace("_", "-"), "qty": qty} for sku, qty in lines.items()]
    document = {"document_id": name, "kind": "transfer_out", "to": to, "lines": said}
    return await till.post("/v1/stock/documents", document)


async def waiting(till: Any) -> list[str]:
    return [item["request_id"] for item in (await till.get(PATH)).json["items"]]


async def on_hand(till: Any, sku: str) -> int:
    return int((await till.get(f"/v1/stock/{sku}")).json["stock"]["on_hand"])


async def test_an_open_request_shows_what_is_asked_and_what_is_there(hub: Any, till: Any) -> None:
    await ask(hub, until_ms=NOW + 60_000, TEA_01=6, NO_SUCH=1)
    (item,) = (await till.get(PATH)).json["items"]

    lines = [{"sku": "TEA-01", "qty": 6, "on_hand": 20}, {"sku": "NO-SUCH", "qty": 1, "on_hand": 0}]
    assert (item["request_id"], item["to"], item["lines"], item["note"]) == (
        "proposal-1",
        "hk02",
        lines,
        "for the weekend",
    )
    assert (item["is_late"], item["until"] is None, item["asked_at"] is None) == (False, False, False)


async def test_the_document_of_its_id_sends_it_once_and_it_is_open_no_more(hub: Any, till: Any) -> None:
    await ask(hub, TEA_01=6)
    first, again = await send(till, TEA_01=6), await send(till, TEA_01=6)
    other = await send(till, TEA_01=5)

    assert (first.status, again.status, other.status) == (201, 200, 409)
    assert (first.json.get("flags"), first.json["transfer_id"]) == (None, "hk01:proposal-1")
    assert (await waiting(till), await on_hand(till, "TEA-01")) == ([], 14)
    late = await till.post(f"{PATH}/proposal-1/refuse", {"reason": "not_found"})
    assert (late.status, late.json["code"]) == (409, "request_sent")


@pytest.mark.parametrize(
    ("lines", "to", "flags"),
    [
        ({"TEA_01": 5}, "hk02", [("fewer_than_asked", "TEA-01")]),
        ({"TEA_01": 7}, "hk02", [("more_than_asked", "TEA-01")]),
        ({"SHIRT_M": 1}, "hk02", [("not_asked", "SHIRT-M"), ("fewer_than_asked", "TEA-01")]),
        ({"TEA_01": 6}, "hk03", [("sent_elsewhere", None)]),
    ],
)
async def test_what_goes_otherwise_than_asked_is_booked_and_flagged(
    hub: Any, till: Any, lines: dict[str, int], to: str, flags: list[Any]
) -> None:
    await ask(hub, TEA_01=6)
    sent = await send(till, to=to, **lines)

    assert (sent.status, [(flag["code"], flag.get("sku")) for flag in sent.json["flags"]]) == (201, flags)
    assert await waiting(till) == []
    assert [item["document_id"] for item in (await till.get("/v1/stock/documents")).json["items"]] == ["proposal-1"]


async def test_what_was_withdrawn_is_shown_no_more_and_may_have_left(hub: Any, till: Any) -> None:
    await ask(hub, TEA_01=6)
    await ask(hub, state="withdrawn")
    shown = await waiting(till)
    refused = await till.post(f"{PATH}/proposal-1/refuse", {"reason": "not_found"})
    sent = await send(till, TEA_01=6)

    assert (shown, refused.status, refused.json["code"]) == ([], 409, "request_withdrawn")
    assert (sent.status, [flag["code"] for flag in sent.json["flags"]]) == (201, ["request_withdrawn"])
    assert await on_hand(till, "TEA-01") == 14


async def test_a_refusal_is_said_once_and_goods_that_go_all_the_same_are_flagged(hub: Any, till: Any) -> None:
    await ask(hub, TEA_01=6)
    said = {"reason": "not_found", "note": "looked twice", "by": "ann"}
    first, again = [await till.post(f"{PATH}/proposal-1/refuse", said) for _ in range(2)]
    other = await till.post(f"{PATH}/proposal-1/refuse", {"reason": "damaged"})
    unknown = await till.post(f"{PATH}/none/refuse", said)
    shown = await waiting(till)
    sent = await send(till, TEA_01=6)

    assert (first.status, again.status, first.json) == (201, 200, again.json)
    assert first.json == {"request_id": "proposal-1", **said}
    assert [(got.status, got.json["code"]) for got in (other, unknown)] == [
        (409, "other_content"),
        (404, "transfer_request"),
    ]
    assert set(unknown.json["remedy"]) == {"en", "zh-Hant"}
    assert (shown, [flag["code"] for flag in sent.json["flags"]]) == ([], ["request_refused"])


async def test_pages_name_each_request_once(hub: Any, till: Any) -> None:
    for n in range(3):
        await ask(hub, f"p{n}", TEA_01=1)
    first = (await till.get(PATH, limit="2")).json
    rest = (await till.get(PATH, limit="2", after=first["next"])).json

    assert [item["request_id"] for page in (first, rest) for item in page["items"]] == ["p0", "p1", "p2"]
    assert (first["next"], rest["next"]) == ("p1", None)


async def test_screens_are_told_when_something_is_asked_sent_and_refused(hub: Any, till: Any) -> None:
    async with till.events() as events:
        await events.receive_json()
        await ask(hub, "p1", TEA_01=6)
        await ask(hub, "p2", TEA_01=1)
        await send(till, new_id(), TEA_01=1)
        await send(till, "p1", TEA_01=6)
        await till.post(f"{PATH}/p2/refuse", {"reason": "needed_here"})
        told = [await events.receive_json() for _ in range(6)]

    assert [(event["type"], event["data"].get("open")) for event in told] == [
        *[("transfer_requests", 1), ("transfer_requests", 2), ("stock", None)],
        *[("stock", None), ("transfer_requests", 1), ("transfer_requests", 0)],
    ]
