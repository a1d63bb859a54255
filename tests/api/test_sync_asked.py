"""A hub that a cloud asks: what it hands over, takes, acknowledges and refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd

from hub.replication import Seen
from hub.store.stock.rights import Rule
from sync.batch import START, batch_of
from sync.feed import read_feed
from sync.model import Feed
from sync.protocol import Ack, encode, packed
from sync.retail.catalogue.catalogue import Price
from sync.retail.catalogue.registers import price_row, write_row
from sync.retail.stock.rebalance import Policy
from tests.api.test_sync import CLOUD, feed, held, rep_of


@pytest.fixture
async def puller(start_hub: Any, pair_till: Any) -> Any:
    """A cloud's token at a hub that waits to be asked, which has two sales."""
    hub = await start_hub(cloud={"mode": "pull"})
    till = await pair_till(hub)
    for _ in range(2):
        await till.post("/v1/sales", till.sale())
    return await pair_till(hub, "cloud")


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


@pytest.mark.parametrize("path", ["/sync/v1/streams", "/sync/v1/feed?stream=sales"])
async def test_only_a_cloud_may_ask(start_hub: Any, pair_till: Any, path: str) -> None:
    hub = await start_hub(cloud={"mode": "pull"})
    till, nobody = await pair_till(hub), await pair_till(hub, None)

    assert (await till.get(path)).status == 403
    assert (await nobody.get(path)).status == 401


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
