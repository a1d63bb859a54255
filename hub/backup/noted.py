"""What the last backups came to, in `backups.json` of the data folder: written by who makes them, read by hub and
doctor."""

import os
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from sync.json_errors import NOT_JSON

NOTED = "backups.json"


class Made(Struct, frozen=True):
    """The newest whole backup at a target: the life that it is of, and how far that life's streams are in it."""

    name: str
    made_at: datetime
    bytes: int
    rep: str
    heads: dict[str, int]


class Told(Struct, frozen=True):
    """A target: what is there, and why the last one did not come there ("": it did)."""

    tried_at: datetime
    made: Made | None = None
    error: str = ""


def read_noted(data_dir: Path) -> dict[str, Told]:
    """Return what is known of each target, by its name; nothing where nothing was ever made."""
    try:
        return msgspec.json.decode((data_dir / NOTED).read_bytes(), type=dict[str, Told])
    except (OSError, *NOT_JSON):
        return {}


def note(data_dir: Path, told: dict[str, Told]) -> None:
    """Write down what came of these targets; what is known of others stays. Raise OSError."""
    known = read_noted(data_dir)
    for name, each in told.items():
        before = known.get(name)
        made = each.made or (before.made if before else None)
        known[name] = msgspec.structs.replace(each, made=made)
    new = data_dir / f"{NOTED}.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(known)))
    new.replace(data_dir / NOTED)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def covered(data_dir: Path, rep: str) -> dict[str, int]:
    """Return how far each stream of a life is in the newest whole backup of it."""
    found = [told.made for told in read_noted(data_dir).values() if told.made is not None and told.made.rep == rep]
    return max(found, key=lambda made: made.made_at).heads if found else {}
