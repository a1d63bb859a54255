"""A hub as a process on a real disk that fills to the last byte, and on an ext4 that gives up writing after an error."""

import asyncio
import resource
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.client import new_id
from hub.migrations import MIGRATIONS
from hub.store.catalogue.products import put_products
from hub.store.model import Entry
from sync.db import open_database
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.store.replicas import identify

DISK = """
[disk]
thin_below_mib = 3
stop_below_mib = 2
refuse_below_mib = 1
reserve_mib = 1
"""
NOW_MS = 1_790_000_000_000
WAIT_S = 60.0
SIZE_MAX = 16 * 1024  # bytes of a file: less than the write-ahead log has after a few sales


@dataclass
class Shop:
    """A till of a hub process."""

    session: aiohttp.ClientSession
    till_id: str

    async def sell(self, sale_id: str) -> tuple[int, Any]:
        body = {
            "sale_id": sale_id,
            "till_id": self.till_id,
            "currency": "HKD",
            "lines": [{"line": 1, "sku": "TEA", "qty": 1, "unit_price": 1000}],
            "tenders": [{"type": "cash", "amount": 1000}],
            "total": 1000,
        }
        async with self.session.post("/v1/sales", json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(path) as response:
            return response.status, await response.json()

    async def until(self, path: str, **wanted: Any) -> Any:
        async with asyncio.timeout(WAIT_S):
            while True:
                _, said = await self.get(path)
                if all(said.get(name) == value for name, value in wanted.items()):
                    return said
                await asyncio.sleep(0.02)


async def one_product(folder: Path) -> None:
    async with open_database(folder / "hub.db", migrations=MIGRATIONS, synchronous="off") as db:
        replica = await db.write(lambda tx: identify(tx, "hk01", incarnation="00000000000000aa", now_ms=NOW_MS))
        goods = [Entry(Product(sku="TEA", name=Name(en="Tea")), Price(1000, "HKD"), 10_000)]
        await db.write(lambda tx: put_products(tx, replica, goods, location="shop", now_ms=NOW_MS))


@asynccontextmanager
async def shop_of(hub: Any, token: str = "") -> AsyncIterator[Shop]:
    async with aiohttp.ClientSession(hub.url) as session:
        till_id = ""
        if not token:
            async with hub.control() as control:
                code = await control.make_code("till")
            async with session.post("/v1/pair", json={"code": code, "name": "till"}) as response:
                paired = await response.json()
            token, till_id = paired["token"], paired["till_id"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield Shop(session, till_id)


def configure(hub: Any) -> None:
    path = hub.folder / "hub.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("[disk]\nreserve_mib = 0\n", DISK), encoding="utf-8")


@pytest.mark.megabytes(8)
async def test_a_hub_on_a_full_disk_refuses_loses_nothing_starts_again_and_sells_when_there_is_room(
    small_disk: Path, hub_process: Any, judge: Any
) -> None:
    hub = hub_process(folder="small")
    configure(hub)
    await one_product(hub.folder)
    await hub.start()
    answered = []
    async with shop_of(hub) as shop:
        await shop.until("/v1/disk", state="well", reserve_bytes=1 << 20)
        ballast = fill(small_disk)
        await shop.until("/v1/disk", state="reserve")
        for _ in range(3000):
            status, said = await shop.sell(sale_id := new_id())
            if status != 201:
                break
            answered.append(sale_id)
        assert (status, said["code"], set(said["remedy"])) == (503, "no_space", {"en", "zh-Hant"})
        assert (await shop.get("/v1/products/TEA"))[0] == 200
        ballast.unlink()
        await shop.until("/v1/disk", state="well", reserve_bytes=1 << 20)
        again = [await shop.sell(each) for each in (*answered, sale_id)]
        token = shop.session.headers["Authorization"]

        ballast = fill(small_disk)  # a power cut on a disk that is full: the reserve lets it start again
        await hub.kill()
        await hub.start()
        async with shop.session.get("/v1/products/TEA", headers={"Authorization": token}) as response:
            assert response.status == 200
        assert (await shop.sell(last := new_id()))[0] == 201
    await hub.kill()
    ballast.unlink()

    assert [status for status, _ in again] == [200] * len(answered) + [201]
    verdict = judge(hub.folder)
    assert verdict.integrity == "ok" and len(answered) > 100
    assert {row[2] for row in verdict.sales} == {*answered, sale_id, last} and len(verdict.sales) == len(answered) + 2
    assert verdict.streams_that_differ() == []


async def test_a_disk_that_turned_read_only_refuses_sales_and_shows_prices_until_it_is_mounted_anew(
    ext4: "Ext4", hub_process: Any, judge: Any
) -> None:
    hub = hub_process(folder="small")
    await one_product(hub.folder)
    ext4.keep()  # the configuration: what is sold is the hub's own matter
    await hub.start()
    async with shop_of(hub) as shop:
        answered = [new_id() for _ in range(20)]
        assert [(await shop.sell(each))[0] for each in answered] == [201] * 20
        ext4.give_up()
        refused = [await shop.sell(each) for each in ("r1", "r2")]
        await shop.until("/v1/disk", state="read_only", takes_sales=False)
        known = await shop.sell(answered[0])
        shown, ready = await shop.get("/v1/products/TEA"), await shop.get("/readyz")
        ext4.mount_anew()
        assert await hub.died(WAIT_S), "what is open lies on a disk that is gone"
        assert hub.process.returncode == 1, "systemd starts it again"
        await hub.start()
        repeated = [(await shop.sell(each))[0] for each in (*answered, "r1", "r2")]
    await hub.kill()

    assert [(status, said["code"]) for status, said in refused] == [(503, "read_only")] * 2
    assert (shown[0], ready[0], ready[1]["code"]) == (200, 503, "not_ready")
    assert known[0] in (200, 503)
    assert repeated == [200] * 20 + [201] * 2
    assert {row[2] for row in judge(hub.folder).sales} == {*answered, "r1", "r2"}


async def test_a_hub_whose_disk_turned_read_only_is_stopped_in_good_order(ext4: "Ext4", hub_process: Any) -> None:
    hub = hub_process(folder="small")
    await one_product(hub.folder)
    ext4.keep()
    await hub.start()
    async with shop_of(hub) as shop:
        ext4.give_up()
        assert (await shop.sell("r1"))[0] == 503
    hub.process.terminate()
    assert await hub.died(WAIT_S) and hub.process.returncode == 0


async def test_writes_that_fail_for_a_while_are_refused_and_go_on_in_the_same_process(
    hub_process: Any, judge: Any
) -> None:
    """A limit on the size of files stands in for a card with I/O errors: SQLite is told the same."""
    hub = hub_process()
    await one_product(hub.folder)
    await hub.start()
    async with shop_of(hub) as shop:
        answered = [new_id() for _ in range(20)]
        assert [(await shop.sell(each))[0] for each in answered] == [201] * 20
        before = resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (SIZE_MAX, resource.RLIM_INFINITY))
        refused = [await shop.sell(each) for each in ("f1", "f2")]
        await shop.until("/v1/disk", state="failing", takes_sales=False)
        shown, ready = await shop.get("/v1/products/TEA"), await shop.get("/readyz")
        resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, before)
        await shop.until("/v1/disk", state="well")
        assert [(await shop.sell(each))[0] for each in (*answered, "f1", "f2")] == [200] * 20 + [201] * 2
    await hub.kill()

    assert [(status, said["code"]) for status, said in refused] == [(503, "outcome_unknown")] * 2
    assert (shown[0], ready[0]) == (200, 503)
    verdict = judge(hub.folder)
    assert verdict.integrity == "ok" and {row[2] for row in verdict.sales} == {*answered, "f1", "f2"}
    assert verdict.streams_that_differ() == []


@dataclass
class Ext4:
    """An ext4 in a file, that can be brought to the state in which the kernel leaves one after an error."""

    image: Path
    folder: Path

    def mount(self) -> bool:
        command = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder)]
        return subprocess.run(command, check=False).returncode == 0

    @property
    def _device(self) -> str:
        said = subprocess.run(["losetup", "-j", str(self.image)], capture_output=True, text=True, check=True).stdout
        return said.partition(":")[0].rpartition("/")[2]

    def keep(self) -> None:
        subprocess.run(["sync", "-f", str(self.folder)], check=True)

    def give_up(self) -> None:
        Path(f"/sys/fs/ext4/{self._device}/trigger_fs_error").write_text("a test asks for it", encoding="ascii")

    def mount_anew(self) -> None:
        """As after `umount`, `fsck` and `mount`, with processes that hold on to what was there."""
        copy = self.image.with_suffix(".mended")
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        copy.write_bytes(self.image.read_bytes())
        subprocess.run(["e2fsck", "-fy", str(copy)], check=False, capture_output=True)
        self.image = copy
        assert self.mount()


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Ext4]:
    """A file system of 24 megabytes; only root can mount one."""
    made = Ext4(tmp_path / "ext4.image", tmp_path / "small")
    made.folder.mkdir()
    with made.image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(made.image)], check=True)
    if not made.mount():
        pytest.skip("no right to mount a small file system")
    yield made
    subprocess.run(["umount", "--lazy", str(made.folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return folder / "ballast"
