"""The books on the disk: SQLite, whole or not, and copies of them. Not here: whether sums agree (`storehub audit`)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.backup.lateness import late
from hub.backup.noted import Told, read_noted
from hub.config import Config
from hub.doctor.findings import Finding, fault, warning, well
from hub.store.readers import open_to_read
from hub.store.upkeep.copying import damage
from sync.errors import StartError

STRICT_SINCE = (3, 37, 0)


def look_at_books(config: Config, *, now_ms: int, is_whole: bool) -> Iterator[Finding]:
    """Yield what was found; `is_whole` reads every page of the database, which takes a second for each 50 MB."""
    said = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < STRICT_SINCE:
        yield fault("SQLite", said, "the hub needs 3.37: Debian 12 has 3.40")
    else:
        yield well("SQLite", said)
    yield _database(config.database, is_whole=is_whole)
    yield from _backups(config, datetime.fromtimestamp(now_ms / 1000, UTC))


def _database(path: Path, *, is_whole: bool) -> Finding:
    try:
        with closing(open_to_read(path)) as read:
            wrong = damage(read) if is_whole else ""
    except StartError as err:
        return fault("database", str(err), "see the sentence before")
    if wrong:
        remedy = "stop the hub, `storehub restore` the newest backup: the cloud sends what came after it"
        return fault("database", f"{path} is damaged: {wrong}", remedy)
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    return well("database", f"{path}, {size}" + (", every page is well" if is_whole else "; --whole reads every page"))


def _backups(config: Config, now: datetime) -> Iterator[Finding]:
    """What the last one came to at each target, as it was written down then: a target may be slow to answer."""
    if not config.backup.targets or not config.backup.recipients:
        yield warning("backup", "none is configured", "[backup] to and recipients: see docs/backup.md")
        return
    told = read_noted(config.data_dir)
    for name in config.backup.targets:
        yield _backup(name, told.get(name), now)


def _backup(target: str, told: Told | None, now: datetime) -> Finding:
    about = f"backup {target}"
    if told is None or told.made is None:
        said = f"none was made: {told.error}" if told else "none was ever made"
        return fault(about, said, "`storehub backup make`")
    age = f"the newest is {(now - told.made.made_at) // timedelta(hours=1)} hours old"
    said = f"{age}; the last one failed: {told.error}" if told.error else f"{age}, {told.made.name}"
    if late([target], {target: told}, now):
        return fault(about, said, "`storehub backup make`, and see why none was made: `journalctl -u storehub-backup`")
    return warning(about, said, "`storehub backup make`") if told.error else well(about, said)
