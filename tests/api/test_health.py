"""What the gate of an upgrade asks: does this process sell, which version is it, has it ended meanwhile."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from hub.migrations import MIGRATIONS
from sync.db import open_database
from sync.store.replicas import identify, touch


async def test_readiness_names_the_version_that_runs_and_when_it_began(hub: Any, pair_till: Any) -> None:
    stranger = await pair_till(hub, scope=None)
    first = (await stranger.get("/readyz")).json
    hub.clock.now_ms += 60_000
    again = (await stranger.get("/readyz")).json

    assert first["version"] == version("store-hub") == hub.runtime.version
    assert first["started_at"] == again["started_at"] == "2026-09-21T14:13:20.000+00:00"


async def test_a_process_that_has_written_nothing_has_proved_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: identify(tx, "hk01", incarnation="0123456789abcdef", now_ms=1))
        assert db.is_proven
    async with open_database(tmp_path / "hub.db", migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("SELECT 1").fetchone())
        assert not db.is_proven
        await db.write(touch)
        assert db.is_proven
