"""How the hub stands to the cloud, by its API: alone, on a line that it dials, resting, beside a reader."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sync.feed import read_feed
from sync.line.link import Conversation
from sync.model import Feed
from sync.protocol import FRAME_MAX, SUBPROTOCOL
from sync.retail.catalogue.catalogue import Price
from sync.retail.catalogue.registers import price_row, write_row
from sync.testing.memory_books import MemoryBooks

CLOUD = "cloud:00000000000000cc"


class FarEnd:
    """A cloud in memory on a real socket."""

    def __init__(self) -> None:
        self.books = MemoryBooks(CLOUD)
        self.now_ms = 1_790_000_100_000
        self.port = 0
        self.conversations: set[web.WebSocketResponse] = set()
        self.is_open = True

    async def link(self, request: web.Request) -> web.StreamResponse:
        if not self.is_open:
            return web.Response(status=500)
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=FRAME_MAX)
        await ws.prepare(request)
        self.conversations.add(ws)
        await Conversation("acceptor", self.books, now_ms=lambda: self.now_ms).run(ws)
        return ws

    async def cut(self) -> None:
        self.is_open = False
        for ws in self.conversations:
            await ws.close()


@pytest.fixture
async def far_end() -> AsyncIterator[FarEnd]:
    end = FarEnd()
    app = web.Application()
    app.router.add_get("/sync/v1/link", end.link)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    end.port = runner.addresses[0][1]
    yield end
    await runner.cleanup()


@pytest.fixture
async def joined(start_hub: Any, far_end: FarEnd) -> Any:
    """A hub that dials the far end."""
    url = f"http://127.0.0.1:{far_end.port}"
    return await start_hub(cloud={"url": url, "token": "store-token", "reconnect_max_s": 0.1})


async def test_a_hub_alone_says_that_there_is_one_copy(till: Any) -> None:
    await till.post("/v1/sales", till.sale())
    view = (await till.get("/v1/sync")).json

    assert (view["mode"], view["up"], view["rows_waiting"]) == ("alone", False, 0)
    assert view["safe"]["upto"] == 0


async def test_a_sale_becomes_safe_when_the_cloud_has_it(
    joined: Any, pair_till: Any, until: Callable[..., Any], far_end: FarEnd
) -> None:
    till = await pair_till(joined)
    sale = till.sale()
    answer = (await till.post("/v1/sales", sale)).json
    ask = lambda: till.post("/v1/sales/status", {"ids": [sale["sale_id"], "never-sold"]})  # noqa: E731
    status = (await until(ask, lambda got: got.json["sales"][0]["safe"])).json

    assert status["sales"] == [
        {"sale_id": sale["sale_id"], "durable": True, "safe": True},
        {"sale_id": "never-sold", "durable": False, "safe": False},
    ]
    assert status["safe"] == {"rep": answer["dot"]["rep"], "upto": answer["dot"]["seq"]}
    (row,) = far_end.books.rows_of(answer["dot"]["rep"], "sales").values()
    assert json.loads(row)["sale"]["sale_id"] == sale["sale_id"]


async def test_a_safe_sale_is_safe_in_the_next_life_too(
    joined: Any, pair_till: Any, until: Callable[..., Any], far_end: FarEnd, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a till would keep it for ever."""
    till = await pair_till(joined)
    sale = till.sale()
    dot = (await till.post("/v1/sales", sale)).json["dot"]
    ask = lambda: till.post("/v1/sales/status", {"ids": [sale["sale_id"]]})  # noqa: E731
    await until(ask, lambda got: got.json["sales"][0]["safe"])
    await far_end.cut()
    lost = {"rep": dot["rep"], "seq": dot["seq"] + 1, "key": "answered-and-lost"}
    anew = till.sale()
    answer = (await till.post("/v1/sales", anew | {"seen": lost})).json

    assert answer["dot"]["rep"] != dot["rep"]
    status = (await till.post("/v1/sales/status", {"ids": [sale["sale_id"], anew["sale_id"]]})).json
    assert [each["safe"] for each in status["sales"]] == [True, False]
    caplog.clear()  # the new life is said as an error


async def test_tills_are_told_what_is_safe(joined: Any, pair_till: Any) -> None:
    till = await pair_till(joined)
    async with till.events() as ws, asyncio.timeout(30):
        await till.post("/v1/sales", till.sale())
        async for message in ws:
            event = json.loads(message.data)
            if event["type"] == "sync" and event["data"]["safe"]["upto"] == 1:
                break

    assert event["data"]["up"] and event["data"]["mode"] == "realtime"


async def test_with_the_line_down_rows_wait_and_the_reason_is_named(
    joined: Any, pair_till: Any, until: Callable[..., Any], far_end: FarEnd
) -> None:
    till = await pair_till(joined)
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"] and not got.json["rows_waiting"])
    await far_end.cut()
    await until(lambda: till.get("/v1/sync"), lambda got: got.json.get("reason") == "server_error")
    for _ in range(3):
        assert (await till.post("/v1/sales", till.sale())).status == 201
    view = (await till.get("/v1/sync")).json

    assert view["up"] is False
    assert view["waiting"]["sales"] == 3 and view["rows_waiting"] >= 3
    assert view["oldest"].startswith("2026-09-21T14:13:20") and "look at its log" in view["remedy"]
    far_end.is_open = True
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"] and not got.json["rows_waiting"])
    assert len(far_end.books.rows_of(view["safe"]["rep"], "sales")) == 3


async def test_a_clock_a_year_off_is_named_and_decides_nothing(
    start_hub: Any, far_end: FarEnd, pair_till: Any, until: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    far_end.now_ms += 365 * 86_400_000
    url = f"http://127.0.0.1:{far_end.port}"
    till = await pair_till(await start_hub(cloud={"url": url, "token": "store-token", "reconnect_max_s": 0.1}))
    sold = (await till.post("/v1/sales", till.sale())).json
    view = (await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"] and not got.json["rows_waiting"])).json

    assert view["clock_offset_ms"] == pytest.approx(365 * 86_400_000 + 100_000)
    assert view["safe"]["upto"] == sold["dot"]["seq"]
    assert [record.levelname for record in caplog.records if "set the time" in record.message] == ["WARNING"]


async def test_prices_come_down_and_screens_are_told(joined: Any, pair_till: Any, far_end: FarEnd) -> None:
    till = await pair_till(joined)
    async with till.events() as ws, asyncio.timeout(30):
        row = write_row(price_row("TEA-01", Price(999, "HKD"), 1))
        far_end.books.write("catalogue", row, feed=Feed.STATE)
        async for message in ws:
            if json.loads(message.data)["type"] == "catalogue":
                break

    assert (await till.get("/v1/products/TEA-01")).json["price"]["amount"] == 999


async def test_the_cloud_keeps_the_catalogue_of_a_joined_store(joined: Any) -> None:
    connector = aiohttp.UnixConnector(str(joined.config.control_socket))
    async with aiohttp.ClientSession("http://hub", connector=connector) as session:
        async with session.post("/control/products", json={"entries": []}) as response:
            refused = (response.status, (await response.json())["code"])
        async with session.post("/control/openings", json={"openings": [{"sku": "NEW", "qty": 7}]}) as response:
            booked = await response.json()
        async with session.post("/control/openings", json={"openings": [{"sku": "NEW", "qty": 9}]}) as response:
            again = await response.json()

    assert refused == (422, "joined")
    assert (booked, again) == ({"booked": 1}, {"booked": 0})


async def feed(puller: Any, **query: str) -> Any:
    return await puller.get("/sync/v1/feed", **({"stream": "sales"} | query))


async def test_a_reader_beside_the_cloud_makes_nothing_safe(
    joined: Any, pair_till: Any, until: Callable[..., Any], far_end: FarEnd
) -> None:
    till, reader = await pair_till(joined), await pair_till(joined, "cloud")
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"])
    await far_end.cut()
    await till.post("/v1/sales", till.sale())
    batch = read_feed((await feed(reader)).body)
    assert batch is not None
    acked = await reader.post("/sync/v1/ack", {"stream": "sales", "last": 1, "digest": batch.digest.hex()})
    streams = (await reader.get("/sync/v1/streams")).json["streams"]

    assert acked.status == 200
    assert [each["acked"] for each in streams if each["stream"] == "sales"] == [1]
    assert (await till.get("/v1/sync")).json["safe"]["upto"] == 0


def held(rep: str, stream: str, last: int, digest: str = "07" * 8) -> dict[str, Any]:
    return {"rep": rep, "stream": stream, "last": last, "digest": digest}


async def rep_of(asker: Any) -> str:
    return str((await asker.get("/sync/v1/streams")).json["rep"])


async def test_a_reader_beside_the_cloud_makes_nobody_somebody_else(
    joined: Any, pair_till: Any, until: Callable[..., Any]
) -> None:
    till, reader = await pair_till(joined), await pair_till(joined, "cloud")
    await till.post("/v1/sales", till.sale())
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["safe"]["upto"] == 1)
    before = await rep_of(reader)
    answer = await reader.post("/sync/v1/hello", {"rep": CLOUD, "vector": [held(before, "sales", 9)]})

    assert (answer.status, answer.json["code"]) == (409, "fork")
    assert await rep_of(reader) == before


async def test_a_scheduled_hub_says_when_it_speaks_next_and_speaks_when_asked(
    start_hub: Any, far_end: FarEnd, pair_till: Any, until: Callable[..., Any]
) -> None:
    url = f"http://127.0.0.1:{far_end.port}"
    cloud = {"url": url, "token": "store-token", "mode": "scheduled", "every_s": 3600}
    till = await pair_till(await start_hub(cloud=cloud))
    rests = (await until(lambda: till.get("/v1/sync"), lambda got: got.json.get("reason") == "scheduled")).json
    await till.post("/v1/sales", till.sale())
    waits = (await till.get("/v1/sync")).json
    asked = await till.post("/v1/sync/now", None)
    safe = (await until(lambda: till.get("/v1/sync"), lambda got: got.json["safe"]["upto"] == 1)).json

    assert (rests["mode"], rests["every_s"], rests["up"], rests["transport"]) == (
        "scheduled",
        3600.0,
        False,
        "websocket",
    )
    assert rests["next_contact"].startswith("2026-09-21T1") and "/v1/sync/now" in rests["remedy"]
    assert waits["rows_waiting"] >= 1 and waits["safe"]["upto"] == 0
    assert (asked.status, asked.json) == (202, {"dials": True, "mode": "scheduled"})
    assert safe["mode"] == "scheduled"


async def test_rows_that_break_the_schedule_are_safe_at_once(
    start_hub: Any, far_end: FarEnd, pair_till: Any, until: Callable[..., Any]
) -> None:
    url = f"http://127.0.0.1:{far_end.port}"
    cloud = {"url": url, "token": "store-token", "mode": "scheduled", "every_s": 3600, "wake_for": ["sales"]}
    till = await pair_till(await start_hub(cloud=cloud))
    await until(lambda: till.get("/v1/sync"), lambda got: got.json.get("reason") == "scheduled")
    await till.post("/v1/sales", till.sale())

    await until(lambda: till.get("/v1/sync"), lambda got: got.json["safe"]["upto"] == 1)


@pytest.mark.parametrize("cloud", [None, {"mode": "pull"}])
async def test_a_hub_that_does_not_dial_says_so_when_asked(start_hub: Any, pair_till: Any, cloud: Any) -> None:
    hub = await start_hub(cloud=cloud) if cloud else await start_hub()
    till = await pair_till(hub)
    answer = await till.post("/v1/sync/now", None)

    assert (answer.status, answer.json) == (200, {"dials": False, "mode": "pull" if cloud else "alone"})


async def test_failures_in_a_row_are_shown_with_the_next_try(
    joined: Any, pair_till: Any, until: Callable[..., Any], far_end: FarEnd
) -> None:
    till = await pair_till(joined)
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"])
    await far_end.cut()
    view = (await until(lambda: till.get("/v1/sync"), lambda got: got.json.get("failures", 0) >= 3)).json

    assert view["mode"] == "realtime" and view["remedy"] and view["next_contact"]
