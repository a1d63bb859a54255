"""How the hub stands to the cloud, by its API: alone, on a line, and asked by a cloud on the same network."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from backports import zstd

from hub.replication import Seen
from hub.store.stock.rights import Rule
from sync.batch import START, batch_of
from sync.feed import read_feed
from sync.line.link import Conversation
from sync.model import Feed
from sync.protocol import FRAME_MAX, SUBPROTOCOL, Ack, encode, packed
from sync.retail.catalogue.catalogue import Price
from sync.retail.catalogue.registers import price_row, write_row
from sync.retail.stock.rebalance import Policy
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


@pytest.fixture
async def puller(start_hub: Any, pair_till: Any) -> Any:
    """A cloud's token at a hub that waits to be asked, which has two sales."""
    hub = await start_hub(cloud={"mode": "pull"})
    till = await pair_till(hub)
    for _ in range(2):
        await till.post("/v1/sales", till.sale())
    return await pair_till(hub, "cloud")


async def feed(puller: Any, **query: str) -> Any:
    return await puller.get("/sync/v1/feed", **({"stream": "sales"} | query))


async def test_a_cloud_asks_takes_and_acknowledges(puller: Any) -> None:
    listed = (await puller.get("/sync/v1/streams")).json
    batch = read_feed((await feed(puller)).body)
    assert batch is not None
    acked = await puller.post("/sync/v1/ack", {"stream": "sales", "last": batch.last, "digest": batch.digest.hex()})
    empty = read_feed((await feed(puller, after=str(batch.last))).body)

    assert {"rep": listed["rep"], "stream": "sales", "feed": "log", "last": 2, "acked": 0, "floor": 0} in listed[
        "streams"
    ]
    assert {"levels", "returns", "footfall"} <= {each["stream"] for each in listed["streams"]}
    assert [seq for seq, _ in batch.rows] == [1, 2]
    assert (acked.status, acked.json["last"], empty) == (200, 2, None)


async def test_asking_frees_nothing_and_a_limit_is_kept(puller: Any) -> None:
    first = read_feed((await feed(puller, limit="1")).body)
    again = read_feed((await feed(puller, limit="1")).body)

    assert first == again and first is not None and len(first.rows) == 1
    rest = read_feed((await feed(puller, after="1")).body)
    assert rest is not None and rest.after == 1 and [seq for seq, _ in rest.rows] == [2]


async def test_a_feed_is_compressed_when_asked(puller: Any) -> None:
    plain = (await feed(puller)).body
    async with puller.session.get(
        "/sync/v1/feed?stream=sales",
        headers={"Authorization": f"Bearer {puller.token}", "Accept-Encoding": "zstd"},
        auto_decompress=False,
    ) as response:
        assert response.headers["Content-Encoding"] == "zstd"
        assert zstd.decompress(await response.read()) == plain


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"stream": "salse"}, 404, "stream"),
        ({"after": "77"}, 409, "fork"),
        ({"limit": "0"}, 422, "invalid_field"),
        ({"after": "-1"}, 422, "invalid_field"),
    ],
)
async def test_a_wrong_question_gets_a_clear_answer(puller: Any, query: Any, status: int, code: str) -> None:
    answer = await feed(puller, **query)

    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("last", [2, 9])
async def test_an_ack_of_what_was_never_offered_is_a_fork(puller: Any, last: int) -> None:
    await feed(puller)
    answer = await puller.post("/sync/v1/ack", {"stream": "sales", "last": last, "digest": "00" * 8})

    assert (answer.status, answer.json["code"]) == (409, "fork")


async def test_a_cloud_may_push_its_rows_by_http(puller: Any) -> None:
    row = write_row(price_row("TEA-01", Price(555, "HKD"), 3))
    first = batch_of(CLOUD, "catalogue", Feed.STATE, START, [(1, row)])
    later = batch_of(CLOUD, "catalogue", Feed.STATE, first.end, [(4, row)])
    gap = await puller.request("POST", "/sync/v1/batch", encode(packed(later)))
    taken = await puller.request("POST", "/sync/v1/batch", encode(packed(first)))
    hello = await puller.post("/sync/v1/hello", {"rep": CLOUD, "vector": []})

    assert (gap.json["gap"], gap.json["last"]) == (True, 0)
    assert (taken.json["gap"], taken.json["last"], taken.json["digest"]) == (False, 1, first.digest.hex())
    assert hello.json["vector"] == [{"rep": CLOUD, "stream": "catalogue", "last": 1, "digest": first.digest.hex()}]


@pytest.mark.parametrize("body", [b"", b"noise", encode(Ack(CLOUD, "catalogue", 1, bytes(8)))])
async def test_a_push_that_is_no_batch_is_refused(puller: Any, body: bytes) -> None:
    answer = await puller.request("POST", "/sync/v1/batch", body)

    assert (answer.status, answer.json["code"]) == (400, "protocol")


async def test_an_ack_never_goes_back_and_asking_is_being_up(
    puller: Any, pair_till: Any, until: Callable[..., Any]
) -> None:
    manager = await pair_till(puller.hub, "manager")
    before = (await manager.get("/v1/sync")).json
    await puller.get("/sync/v1/streams")
    batch = read_feed((await feed(puller)).body)
    assert batch is not None
    ack = {"stream": "sales", "last": batch.last, "digest": batch.digest.hex()}
    await puller.post("/sync/v1/ack", ack)
    await until(lambda: manager.get("/v1/sync"), lambda got: got.json["safe"]["upto"] == 2)
    await puller.post("/sync/v1/ack", {"stream": "sales", "last": 0, "digest": "00" * 8})
    asked = (await manager.get("/v1/sync")).json
    puller.hub.clock.now_ms += 16 * 60_000
    silent = (await manager.get("/v1/sync")).json

    assert before["up"] is False
    assert (asked["safe"]["upto"], asked["up"]) == (2, True)
    assert (silent["up"], silent["reason"]) == (False, "not_asked") and "hub_token" in silent["remedy"]


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


@pytest.mark.parametrize("path", ["/sync/v1/streams", "/sync/v1/feed?stream=sales"])
async def test_only_a_cloud_may_ask(start_hub: Any, pair_till: Any, path: str) -> None:
    hub = await start_hub(cloud={"mode": "pull"})
    till, nobody = await pair_till(hub), await pair_till(hub, None)

    assert (await till.get(path)).status == 403
    assert (await nobody.get(path)).status == 401


def held(rep: str, stream: str, last: int, digest: str = "07" * 8) -> dict[str, Any]:
    return {"rep": rep, "stream": stream, "last": last, "digest": digest}


async def rep_of(asker: Any) -> str:
    return str((await asker.get("/sync/v1/streams")).json["rep"])


@pytest.mark.parametrize("what", ["an unknown past", "a seal"])
async def test_a_cloud_that_knows_another_past_makes_the_hub_somebody_else(
    puller: Any, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As on the WebSocket: 409, and the next hello is the new life's, which has everything under its own name."""
    before = await rep_of(puller)
    known = {"sealed": [before]} if what == "a seal" else {"vector": [held(before, "sales", 9)]}
    body = {"rep": CLOUD} | known
    refused = await puller.post("/sync/v1/hello", body)
    greeted = (await puller.post("/sync/v1/hello", {"rep": CLOUD})).json
    sales = read_feed((await feed(puller)).body)

    assert (refused.status, refused.json["code"]) == (409, "fork")
    assert greeted["rep"] != before
    assert [life["rep"] for life in greeted["former"]] == [before]
    assert [record.levelname for record in caplog.records if "begun a new life" in record.message] == ["ERROR"]
    caplog.clear()  # an error that was wanted
    assert sales is not None and (sales.rep, len(sales.rows)) == (greeted["rep"], 2)


async def test_a_push_to_a_life_that_has_ended_is_refused_until_the_next_hello(
    puller: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A till bears witness between two requests of a round: what the cloud leaves out is what the ended life had itself."""
    greeted = (await puller.post("/sync/v1/hello", {"rep": CLOUD})).json["rep"]
    await puller.hub.runtime.replication.witness(Seen(greeted, 77, "a sale of another past"))
    caplog.clear()  # an error that was wanted
    row = write_row(price_row("TEA-01", Price(555, "HKD"), 3))
    batch = encode(packed(batch_of(CLOUD, "catalogue", Feed.STATE, START, [(1, row)])))
    refused = await puller.request("POST", "/sync/v1/batch", batch)
    await puller.post("/sync/v1/hello", {"rep": CLOUD})
    taken = await puller.request("POST", "/sync/v1/batch", batch)

    assert (refused.status, refused.json["code"]) == (409, "fork")
    assert (taken.status, taken.json["last"]) == (200, 1)


async def test_a_cloud_that_asks_and_has_forgotten_what_it_held_makes_it_unsafe_again(
    puller: Any, pair_till: Any, until: Callable[..., Any]
) -> None:
    manager = await pair_till(puller.hub, "manager")
    batch = read_feed((await feed(puller)).body)
    assert batch is not None
    said = held(await rep_of(puller), "sales", batch.last, batch.digest.hex())
    for vector, safe in (([said], batch.last), ([], 0)):
        assert (await puller.post("/sync/v1/hello", {"rep": CLOUD, "vector": vector})).status == 200
        await until(lambda: manager.get("/v1/sync"), lambda got: got.json["safe"]["upto"] == safe)  # noqa: B023


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


async def test_what_the_cloud_passes_on_comes_in_and_is_passed_on(puller: Any) -> None:
    """Sales of another life of this store, pushed by HTTP, are listed, fed under their own name, and acknowledged by nobody."""
    own = await rep_of(puller)
    other = own.rpartition(":")[0] + ":00000000000000dd"
    mine = read_feed((await feed(puller)).body)
    assert mine is not None
    rows = [(seq, row.replace(b'"sale_id":"', b'"sale_id":"other-')) for seq, row in mine.rows]
    batch = batch_of(other, "sales", Feed.LOG, START, rows)
    pushed = await puller.request("POST", "/sync/v1/batch", encode(packed(batch)))
    listed = (await puller.get("/sync/v1/streams")).json["streams"]
    fed = read_feed((await feed(puller, rep=other)).body)
    rest = read_feed(
        (
            await feed(
                puller, rep=other, after="1", digest=batch_of(other, "sales", Feed.LOG, START, rows[:1]).digest.hex()
            )
        ).body
    )
    acked = await puller.post("/sync/v1/ack", held(other, "sales", 2, batch.digest.hex()))
    status = (await puller.get("/sync/v1/streams")).json["streams"]

    assert (pushed.status, pushed.json["last"], pushed.json["gap"]) == (200, 2, False)
    assert [each["last"] for each in listed if each["rep"] == other and each["stream"] == "sales"] == [2]
    assert fed == batch
    assert rest is not None and rest.rows == batch.rows[1:] and rest.digest == batch.digest
    assert acked.status == 200
    assert [each["acked"] for each in status if each["rep"] == own and each["stream"] == "sales"] == [0]


async def test_a_feed_of_a_life_that_nobody_knows_is_not_found(puller: Any) -> None:
    answer = await feed(puller, rep="hk01:0000000000000000")

    assert (answer.status, answer.json["code"]) == (404, "stream")


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


async def test_a_shop_that_is_only_asked_shares_its_rights_too(start_hub: Any, pair_till: Any) -> None:
    """Its cloud is in contact when it asks: the web sells what is granted then."""
    hub = await start_hub(cloud={"mode": "pull"})
    hub.runtime.rights.rule = Rule(policy=Policy())
    puller = await pair_till(hub, "cloud")

    async def granted() -> int:
        listed = (await puller.get("/sync/v1/streams")).json
        return next(int(each["last"]) for each in listed["streams"] if each["stream"] == "grants")

    assert await granted() == 0, "nobody has said who he is"
    await puller.post("/sync/v1/hello", {"rep": "cloud:0000000000000001"})
    assert await granted() > 0
    assert hub.runtime.replication.contact == "cloud:0000000000000001"
