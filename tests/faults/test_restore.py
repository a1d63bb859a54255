"""Restore drills: a hub sells, is backed up, sells on and dies; other hardware gets its books from each kind of target.

The judge is that of the kills: plain sqlite3, json and hashlib.
"""

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.backup.age import Identity
from hub.client import HubClient
from hub.store.model import Entry
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from tests.faults.test_kill import OPENING, SKUS, Tills
from tests.hub.s3_store import BUCKET, ID, REGION, SECRET, S3Store, s3_store
from tests.hub.test_backup_targets import sshd

BACKUP = """
[backup]
to = "{stick}"
feed_to = "{feed}"
recipients = ["{recipient}"]
[backup.s3]
endpoint = "{endpoint}"
bucket = "{bucket}"
region = "{region}"
access_key_id = "{id}"
secret_key_file = "{secret}"
"""
RSYNC = """
[backup.rsync]
to = "127.0.0.1:{there.folder}"
port = {there.port}
key_file = "{there.key}"
known_hosts = "{there.known_hosts}"
"""
SOURCES = ("folder", "s3", "rsync") if shutil.which("rsync") and shutil.which("sshd") else ("folder", "s3")
__all__ = ["sshd"]


@pytest.fixture
async def store_there() -> AsyncIterator[S3Store]:
    with s3_store() as there:
        yield there


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, small_disk: Path, store_there: S3Store) -> str:
    (tmp_path / "stick").mkdir()
    there = request.getfixturevalue("sshd") if "rsync" in SOURCES else None
    key = Identity.new()
    (tmp_path / "key").write_text(key.secret)
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return BACKUP.format(
        stick=tmp_path / "stick",
        feed=small_disk,
        recipient=key.recipient,
        endpoint=store_there.endpoint,
        bucket=BUCKET,
        region=REGION,
        id=ID,
        secret=secret,
    ) + (RSYNC.format(there=there) if there else "")


async def storehub(*words: str, says: str = "", code: int = 0) -> None:
    command = [sys.executable, "-m", "hub", *words]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert ran.returncode == code and says in ran.stdout + ran.stderr, (words, ran.returncode, ran.stdout, ran.stderr)


async def sell(session: aiohttp.ClientSession, sales: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for sale in sales:
        async with session.post("/v1/sales", json=sale) as answer:
            assert answer.status in (200, 201), await answer.text()
    return sales


async def safe(session: aiohttp.ClientSession, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            async with session.post("/v1/sales/status", json={"ids": []}) as answer:
                if (await answer.json())["safe"]["upto"] == count:
                    return
            await asyncio.sleep(0.05)


async def test_other_hardware_gets_every_safe_sale_back_from_each_kind_of_target(
    hub_process: Callable[..., Any], judge: Any, settings: str, tmp_path: Path, small_disk: Path
) -> None:
    hub = hub_process(cloud=settings, folder="dead")
    await hub.start()
    async with hub.control() as control:
        await control.put_products(
            [Entry(Product(sku=sku, name=Name(en=sku)), Price(1000, "HKD"), OPENING) for sku in SKUS]
        )
        code = await control.make_code("till")
    async with HubClient(hub.url) as client:
        paired = await client.pair(code, "till")
    tills = Tills(random.Random(7), hub.url)
    drawn = [tills.draw_sale(paired.till_id) | {"print": False} for _ in range(6)]
    head = {"Authorization": f"Bearer {paired.token}"}
    at = ["--config", str(hub.folder / "hub.toml")]
    async with aiohttp.ClientSession(hub.url, headers=head) as session:
        sold = await sell(session, drawn[:3])
        await storehub("backup", "make", "--reason", "upgrade", *at, says="read back and whole")
        sold += await sell(session, drawn[3:])
        await safe(session, 6)
    await hub.kill()
    shutil.rmtree(hub.folder)

    def check(folder: Path, sales: list[dict[str, Any]]) -> None:
        verdict = judge(folder)
        assert verdict.integrity == "ok" and not verdict.streams_that_differ()
        assert sorted(verdict.answers) == sorted(sale["sale_id"] for sale in sales)
        assert not verdict.wrong_stock(dict.fromkeys(SKUS, OPENING), sales)

    key = ["--identity", str(tmp_path / "key")]
    for source in SOURCES:
        new = hub_process(cloud=settings, folder=f"from-{source}")
        onto = ["--config", str(new.folder / "hub.toml")]
        await storehub("restore", "--from", source, *key, *onto, says="begins a new life")
        check(new.folder, sold[:3])
        feed = ["--feed", str(small_disk)]
        await storehub(
            "restore", "--from", source, "--over", *feed, *key, *onto, says="3 rows that were not in the backup"
        )
        check(new.folder, sold)

    await new.start()
    async with aiohttp.ClientSession(new.url, headers=head) as session:
        again = await sell(session, sold)  # a till that has not heard posts them again
        more = await sell(session, [tills.draw_sale(paired.till_id) | {"print": False}])
        await safe(session, 7)
    await new.kill()
    check(new.folder, again + more)
