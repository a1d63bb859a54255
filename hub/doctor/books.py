"""The books on the disk: SQLite, whole or not, and copies of them. Not here: whether sums agree (`storehub audit`)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.backup.kept import LATE_AFTER, kept_in
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
    yield _backup(config, datetime.fromtimestamp(now_ms / 1000, UTC))


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


def _backup(config: Config, now: datetime) -> Finding:
    if not config.backup.to or not config.backup.recipients:
        return warning("backup", "none is configured", "[backup] to and recipients: see docs/backup.md")
    folder = Path(config.backup.to)
    found = kept_in(folder, config.shop.store_id) if folder.is_dir() else []
    if not found:
        return fault("backup", f"there is none in {folder}", "`storehub backup make`; is the medium mounted?")
    age = now - found[0].made_at
    if age > LATE_AFTER:
        remedy = "`storehub backup make`, and see why none was made: `journalctl -u store-hub-backup`"
        return fault("backup", f"the newest is {age // timedelta(hours=1)} hours old", remedy)
    return well("backup", f"{len(found)} in {folder}, the newest {age // timedelta(hours=1)} hours old")
