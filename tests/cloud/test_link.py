"""A store on the real WebSocket: the session of sync.session on both sides, the cloud's real books on one."""

import asyncio
from typing import Any

import pytest

from sync.protocol import SUBPROTOCOL, Hello, HelloOk, Refused, decode, encode, packed

WAIT_S = 60.0


def entry(sku: str) -> dict[str, Any]:
    return {"product": {"sku": sku, "name": {"en": sku}}, "price": {"amount": 1, "currency": "HKD"}}


async def test_rows_go_up_and_the_catalogue_comes_down(cloud: Any, writer: Any, tokens: Any, talking: Any) -> None:
    for n in range(1300):
        writer.sell(f"s{n}", 1)
    writer.give_back("r1", "s1")
    hub = talking.hub(writer)
    await cloud.post("/cloud/v1/products", {"entries": [entry("A")]})

    async with talking(cloud, hub, tokens["hk01"]):
        await hub.until(
            lambda: hub.safe.get("sales") == 1300 and hub.safe.get("returns") == 1 and len(hub.catalogue) == 2
        )
        item = await cloud.store_item()
        cloud.clock.now_ms += 2000  # state streams are paced
        await cloud.post("/cloud/v1/products", {"entries": [entry("B")]})
        await hub.until(lambda: len(hub.catalogue) == 4)

    assert (item["connected"], item["rep"], item["sales"]["count"]) == (True, writer.rep, 1300)
    assert [len((await cloud.feed("sales", after=after))[0]) for after in (0, 1000)] == [1000, 300]


async def test_a_second_conversation_sends_nothing_again(
    cloud: Any, writer: Any, tokens: Any, sql: Any, talking: Any
) -> None:
    writer.sell("s1")
    hub = talking.hub(writer)
    for count in (1, 2):
        async with talking(cloud, hub, tokens["hk01"]):
            await hub.until(lambda wanted=count: hub.safe.get("sales") == wanted)
        writer.sell(f"s{count + 1}")

    assert sql("SELECT count(*), max(n) FROM fact") == [(2, 2)]
    assert sql("SELECT row_count FROM received") == [(2,)]


async def test_a_lying_store_is_told_so_and_nothing_of_it_is_kept(
    cloud: Any, writer: Any, tokens: Any, sql: Any, talking: Any
) -> None:
    writer.sell("s1")
    hub = talking.hub(writer, lie=True)

    async with talking(cloud, hub, tokens["hk01"]) as talk, asyncio.timeout(WAIT_S):
        end = await talk

    assert (end.code, end.is_ours) == ("protocol", False)
    assert "digest" in end.detail
    assert sql("SELECT count(*) FROM fact") == [(0,)]


async def test_a_copys_return_is_not_taken_where_its_sale_was_not(
    cloud: Any, writer: Any, new_writer: Any, tokens: Any, sql: Any
) -> None:
    """The other machine of the life was first, after this one's hello; what goes with the sale is on its way already."""
    writer.sell("s1")
    copy = new_writer(writer.rep)
    copy.sell("s2")
    copy.give_back("r2", "s2")
    headers = {"Authorization": f"Bearer {tokens['hk01']}"}

    async with cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,)) as ws:
        await ws.send_bytes(encode(Hello(rep=copy.rep, vector=(), t1_ms=1)))
        assert isinstance(decode(await ws.receive_bytes()), HelloOk)
        await cloud.books().apply(writer.batch("sales"))
        for stream in ("sales", "returns"):
            await ws.send_bytes(encode(packed(copy.batch(stream))))
        async with asyncio.timeout(WAIT_S):
            said = decode(await ws.receive_bytes())
            await ws.receive()  # nothing of it comes after the end

    assert isinstance(said, Refused) and said.code == "fork"
    assert sql("SELECT stream, last FROM received") == [("sales", 1)]


async def test_a_token_on_the_wrong_hub_ends_the_line(
    cloud: Any, new_writer: Any, tokens: Any, caplog: pytest.LogCaptureFixture, talking: Any
) -> None:
    writer = new_writer("hk02:bb")
    writer.sell("s1")

    async with talking(cloud, talking.hub(writer), tokens["hk01"]) as talk, asyncio.timeout(WAIT_S):
        end = await talk

    assert end.code == "refused"
    assert any("used by another replica" in record.message for record in caplog.records)


async def test_what_is_no_frame_ends_the_connection(cloud: Any, tokens: Any) -> None:
    headers = {"Authorization": f"Bearer {tokens['hk01']}"}
    hello = encode(Hello(rep="hk01:x", vector=(), t1_ms=1))
    for messages in ([b"nonsense"], [b""], [hello, b"\xc1"], [hello, hello]):
        async with (
            cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,)) as ws,
            asyncio.timeout(WAIT_S),
        ):
            for message in messages:
                await ws.send_bytes(message)
            async for _ in ws:
                pass

    assert (await cloud.get("/readyz")).status == 200


STRANGE: list[Any] = [
    b"no JSON",
    b"\xff\xfe\x00",
    b"null",
    {"sale": {"sale_id": 5}},
    {"sale": {"sale_id": "a\0b", "lines": []}},
    {"sale": None},
    b'[{"k":' * 300 + b"1" + b"}]" * 300,
    b'{"sale":{"sale_id":"x","total":' + b"9" * 300 + b"}}",
]


@pytest.mark.parametrize("stream", ["sales", "returns", "of-a-later-version"])
async def test_rows_that_cannot_be_read_are_kept_aside_and_the_stream_flows_on(
    *, cloud: Any, writer: Any, tokens: Any, sql: Any, talking: Any, stream: str
) -> None:
    for row in STRANGE:
        writer.write(stream, row)
    writer.sell("after", 1)
    hub = talking.hub(writer)
    rows = len(writer.logs[stream])

    async with talking(cloud, hub, tokens["hk01"]):
        await hub.until(lambda: hub.safe.get(stream) == rows and hub.safe.get("sales") == len(writer.logs["sales"]))
        item = await cloud.store_item()

    assert item["sales"]["count"] == 1
    assert sql("SELECT count(*) FROM fact") == [(len(STRANGE) + 1,)], "as the bytes they are"
    assert (await cloud.get("/readyz")).status == 200


@pytest.mark.parametrize(("mode", "every_s"), [("realtime", 0.0), ("scheduled", 300.0)])
async def test_a_store_is_told_when_to_dial(
    start_cloud: Any, writer: Any, tokens: Any, mode: str, every_s: float
) -> None:
    section = {"token": tokens["hk01"], "mode": mode} | ({"every_s": every_s} if every_s else {})
    cloud = await start_cloud(stores={"hk01": section})
    headers = {"Authorization": f"Bearer {tokens['hk01']}"}
    async with (
        cloud.session.ws_connect(f"{cloud.url}/sync/v1/link", headers=headers, protocols=(SUBPROTOCOL,)) as ws,
        asyncio.timeout(WAIT_S),
    ):
        await ws.send_bytes(encode(Hello(rep=writer.rep, vector=(), t1_ms=1)))
        answer = decode((await ws.receive()).data)

    assert isinstance(answer, HelloOk) and (answer.mode, answer.every_s) == (mode, every_s)
