"""Which targets have no backup of last night, for everybody who tells a person. Pure; what is known:
hub.backup.noted."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from hub.backup.kept import LATE_AFTER
from hub.backup.noted import Told


class Late(Struct, frozen=True):
    """A target: how many hours old the newest is, None where there is none; why the last one did not come there."""

    target: str
    made_at: datetime | None
    hours: int | None
    error: str = ""


def late(targets: Iterable[str], told: Mapping[str, Told], now: datetime) -> list[Late]:
    """Return the targets whose newest backup is older than a night and a slow start."""
    found = []
    for target in targets:
        known = told.get(target)
        made = known.made if known else None
        error = known.error if known else ""
        if made is None:
            found.append(Late(target, None, None, error))
        elif now - made.made_at > LATE_AFTER:
            found.append(Late(target, made.made_at, (now - made.made_at) // timedelta(hours=1), error))
    return found
