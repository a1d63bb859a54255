"""What a target of backups does, and what all of them share. Not here: making a backup (hub.backup.making)."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from hub.backup.kept import Kept
from sync.errors import StartError

T = TypeVar("T")
PAUSES_S = (5.0, 30.0, 120.0)  # between tries: a router that starts anew takes a minute or two


class DroppedError(StartError):
    """The line was cut, or the other side is overburdened: the same may be tried again."""


class Target(Protocol):
    """All of these wait for the other side, and raise StartError with the remedy."""

    @property
    def name(self) -> str:
        """What it is called by in the configuration."""

    @property
    def where(self) -> str:
        """The same for people: a path, an address."""

    def put(self, sealed: Path, name: str) -> None:
        """Bring a backup there and read it back; nothing of that name is there where this raises."""

    def get(self, name: str, into: Path) -> None:
        """Fetch one."""

    def kept(self, store: str) -> list[Kept]:
        """Return a store's backups, the newest first."""

    def remove(self, name: str) -> None:
        """Take one away; none of that name is as well."""


def digest_of(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_back(target: Target, sealed: Path, name: str) -> None:
    """Fetch what was brought and compare; where it differs it goes."""
    back = sealed.with_name(f"{sealed.name}.back")
    try:
        target.get(name, back)
        is_same = digest_of(back) == digest_of(sealed)
    finally:
        back.unlink(missing_ok=True)
    if not is_same:
        target.remove(name)
        raise StartError(f"{target.where}: what is read back is not what was brought; see to the disk there")


def trying(what: Callable[[], T], *, pauses_s: Sequence[float] = PAUSES_S) -> T:
    """Do something again where the line was cut, after each of these pauses; the last DroppedError stands."""
    for pause_s in pauses_s:
        try:
            return what()
        except DroppedError:
            time.sleep(pause_s)
    return what()
