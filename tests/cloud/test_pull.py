"""A store that the cloud asks: rounds, faults with their names, lives that end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from sync.batch import Boundary
from sync.cloud.talk import hub_http, pull
from sync.cloud.talk.hub_http import REMEDIES
from sync.errors import ForkError, SyncError
from tests.cloud.pulled_hub import HUB_TOKEN, PulledHub

WAIT_S = 60.0


@pytest.fixture
async def hub(writer: Any) -> AsyncIterator[PulledHub]:
    """A hub that can be asked, with 1,000 sales and two returns."""
    for n in range(1000):
        writer.sell(f"s{n}", 1)
    writer.give_back("r1", "s1")
    writer.give_back("r2", "s2")
    hub = PulledHub(writer)
    app = web.Application(middlewares=[hub.door])
    app.router.add_post("/sync/v1/hello", hub.hello)
    app.router.add_get("/sync/v1/streams", hub.streams)
    app.router.add_get("/sync/v1/feed", hub.feed)
    app.router.add_post("/sync/v1/ack", hub.ack)
    app.router.add_post("/sync/v1/batch", hub.batch)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hub.port = runner.addresses[0][1]
    yield hub
    hub.gate.set()
    await runner.cleanup()


@pytest.fixture
async def pulling(start_cloud: Any, hub: PulledHub, tokens: Any) -> Any:
    """A cloud that pulls hk01 when a test says so."""
    section = {"token": tokens["hk01"], "mode": "pull", "url": f"http://127.0.0.1:{hub.port}", "hub_token": HUB_TOKEN}
    return await start_cloud(stores={"hk01": section | {"every_s": 0.1}}, pulling=False)


async def failed(cloud: Any) -> SyncError:
    with pytest.raises(SyncError) as caught:
        await cloud.pulls[0].round()
    return caught.value


async def test_a_round_takes_everything_acknowledges_it_and_brings_the_catalogue(pulling: Any, hub: PulledHub) -> None:
    entry = {"product": {"sku": "A", "name": {"en": "A"}}, "price": {"amount": 1, "currency": "HKD"}}
    await pulling.post("/cloud/v1/products", {"entries": [entry]})

    await pulling.pulls[0].round()
    await pulling.pulls[0].round()

    item = await pulling.store_item()
    assert (item["sales"]["count"], item["sales"]["returns"]) == (1000, 2)
    assert hub.acked == {"sales": 1000, "returns": 2}
    assert [json.loads(row)["kind"] for row in hub.catalogue] == ["product", "price"]


async def test_the_next_round_goes_on_where_the_last_one_ended(pulling: Any, hub: PulledHub, sql: Any) -> None:
    await pulling.pulls[0].round()
    for n in range(10):
        hub.writer.sell(f"later{n}", 1)
    await pulling.pulls[0].round()

    assert sql("SELECT last, row_count FROM received WHERE stream = 'sales'") == [(1010, 1010)]
    assert hub.acked["sales"] == 1010


async def test_what_is_sold_and_brought_back_during_a_round_comes_with_its_sale(
    pulling: Any, hub: PulledHub, sql: Any
) -> None:
    """Rows behind the end that the hub named wait for the next round: their causes may be in a stream that was asked before."""
    without_sale = """
        SELECT fact.n FROM fact JOIN feed ON feed.id = fact.stream
        WHERE feed.stream = 'returns' AND CAST(body AS TEXT) ->> '$.return.sale_id' NOT IN (SELECT key FROM fact_key)
    """
    hub.fault = "busy"
    await pulling.pulls[0].round()
    assert sql(without_sale) == []

    hub.fault = ""
    await pulling.pulls[0].round()
    assert hub.acked == {"sales": len(hub.writer.logs["sales"]), "returns": len(hub.writer.logs["returns"])}


async def test_an_ack_that_the_hub_forgot_is_given_again(pulling: Any, hub: PulledHub) -> None:
    await pulling.pulls[0].round()
    hub.acked.clear()

    await pulling.pulls[0].round()

    assert hub.acked == {"sales": 1000, "returns": 2}


async def test_a_gap_at_the_hub_is_filled(pulling: Any, hub: PulledHub) -> None:
    """The hub was set back between hello and batch: it says where it is, and is sent the rows again."""
    entries = [
        {"product": {"sku": f"S{n}", "name": {"en": "x"}}, "price": {"amount": 1, "currency": "HKD"}} for n in range(9)
    ]
    await pulling.post("/cloud/v1/products", {"entries": entries[:4]})
    await pulling.pulls[0].round()
    await pulling.post("/cloud/v1/products", {"entries": entries[4:]})
    hub.forget_catalogue = True

    await pulling.pulls[0].round()

    assert {json.loads(row)["sku"] for row in hub.catalogue} == {f"S{n}" for n in range(9)}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", "server_error"),
        ("portal", "not_a_hub"),
        ("redirect", "not_a_hub"),
        ("token", "refused"),
        ("cut", "protocol"),
        ("skip", "gap"),
        ("digest", "protocol"),
        ("garbage", "protocol"),
        ("bomb", "too_large"),
        ("endless", "too_large"),
        ("hang_up", "cut"),
    ],
)
async def test_a_fault_has_a_name_and_a_remedy_and_nothing_of_it_is_kept(
    pulling: Any, hub: PulledHub, sql: Any, fault: str, code: str
) -> None:
    hub.fault = fault

    err = await failed(pulling)

    assert pull.reason_of(err) == code and code in REMEDIES
    assert sql("SELECT count(*) FROM fact") == [(0,)]
    assert hub.acked == {}
    hub.fault = ""
    await pulling.pulls[0].round()
    assert hub.acked == {"sales": 1000, "returns": 2}
    assert (await pulling.store_item())["sales"]["count"] == 1000


async def test_a_hub_that_says_nothing_is_left_in_time(
    pulling: Any, hub: PulledHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(hub_http, "ANSWER_TIMEOUT_S", 0.2)
    hub.fault = "silent"

    assert (await failed(pulling)).code == "timeout"


async def test_a_hub_that_is_not_there_is_unreachable(start_cloud: Any, tokens: Any) -> None:
    section = {"token": tokens["hk01"], "mode": "pull", "url": "http://127.0.0.1:1", "hub_token": HUB_TOKEN}
    cloud = await start_cloud(stores={"hk01": section}, pulling=False)

    assert (await failed(cloud)).code == "unreachable"


async def test_another_hub_under_the_url_is_refused(pulling: Any, hub: PulledHub) -> None:
    hub.rep = "hk02:bb"

    assert "answers, not hk01" in (await failed(pulling)).detail


async def test_a_catalogue_boundary_that_was_never_offered_makes_the_cloud_somebody_else(
    pulling: Any, hub: PulledHub, caplog: pytest.LogCaptureFixture
) -> None:
    """As on the WebSocket: this cloud was restored from a copy, the store knows more of it than it does."""
    before = pulling.books().rep
    hub.held[before, "catalogue"] = Boundary(7, b"8 bytes!")

    assert (await failed(pulling)).code == "fork"
    assert pulling.books().rep != before
    assert any("begins a new life" in record.message for record in caplog.records)
    await pulling.pulls[0].round()
    assert hub.acked == {"sales": 1000, "returns": 2}


async def test_a_hub_that_begins_a_new_life_is_asked_again_as_somebody_else(
    pulling: Any, hub: PulledHub, new_writer: Any, sql: Any
) -> None:
    """It answers 409, then greets under its new name, gives up the old one and passes on what it holds of it."""
    old, hub.fault = hub.writer, "fork"
    assert (await failed(pulling)).code == "fork"
    hub.fault, hub.writer, hub.siblings = "", new_writer("hk01:cccccccccccccccc"), [old]
    hub.former = [{"rep": old.rep, "heads": {"sales": 1000, "returns": 2}}]
    hub.writer.sell("after", 1)

    await pulling.pulls[0].round()
    await pulling.pulls[0].round()

    assert sql("SELECT count(*) FROM ended_life WHERE sealed_ms IS NOT NULL") == [(1,)]
    assert hub.sealed == [old.rep], "and the hub is told"
    assert hub.acked == {"sales": 1}, "what is passed on is acknowledged by nobody"
    assert sql("SELECT last FROM received WHERE stream = 'sales' ORDER BY last") == [(1,), (1000,)]


async def test_a_hub_whose_copy_was_faster_is_a_fork_and_its_returns_are_not_taken(
    pulling: Any, hub: PulledHub, new_writer: Any, sql: Any
) -> None:
    copy = new_writer(hub.writer.rep)
    for n in range(1000):
        copy.sell(f"other{n}", 1)
    hub.meanwhile = lambda: pulling.books().apply(copy.batch("sales"))

    err = await failed(pulling)

    assert isinstance(err, ForkError) and pull.reason_of(err) == "fork"
    assert sql("SELECT stream, last FROM received") == [("sales", 1000)]


async def test_a_sealed_hub_that_comes_back_is_told_and_nothing_of_it_is_taken(
    pulling: Any, hub: PulledHub, sql: Any
) -> None:
    await pulling.pulls[0].round()
    await pulling.cloud.books.end_life(hub.writer.rep, heir="hk01:cccccccccccccccc", why="head office", wanted=None)
    for n in range(5):
        hub.writer.sell(f"late{n}", 1)

    assert (await failed(pulling)).code == "fork"
    assert hub.sealed == [hub.writer.rep]
    assert sql("SELECT max(last) FROM received WHERE stream = 'sales'") == [(1000,)]


async def test_other_lives_go_both_ways(pulling: Any, hub: PulledHub, new_writer: Any, sql: Any) -> None:
    """What this hub passes on comes up; what the cloud holds of other lives of the store goes down."""
    elsewhere, sibling = new_writer("hk01:dddddddddddddddd"), new_writer("hk01:eeeeeeeeeeeeeeee")
    for n in range(3):
        elsewhere.sell(f"e{n}", 1)
    for n in range(900):
        sibling.sell(f"x{n}", 1)
    await pulling.books().apply(elsewhere.batch())
    hub.siblings = [sibling]

    await pulling.pulls[0].round()

    assert hub.relayed[elsewhere.rep, "sales"] == [1, 2, 3]
    assert sql("SELECT row_count FROM received WHERE stream = 'sales' ORDER BY row_count") == [(3,), (900,), (1000,)]


async def test_another_past_of_a_third_is_not_passed_on_and_harms_nobody(
    pulling: Any, hub: PulledHub, new_writer: Any
) -> None:
    elsewhere = new_writer("hk01:dddddddddddddddd")
    elsewhere.sell("e1", 1)
    await pulling.books().apply(elsewhere.batch())
    hub.held[elsewhere.rep, "sales"] = Boundary(7, b"8 bytes!")

    await pulling.pulls[0].round()

    assert hub.relayed == {} and hub.acked == {"sales": 1000, "returns": 2}


async def test_a_fault_is_logged_once_when_it_comes_and_once_when_it_goes(
    start_cloud: Any, hub: PulledHub, tokens: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hub.fault = "500"
    section = {"token": tokens["hk01"], "mode": "pull", "url": f"http://127.0.0.1:{hub.port}", "hub_token": HUB_TOKEN}
    cloud = await start_cloud(stores={"hk01": section | {"every_s": 0.1}})
    puller = cloud.pulls[0]

    def wake() -> None:
        puller._wake.set()  # the back-off is for real lines

    async def rounds(count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            wanted = puller.rounds + count
            while puller.rounds < wanted:
                wake()
                await cloud.get("/healthz")

    await rounds(3)
    assert not (await cloud.store_item())["connected"]
    hub.fault = ""
    await rounds(3)
    item = await cloud.store_item()

    said = [(record.levelname, record.message) for record in caplog.records if record.name == "sync.cloud.talk.pull"]
    assert said == [("WARNING", "a store cannot be pulled"), ("INFO", "a store is pulled")]
    assert (item["connected"], item["rep"], item["sales"]["count"]) == (True, hub.writer.rep, 1000)
    assert item["clock_offset_ms"] == 500
    assert HUB_TOKEN not in caplog.text


async def test_the_demo_line_ends_a_round_under_way_and_holds_the_next(
    start_cloud: Any, hub: PulledHub, tokens: Any
) -> None:
    section = {"token": tokens["hk01"], "mode": "pull", "url": f"http://127.0.0.1:{hub.port}", "hub_token": HUB_TOKEN}
    cloud = await start_cloud(stores={"hk01": section | {"every_s": 0.1}})
    puller = cloud.pulls[0]
    async with asyncio.timeout(WAIT_S):
        while not (await cloud.store_item())["connected"]:
            pass
        hub.fault = "silent"
        while puller._limit is None:
            await cloud.get("/healthz")
        await cloud.post("/cloud/v1/demo/line", {"up": False})
        while puller._limit is not None:
            await cloud.get("/healthz")
        for _ in range(20):  # what the ended round had sent may reach the hub after the end
            await cloud.get("/healthz")
        hub.fault, asked = "", hub.asked
        held = await cloud.store_item()
        for _ in range(20):
            puller._wake.set()
            await cloud.get("/healthz")
        assert hub.asked == asked
        await cloud.post("/cloud/v1/demo/line", {"up": True})
        while not (await cloud.store_item())["connected"]:
            puller._wake.set()

    assert (held["connected"], held["line_up"]) == (False, False)
