"""The backups that lie at a target, by their names."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

SUFFIX = ".backup.tar.zst.age"
LATE_AFTER = timedelta(hours=26)  # a night and a slow start
_NAME = re.compile(r"(?P<store>.+)-(?P<at>[0-9]{8}T[0-9]{6}Z)" + re.escape(SUFFIX))


class Kept(Struct, frozen=True):
    """A backup at a target."""

    name: str
    made_at: datetime
    bytes: int


def name_of(store: str, made_at: datetime) -> str:
    """Return what a backup is called."""
    return f"{store}-{made_at.astimezone(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def kept_among(files: Iterable[tuple[str, int]], store: str) -> list[Kept]:
    """Return a store's backups among files, given as name and size, the newest first."""
    found = []
    for name, size in files:
        said = _NAME.fullmatch(name)
        if said and said["store"] == store:
            made_at = datetime.strptime(said["at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            found.append(Kept(name, made_at, size))
    return sorted(found, key=lambda each: each.made_at, reverse=True)
