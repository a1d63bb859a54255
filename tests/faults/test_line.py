"""Hub and cloud as processes, `kill -9` of either in the middle of batches; both directions; both ends judged by plain SQL.

Replay a run with its seed: STOREHUB_SEED=12345 .venv/bin/pytest tests/faults/test_line.py -q -s
"""

import asyncio
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from hub.client import new_id
from hub.migrations import MIGRATIONS
from hub.store.catalogue.products import put_products
from hub.store.model import Entry, Shop
from hub.store.selling.sales import sale_job
from sync.db import open_database
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.retail.selling.sales import Sale, SaleLine, Tender
from sync.store.replicas import identify

BACKLOG = 3_000
KILLS = 60 if os.environ.get("STOREHUB_FULL") else 8
KILL_AFTER_S = (0.02, 0.35)  # a backlog drains in a fraction of a second: most kills find it on its way
WAIT_S = 60.0
GOODS = 1_700  # 3,400 rows of state: more than a window of batches may hold
PRICE = {"amount": 1000, "currency": "HKD", "per": 1}
TOGETHER = 200  # write jobs at once while the backlog is made
NOW_MS = 1_790_000_000_000
SHOP = Shop("hk01", Name(en="Demo shop"), ZoneInfo("Asia/Hong_Kong"), "HKD")
SKUS = ("TEA", "CUP", "POT")
STORE_TOKEN, OFFICE_TOKEN = "hk01-token-0123456789", "office-token-0123456789"
CLOUD = f"""
[cloud]
port = {{port}}
[stores.hk01]
token = "{STORE_TOKEN}"
[[tokens]]
name = "office"
token = "{OFFICE_TOKEN}"
"""
DIAL = """
[cloud]
url = "{url}"
token = "{token}"
reconnect_max_s = 0.1
"""
Row = tuple[str, int, bytes]


@pytest.fixture
def rng() -> random.Random:
    seed = int(os.environ.get("STOREHUB_SEED") or random.SystemRandom().randrange(10**9))
    print(f"replay: STOREHUB_SEED={seed} .venv/bin/pytest tests/faults/test_line.py -q -s")
    return random.Random(seed)


async def days_without_a_line(folder: Path, sales: int, rng: random.Random) -> None:
    """Fill a hub's folder with sales as a shop without a line makes them."""
    async with open_database(folder / "hub.db", migrations=MIGRATIONS, synchronous="off") as db:
        replica = await db.write(
            lambda tx: identify(tx, "hk01", incarnation=f"{rng.getrandbits(64):016x}", now_ms=NOW_MS)
        )
        goods = [Entry(Product(sku=sku, name=Name(en=sku)), Price(1000, "HKD"), 10_000) for sku in SKUS]
        await db.write(lambda tx: put_products(tx, replica, goods, location="shop", now_ms=NOW_MS))
        for first in range(0, sales, TOGETHER):
            async with asyncio.TaskGroup() as group:
                for _ in range(first, min(first + TOGETHER, sales)):
                    job = sale_job(replica, SHOP, draw_sale(rng), print_to=None, now_ms=NOW_MS)
                    group.create_task(db.write(job), name="sale")


def draw_sale(rng: random.Random) -> Sale:
    qty, sku = rng.randint(1, 3), rng.choice(SKUS)
    return Sale(
        sale_id=new_id(),
        till_id="t1",
        currency="HKD",
        lines=(SaleLine(1, sku, qty, 1000),),
        tenders=(Tender("cash", qty * 1000),),
        total=qty * 1000,
    )


def read_all(path: Path, sql: str) -> list[Any]:
    """Ask a file that may be in use, read-only."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
        return file.execute(sql).fetchall()


def rows_at_hub(folder: Path) -> list[Row]:
    rows = []
    for stream, table in (("sales", "sale"), ("stock", "stock_movement")):
        rows += [
            (stream, seq, body.encode()) for seq, body in read_all(folder / "hub.db", f"SELECT seq, body FROM {table}")
        ]
    return sorted(rows)


def rows_at_cloud(folder: Path) -> list[Row]:
    sql = "SELECT feed.stream, seq, body FROM fact JOIN feed ON feed.id = fact.stream WHERE feed.stream IN ('sales', 'stock')"
    return sorted(read_all(folder / "cloud.db", sql))


def levels_at_cloud(folder: Path) -> dict[str, tuple[int, int]]:
    sql = "SELECT body FROM tally JOIN feed ON feed.id = tally.stream WHERE feed.stream = 'levels'"
    rows = [json.loads(body) for (body,) in read_all(folder / "cloud.db", sql)]
    return {row["sku"]: (row["received"], row["issued"]) for row in rows}


def levels_by_facts(rows: list[Row]) -> dict[str, tuple[int, int]]:
    """Sum the effects of all facts, as the independent reader that the tallies are held against."""
    sums: dict[str, list[int]] = {}
    for _, _, body in rows:
        for sku, _place, qty in json.loads(body)["stock"]:
            sums.setdefault(sku, [0, 0])[qty < 0] += abs(qty)
    return {sku: (come, gone) for sku, (come, gone) in sums.items()}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - another process has no Event
            await asyncio.sleep(0.05)


def has_everything(hub: Path, cloud: Path) -> bool:
    if not (cloud / "cloud.db").exists():
        return False
    try:
        rows = rows_at_hub(hub)
        return rows_at_cloud(cloud) == rows and levels_at_cloud(cloud) == levels_by_facts(rows)
    except sqlite3.OperationalError:  # no table yet
        return False


async def test_kills_of_either_side_in_the_middle_of_batches_lose_and_double_nothing(
    hub_process: Any, cloud_process: Any, rng: random.Random
) -> None:
    cloud = cloud_process(CLOUD)
    hub = hub_process(cloud=DIAL.format(url=cloud.url, token=STORE_TOKEN))
    await days_without_a_line(hub.folder, BACKLOG, rng)
    await hub.start()
    await cloud.start()
    for _ in range(KILLS):
        await asyncio.sleep(rng.uniform(*KILL_AFTER_S))
        victims = rng.choice(([hub], [cloud], [hub, cloud]))
        for victim in victims:
            await victim.kill()
        for victim in victims:
            await victim.start()
    await until(lambda: has_everything(hub.folder, cloud.folder))
    await until(lambda: safe_at_hub(hub.folder) == BACKLOG)
    await cloud.kill()
    await hub.kill()

    arrived = rows_at_cloud(cloud.folder)
    assert arrived == rows_at_hub(hub.folder), "every row once, byte for byte"
    assert len([row for row in arrived if row[0] == "sales"]) == BACKLOG
    assert read_all(cloud.folder / "cloud.db", "SELECT count(*) FROM duplicate") == [(0,)]
    assert "Traceback" not in hub.log.read_text() + cloud.log.read_text()


def safe_at_hub(folder: Path) -> int:
    rows = read_all(folder / "hub.db", "SELECT last FROM acked WHERE stream = 'sales'")
    return int(rows[0][0]) if rows else 0


async def test_dialled_or_asked_the_cloud_has_the_same_books(
    hub_process: Any, cloud_process: Any, rng: random.Random
) -> None:
    """One shop's database, once by the hub's own dialling, once on a copy that the cloud asks by HTTP."""
    dialled_cloud = cloud_process(CLOUD, folder="cloud-dialled")
    dialling = hub_process(cloud=DIAL.format(url=dialled_cloud.url, token=STORE_TOKEN), folder="dialling")
    await days_without_a_line(dialling.folder, 700, rng)
    asked = hub_process(cloud='[cloud]\nmode = "pull"\n', folder="asked")
    shutil.copy(dialling.folder / "hub.db", asked.folder)

    await dialled_cloud.start()
    await dialling.start()
    await asked.start()
    async with asked.control() as control, aiohttp.ClientSession(asked.url) as session:
        code = await control.make_code("cloud")
        async with session.post("/v1/pair", json={"code": code, "name": "cloud"}) as response:
            hub_token = (await response.json())["token"]
    pulls = f'mode = "pull"\nurl = "{asked.url}"\nhub_token = "{hub_token}"\nevery_s = 0.2\n'
    asking_cloud = cloud_process(CLOUD.replace("[[tokens]]", pulls + "[[tokens]]"), folder="cloud-asking")
    await asking_cloud.start()
    await until(lambda: has_everything(dialling.folder, dialled_cloud.folder))
    await until(lambda: has_everything(asked.folder, asking_cloud.folder))
    await until(lambda: safe_at_hub(asked.folder) == safe_at_hub(dialling.folder) == 700)
    await until(lambda: owners(asked.folder) == owners(dialling.folder) == {"cloud"})

    assert rows_at_cloud(dialled_cloud.folder) == rows_at_cloud(asking_cloud.folder)
    assert levels_at_cloud(dialled_cloud.folder) == levels_at_cloud(asking_cloud.folder)
    assert prices_at_hub(asked.folder) == prices_at_hub(dialling.folder) == [(sku, 1000) for sku in sorted(SKUS)]


def owners(folder: Path) -> set[str]:
    """Who wrote the products that the hub has now."""
    sql = "SELECT DISTINCT store FROM product JOIN replica ON replica.id = product.replica"
    return {store for (store,) in read_all(folder / "hub.db", sql)}


def prices_at_hub(folder: Path) -> list[tuple[str, int]]:
    return read_all(folder / "hub.db", "SELECT sku, amount_minor FROM price ORDER BY sku")


async def test_prices_changed_while_the_line_was_down_come_down_when_it_is_back(
    hub_process: Any, cloud_process: Any, rng: random.Random
) -> None:
    cloud = cloud_process(CLOUD)
    hub = hub_process(cloud=DIAL.format(url=cloud.url, token=STORE_TOKEN))
    await days_without_a_line(hub.folder, 1, rng)
    await cloud.start()
    await hub.start()
    await until(lambda: owners(hub.folder) == {"cloud"})
    await hub.kill()
    entries = [
        {"product": {"sku": sku, "name": {"en": sku}}, "price": {"amount": amount, "currency": "HKD", "per": 1}}
        for sku, amount in (("TEA", 1100), ("NEW", 55))
    ]
    headers = {"Authorization": f"Bearer {OFFICE_TOKEN}"}
    async with (
        aiohttp.ClientSession(cloud.url, headers=headers) as office,
        office.post("/cloud/v1/products", json={"entries": entries}) as response,
    ):
        assert response.status == 200, await response.text()
    await hub.start()
    expected = [("CUP", 1000), ("NEW", 55), ("POT", 1000), ("TEA", 1100)]
    await until(lambda: prices_at_hub(hub.folder) == expected)


async def test_a_hub_killed_before_it_sends_a_window_has_stored_the_ends_of_all_of_it(
    hub_process: Any, cloud_process: Any
) -> None:
    cloud = cloud_process(CLOUD)
    hub = hub_process(cloud=DIAL.format(url=cloud.url, token=STORE_TOKEN))
    await goods_without_a_line(hub.folder)
    await cloud.start()
    await hub.start(failpoint="link.loaded:2")  # the first is the shop's own row
    assert await hub.died(WAIT_S)
    stored = offered(hub.folder / "hub.db")

    assert [last for last, _ in stored] == [1000, 2000], "one place has the shop's row, one is for what is urgent"
    assert heard(cloud.folder / "cloud.db", "hk01") == []
    await hub.start()
    await until(lambda: [last for last, _ in heard(cloud.folder / "cloud.db", "hk01")] == [2 * GOODS])
    assert heard(cloud.folder / "cloud.db", "hk01") == offered(hub.folder / "hub.db")[-1:]
    assert offered(hub.folder / "hub.db")[:2] == stored, "what was stored first stands"
    assert read_all(cloud.folder / "cloud.db", "SELECT count(*) FROM register") == [(2 * GOODS,)]


async def test_a_cloud_killed_before_it_sends_a_window_has_stored_the_ends_of_all_of_it(
    hub_process: Any, cloud_process: Any
) -> None:
    cloud = cloud_process(CLOUD)
    hub = hub_process(cloud=DIAL.format(url=cloud.url, token=STORE_TOKEN))
    await cloud.start(failpoint="link.loaded")
    headers = {"Authorization": f"Bearer {OFFICE_TOKEN}"}
    entries = [{"product": {"sku": f"S{n}", "name": {"en": "S"}}, "price": PRICE} for n in range(GOODS)]
    async with aiohttp.ClientSession(cloud.url, headers=headers) as office:
        for first in range(0, GOODS, TOGETHER):
            body = {"entries": entries[first : first + TOGETHER]}
            async with office.post("/cloud/v1/products", json=body) as response:
                assert response.status == 200, await response.text()
    await hub.start()
    assert await cloud.died(WAIT_S)
    stored = offered(cloud.folder / "cloud.db")

    assert [last for last, _ in stored][-3:] == [1000, 2000, 3000]
    assert heard(hub.folder / "hub.db", "cloud") == []
    await cloud.start()
    await until(lambda: [last for last, _ in heard(hub.folder / "hub.db", "cloud")] == [2 * GOODS])
    assert heard(hub.folder / "hub.db", "cloud") == offered(cloud.folder / "cloud.db")[-1:]
    assert len(prices_at_hub(hub.folder)) == GOODS


async def goods_without_a_line(folder: Path) -> None:
    """Fill a hub's folder with a catalogue of its own: two rows of state each."""
    async with open_database(folder / "hub.db", migrations=MIGRATIONS, synchronous="off") as db:
        replica = await db.write(lambda tx: identify(tx, "hk01", incarnation="00000000000000aa", now_ms=NOW_MS))
        goods = [Entry(Product(sku=f"S{n}", name=Name(en="S")), Price(1000, "HKD")) for n in range(GOODS)]
        for first in range(0, GOODS, TOGETHER):
            some = goods[first : first + TOGETHER]
            await db.write(lambda tx, some=some: put_products(tx, replica, some, location="shop", now_ms=NOW_MS))


def offered(path: Path) -> list[tuple[int, bytes]]:
    """Ends of the catalogue that its writer has stored."""
    return read_all(path, "SELECT last, digest FROM offered WHERE stream = 'catalogue' AND last > 0 ORDER BY last")


def heard(path: Path, store: str) -> list[tuple[int, bytes]]:
    """Where a reader stands in a writer's catalogue; empty when nothing of it has come."""
    return read_all(
        path,
        f"""
        SELECT last, digest FROM received JOIN replica ON replica.id = received.replica
        WHERE store = '{store}' AND stream = 'catalogue'
        """,
    )


async def test_a_hub_whose_disk_is_full_says_so_and_sends_everything_when_there_is_room_again(
    small_disk: Path, hub_process: Any, cloud_process: Any, rng: random.Random
) -> None:
    cloud = cloud_process(CLOUD)
    hub = hub_process(cloud=DIAL.format(url=cloud.url, token=STORE_TOKEN), folder="small")
    await days_without_a_line(hub.folder, 20, rng)
    await cloud.start()
    await hub.start()
    async with hub.control() as control, aiohttp.ClientSession(hub.url) as session:
        code = await control.make_code("till")
        async with session.post("/v1/pair", json={"code": code, "name": "till"}) as response:
            paired = await response.json()
        session.headers["Authorization"] = f"Bearer {paired['token']}"
        await until(lambda: has_everything(hub.folder, cloud.folder))
        ballast = fill(small_disk)
        statuses = {}
        for number in range(400):  # what is left in the log and the file takes some sales more
            sale_id = f"full-{number}"
            statuses[sale_id] = await sell(session, paired["till_id"], sale_id)
            if statuses[sale_id] == 503:
                break
        assert statuses[sale_id] == 503
        ballast.unlink()
        for sale_id in statuses:
            assert await sell(session, paired["till_id"], sale_id) in (200, 201)
        await until(lambda: has_everything(hub.folder, cloud.folder))
    await hub.kill()

    sales = [
        json.loads(body)["sale"]["sale_id"] for stream, _, body in rows_at_cloud(cloud.folder) if stream == "sales"
    ]
    assert {sale_id for sale_id in sales if sale_id.startswith("full-")} == set(statuses)
    assert len(sales) == len(set(sales)) == 20 + len(statuses)
    log = hub.log.read_text(encoding="utf-8")
    assert "commit failed; check the disk" in log and "commits go through again" in log


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return folder / "ballast"


async def sell(session: aiohttp.ClientSession, till_id: str, sale_id: str) -> int:
    line = {"line": 1, "sku": "TEA", "qty": 1, "unit_price": 1000}
    sale = {"sale_id": sale_id, "till_id": till_id, "currency": "HKD", "lines": [line], "total": 1000}
    sale["tenders"] = [{"type": "cash", "amount": 1000}]
    async with session.post("/v1/sales", json=sale) as response:
        return response.status
