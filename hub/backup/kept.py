"""The backups that lie on a medium, by their names."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

SUFFIX = ".backup.tar.zst.age"
LATE_AFTER = timedelta(hours=26)  # a night and a slow start
_NAME = re.compile(r"(?P<store>.+)-(?P<at>[0-9]{8}T[0-9]{6}Z)" + re.escape(SUFFIX))


class Kept(Struct, frozen=True):
    """A backup on the medium."""

    path: Path
    made_at: datetime
    bytes: int


def kept_in(folder: Path, store: str) -> list[Kept]:
    """Return a store's backups in a folder, the newest first."""
    found = []
    for path in folder.glob(f"{store}-*{SUFFIX}"):
        said = _NAME.fullmatch(path.name)
        if said and said["store"] == store:
            made_at = datetime.strptime(said["at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            found.append(Kept(path, made_at, path.stat().st_size))
    return sorted(found, key=lambda each: each.made_at, reverse=True)
