"""The feed of a hub copied to a second medium while it sells, and put back from there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hub.backup.age import Identity
from hub.config import Config, parse_config
from hub.medium.copying import FeedCopy
from hub.medium.replay import Replayed, replay_feed
from hub.store.upkeep.copying import mark_restored
from hub.store.upkeep.siblings import RELAYED
from sync.store.streams import stream_heads
from tests.hub.lives_world import NOW_MS, Machine

KEY = Identity.new()


def config(folder: Path, medium: Path, **more: Any) -> Config:
    raw = {
        "store": {"id": "hk01", "name_zh_hant": "示範店", "name_en": "Demo", "currency": "HKD"},
        "data": {"dir": str(folder)},
        "backup": {"feed_to": str(medium), "recipients": [KEY.recipient], **more},
    }
    return parse_config(raw, base=folder)


@asynccontextmanager
async def copying(machine: Machine, settings: Config) -> AsyncIterator[Callable[..., Any]]:
    """Copy meanwhile; yields what waits until something is so."""
    changed = asyncio.Event()
    copy = FeedCopy(settings, machine.db, machine.books, now_ms=lambda: NOW_MS, on_change=changed.set)
    task = asyncio.create_task(copy.run())

    async def until(holds: Callable[[], bool]) -> FeedCopy:
        async with asyncio.timeout(60):
            while not holds():
                changed.clear()
                copy.grown()
                await changed.wait()
        return copy

    yield until
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def is_copied(machine: Machine) -> bool:
    heads = stream_heads(machine.db.read, machine.books.replica)
    return all(machine.books.holders.medium.get(each, 0) == last for each, last in heads.items() if each in RELAYED)


async def copy_all(machine: Machine, settings: Config) -> None:
    async with copying(machine, settings) as until:
        await until(lambda: is_copied(machine))


def put_back(database: Path, medium: Path, *, key: Identity = KEY, is_whole: bool = True) -> Replayed:
    done = replay_feed(database, medium, key, is_whole=is_whole, now_ms=NOW_MS)
    mark_restored(database)
    return done


def segments(medium: Path) -> list[Path]:
    return sorted(medium.glob("*.feed"))
