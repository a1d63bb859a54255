"""The cloud's disk is full: nothing is acknowledged that is not durable, and it recovers without a start."""

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from sync.errors import OutcomeUnknownError


def fill(folder: Path) -> Path:
    """Take all the room there is; return what took it."""
    ballast = folder / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(file, bytes(4096)):
            pass
    os.close(file)
    return ballast


async def test_a_full_disk_acknowledges_nothing_and_recovers_by_itself(
    small_disk: Path, start_cloud: Any, writer: Any, sql: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cloud = await start_cloud(folder=small_disk)
    for n in range(300):
        writer.sell(f"s{n}", 1)
    await cloud.books().apply(writer.batch("sales", 0, 50))
    ballast = fill(small_disk)

    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            await cloud.books().apply(writer.batch("sales", 50, 300))
    ready = await cloud.get("/readyz")
    entry = {"product": {"sku": "A", "name": {"en": "A"}}, "price": {"amount": 1, "currency": "HKD"}}
    imported = await cloud.post("/cloud/v1/products", {"entries": [entry]})
    kept = (await cloud.store_item())["sales"]["count"], cloud.books().vector("")
    ballast.unlink()
    again = await cloud.books().apply(writer.batch("sales", 50, 300))

    assert kept == (50, {(writer.rep, "sales"): writer.boundary("sales", 50)})
    assert (ready.status, ready.json["code"]) == (503, "not_ready")
    assert (imported.status, imported.json["code"], imported.headers["Retry-After"]) == (503, "no_space", "1")
    assert again == writer.boundary("sales", 300)
    assert (await cloud.get("/readyz")).status == 200
    assert (await cloud.store_item())["sales"]["count"] == 300
    assert sql("PRAGMA integrity_check", folder=small_disk) == [("ok",)]
    assert len([record for record in caplog.records if record.message == "commit failed; check the disk"]) == 1


async def test_a_store_on_the_line_is_told_and_sends_again_later(
    small_disk: Path, start_cloud: Any, writer: Any, talking: Any, tokens: Any
) -> None:
    cloud = await start_cloud(folder=small_disk)
    for n in range(200):
        writer.sell(f"s{n}", 1)
    ballast = fill(small_disk)
    hub = talking.hub(writer)

    async with talking(cloud, hub, tokens["hk01"]) as talk:
        end = await talk
    acknowledged = dict(hub.safe)
    ballast.unlink()
    async with talking(cloud, hub, tokens["hk01"]):
        await hub.until(lambda: hub.safe == {"sales": 200})

    assert (end.code, end.is_ours, acknowledged) == ("cannot_write", False, {"sales": 0})
    assert (await cloud.store_item())["sales"]["count"] == 200
