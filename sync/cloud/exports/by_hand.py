"""`storehub cloud export --day D`: a day's files, also while the cloud runs: the database is only read."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar
from zoneinfo import ZoneInfo

from sync.cloud.config import CloudConfig
from sync.cloud.databases import connect_to_read
from sync.cloud.exports.making import Made, export_day
from sync.cloud.handing.settings import Exports
from sync.errors import StartError

T = TypeVar("T")


def export_by_hand(
    config: CloudConfig, day: str, *, folder: Path | None, bom: bool, clock_ns: Callable[[], int]
) -> Made:
    """Make the files of a day; raise StartError for a day that is none, without a folder, or a database that does not open."""
    try:
        said = date.fromisoformat(day).isoformat()
    except ValueError as err:
        raise StartError(f"--day {day!r} is no day; write it as 2026-11-22") from err
    exports = config.handing.exports
    if exports is None and folder is None:
        raise StartError("there is no folder for the files; write [exports] dir in cloud.toml, or say --dir")
    where = (folder or Path()).resolve() if exports is None else exports.folder
    wanted = replace(exports, folder=folder.resolve()) if exports and folder else exports
    wanted = replace(wanted or Exports(where, ZoneInfo("UTC")), bom=bom or (exports is not None and exports.bom))
    try:
        with closing(connect_to_read(config)) as read:
            return asyncio.run(_make(read, wanted, said, clock_ns() // 1_000_000))
    except sqlite3.Error as err:
        raise StartError(f"the cloud's database: {err}; start the cloud once with this version") from err


async def _make(read: Connection, config: Exports, day: str, now_ms: int) -> Made:
    async def look(find: Callable[[Connection], T], /) -> T:
        return find(read)

    return await export_day(look, config, day, now_ms=now_ms)
