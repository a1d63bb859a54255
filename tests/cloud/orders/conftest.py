"""Head office and shops in this process; a till that picks by scan and hands over.

What the cloud says is read by its own HTTP.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from hub.client import new_id
from tests.cloud.looking import looking

RIGHTS = {"online_share_pct": 50, "single_item": False}
STORES: dict[str, dict[str, Any]] = {
    store: {"token": f"{store}-token-0123456789", "rights": RIGHTS} for store in ("hk01", "hk02")
}
TEA, SHIRT = "04890000000010", "SHIRT-M"


@pytest.fixture
async def head_office(start_cloud: Any) -> AsyncIterator[Any]:
    cloud = await start_cloud(stores=STORES)
    async with looking(cloud):
        yield cloud


@pytest.fixture
def shop_of(head_office: Any, start_hub: Any, pair_till: Any, tmp_path: Path, until: Any) -> Any:
    """Start a shop that has granted half its goods to the cloud: `hub, till = await shop_of("hk01")`."""

    async def start(store: str, *, copy_of: str = "", url: str = "") -> Any:
        folder = f"{store}-copy" if copy_of else store
        (tmp_path / folder).mkdir()
        if copy_of:
            with (
                closing(connect(tmp_path / copy_of / "hub.db")) as card,
                closing(connect(tmp_path / folder / "hub.db")) as to,
            ):
                card.backup(to)
        name = {"name_zh_hant": store, "name_en": store, "currency": "HKD", "zone": "Asia/Hong_Kong"}
        hub = await start_hub(
            cloud={"url": url or head_office.url, "token": STORES[store]["token"], "reconnect_max_s": 0.1},
            store={"id": store} | name,
            data={"dir": folder},
            rights=RIGHTS,
        )
        till = await pair_till(hub, scope="manager")
        if not copy_of:
            await until(lambda: rights(head_office, store), lambda got: cloud_right(got) >= 10)
        return hub, till

    return start


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while said := await reader.read(65536):
            writer.write(said)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def way_to(cloud: Any, port: int) -> AsyncIterator[None]:
    """A second way to the cloud, open while inside."""

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", cloud.port)
        await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))

    async with await asyncio.start_server(through, "127.0.0.1", port):
        yield


async def rights(cloud: Any, store: str = "hk01", sku: str = "TEA-01") -> Any:
    return (await cloud.get("/cloud/v1/rights", sku=sku, store=store)).json


def cloud_right(account: Any) -> int:
    return sum(each["right"] for each in account["holders"] if each["rep"].startswith("cloud:"))


def web_order(order_id: str, *lines: tuple[str, int], **fields: Any) -> dict[str, Any]:
    numbered = [{"line": n, "sku": sku, "qty": qty} for n, (sku, qty) in enumerate(lines or (("TEA-01", 2),), 1)]
    return {"order_id": order_id, "kind": "click_and_collect", "lines": numbered, "name": "Chan 陳"} | fields


async def allocated(cloud: Any, till: Any, until: Any, order: dict[str, Any], store: str = "hk01") -> Any:
    """Create an order, give it to a store, wait until its till sees it."""
    path = f"/cloud/v1/orders/{order['order_id']}"
    assert (await cloud.post("/cloud/v1/orders", order)).status == 201
    given = await cloud.post(f"{path}/allocate", {"store": store})
    assert (given.status, given.json["status"]) == (200, "allocated"), given.body
    here = f"/v1/orders/{order['order_id']}"
    await until(lambda: till.get(here), lambda got: got.status == 200 and got.json["state"] == "allocated")
    return here


async def step(till: Any, path: str, state: str, **more: str) -> Any:
    return await till.post(f"{path}/steps", {"step_id": new_id(), "state": state} | more)


async def scan(till: Any, path: str, label: str, qty: int | None = None, scan_id: str = "") -> Any:
    said = {"scan_id": scan_id or new_id(), "label": label} | ({"qty": qty} if qty is not None else {})
    return await till.post(f"{path}/scans", said)


async def picking(till: Any, path: str, until: Any) -> None:
    """Begin to pick, once the promises have come."""
    await until(lambda: step(till, path, "picking"), lambda got: got.status == 201)


async def on_hand(till: Any, sku: str = "TEA-01") -> int:
    return int((await till.get(f"/v1/products/{sku}")).json["stock"]["on_hand"])


async def seen(cloud: Any, order_id: str, until: Any, state: str) -> Any:
    got = await until(lambda: cloud.get(f"/cloud/v1/orders/{order_id}"), lambda got: got.json.get("state") == state)
    return got.json


async def line_up(cloud: Any, up: bool, till: Any, until: Any) -> None:
    await cloud.post("/cloud/v1/demo/line", {"up": up})
    await until(lambda: till.get("/v1/sync"), lambda got: got.json["up"] is up)


async def at_rest(
    cloud: Any, until: Any, sku: str = "TEA-01", store: str = "hk01", *, on_hand: int | None = None
) -> Any:
    """Rights and promises come to what is there, as the cloud's own audit says; levels come behind what the steps say."""
    return await until(
        lambda: rights(cloud, store, sku),
        lambda got: got["difference"] is None and not got["open_promises"] and on_hand in (None, got["on_hand"]),
    )
