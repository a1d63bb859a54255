"""Promises over HTTP: head office sells on line what the stores have granted, and sees who holds what."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from sync.cloud.config import parse_cloud_config
from sync.cloud.databases import begin_file
from sync.cloud.main import open_cloud
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.rights.contact import Contact
from sync.cloud.store import CloudBooks
from sync.cloud.web.http import CLOUD, translate_errors
from sync.cloud.web.promise_routes import CONTACT, promise_routes
from sync.db import open_database
from sync.errors import ConfigError
from tests.cloud.conftest import OFFICE, TOKENS
from tests.cloud.hub_side import STARTED_MS, Writer

SHARED = {"online_share_pct": 100, "single_item": False}


class Client:
    """Head office, and a store that has granted rights."""

    def __init__(self, http: TestClient[Any, Any], books: CloudBooks, contact: Contact, cloud_rep: str) -> None:
        self.http, self.books, self.contact, self.cloud_rep = http, books, contact, cloud_rep
        self.writer = Writer()

    async def grant(self, qty: int) -> None:
        """The store received goods and granted all of them."""
        level = {"v": 1, "sku": "TEA-01", "location": "shop", "received": qty, "issued": 0}
        grant = {"v": 1, "sku": "TEA-01", "location": "shop", "giver": self.writer.rep, "taker": self.cloud_rep}
        await self.books.apply(self.writer.state("levels", (1, level)))
        await self.books.apply(self.writer.state("grants", (1, grant | {"n": qty, "levels_seq": 1})))
        await self.contact.look()

    async def post(self, path: str, body: Any = None, *, token: str = OFFICE) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(path, json=body or {}, headers=headers) as response:
            return response.status, await response.json()

    async def promise(self, promise_id: str, qty: int, **more: Any) -> tuple[int, Any]:
        body = {"promise_id": promise_id, "order_id": "o1", "sku": "TEA-01", "store": "hk01", "qty": qty}
        return await self.post("/cloud/v1/promises", body | more)

    async def rights(self, **query: str) -> tuple[int, Any]:
        asked = {"sku": "TEA-01", "store": "hk01"} | query
        headers = {"Authorization": f"Bearer {OFFICE}"}
        async with self.http.get("/cloud/v1/rights", params=asked, headers=headers) as response:
            return response.status, await response.json()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Client]:
    raw = {
        "stores": {store: {"token": token, "rights": SHARED} for store, token in TOKENS.items()},
        "tokens": [{"name": "office", "token": OFFICE}],
    }
    config = parse_cloud_config(raw, base=folder)
    begin_file(config.database)
    async with open_database(config.database, migrations=MIGRATIONS) as db:
        cloud = await open_cloud(config, db, now_ms=lambda: STARTED_MS)
        app = web.Application(middlewares=[translate_errors])
        app[CLOUD], app[CONTACT] = cloud, Contact(cloud.books, config.rights)
        app.add_routes(promise_routes())
        async with TestClient(TestServer(app)) as http:
            yield Client(http, CloudBooks(cloud.books, "hk01"), app[CONTACT], cloud.books.replica.rep)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Client]:
    """Head office of a cloud that holds the rights to ten pieces."""
    async with running(tmp_path) as client:
        await client.grant(10)
        yield client


async def test_an_order_is_promised_once(office: Client) -> None:
    first, again = await office.promise("p1", 4), await office.promise("p1", 4)

    assert (first[0], again[0]) == (201, 200)
    assert first[1] == {"status": "created", "promise_id": "p1", "left": 6}


async def test_a_refusal_says_what_is_left(office: Client) -> None:
    await office.promise("p1", 8)
    status, body = await office.promise("p2", 3)

    assert (status, body["code"], body["left"]) == (409, "no_right", 2)
    assert set(body["remedy"]) == {"en", "zh-Hant"}


async def test_another_content_under_a_known_id_is_refused(office: Client) -> None:
    await office.promise("p1", 1)
    status, body = await office.promise("p1", 2)

    assert (status, body["code"]) == (409, "other_content")


async def test_a_cancelled_promise_is_given_back_once(office: Client) -> None:
    await office.promise("p1", 10, keeper="cloud")
    done = [await office.post("/cloud/v1/promises/p1/cancel") for _ in range(3)]
    _, account = await office.rights()

    assert [status for status, _ in done] == [200, 200, 200]
    assert [each["right"] for each in account["holders"] if each["rep"] == office.cloud_rep] == [10]
    assert account["difference"] is None


async def test_a_promise_that_the_store_keeps_is_asked_back(office: Client) -> None:
    await office.promise("p1", 1)
    status, body = await office.post("/cloud/v1/promises/p1/cancel")

    assert (status, body["status"]) == (202, "asked")


async def test_what_a_store_has_picked_is_not_cancelled(office: Client) -> None:
    await office.promise("p1", 2)
    picked = {"kind": "promise_end", "promise_id": "p1", "ending": "picked", "by": office.writer.rep}
    picked |= {"ended_at": "2026-09-21T10:00:00Z", "stock": [["TEA-01", "shop", -2]], "picked": [["TEA-01", "shop", 2]]}
    office.writer.write("promises", picked)
    await office.books.apply(office.writer.batch("promises"))
    await office.contact.look()
    status, body = await office.post("/cloud/v1/promises/p1/cancel")

    assert (status, body["code"]) == (409, "promise_ended")


async def test_the_account_shows_holders_and_what_is_promised(office: Client) -> None:
    await office.promise("p1", 4)
    status, account = await office.rights()

    assert status == 200
    assert (account["on_hand"], account["unpicked"], account["open_promises"]) == (10, 4, ["p1"])
    assert {each["rep"]: each["right"] for each in account["holders"]} == {office.writer.rep: 0, office.cloud_rep: 6}


async def test_the_audit_is_shown_to_prometheus(office: Client) -> None:
    registry = CollectorRegistry()
    office.contact.show_on(registry)

    assert registry.get_sample_value("storehub_cloud_right_differences") == 0


async def test_stores_ask_for_no_promises_and_unknown_ones_are_named(office: Client) -> None:
    body = {"promise_id": "p1", "order_id": "o1", "sku": "TEA-01", "store": "hk01", "qty": 1}

    assert (await office.post("/cloud/v1/promises", body, token=TOKENS["hk01"]))[0] == 403
    assert (await office.post("/cloud/v1/promises", body, token="x" * 20))[0] == 401
    assert (await office.promise("p1", 1, store="mars"))[0] == 404
    assert (await office.post("/cloud/v1/promises/none/cancel"))[0] == 404
    assert (await office.promise("p1", 0))[0] == 422
    assert (await office.promise("p1", 10**10))[0] == 422
    assert (await office.rights(store=""))[0] == 422


async def test_broken_endings_of_a_store_are_kept_and_end_nothing(office: Client) -> None:
    await office.promise("p1", 2)
    for row in (
        {"kind": "promise_end", "promise_id": 7},
        {"kind": "new"},
        b"[",
        {"kind": "promise_end", "promise_id": "p9"},
    ):
        office.writer.write("promises", row)
    await office.books.apply(office.writer.batch("promises"))
    await office.contact.look()
    _, account = await office.rights()

    assert account["open_promises"] == ["p1"]


@pytest.mark.parametrize("wrong", [{"online_share_pct": 101}, {"safety_stock": -1}, {"batch": 0}, {"bach": 1}])
def test_a_wrong_policy_stops_the_start(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        parse_cloud_config({"stores": {"hk01": {"token": TOKENS["hk01"], "rights": wrong}}}, base=tmp_path)
