"""Who was erased, beside the database: a copy of an earlier day does not know it, and must not serve their data again.

One id a line, as a JSON string, in DIR/erased.list, made durable before an erasure that is asked here commits, and after one
that comes by the line. At each start what the list names is erased where it is not; so it has to be kept when a database is put
back. Not here: SQL (hub.store.people.erasure).
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from hub.store.people.arrivals import note_listed, unlisted
from sync.db import Database
from sync.json_errors import NOT_JSON

LIST = "erased.list"
_id = msgspec.json.Decoder(str)


class Erasures:
    """The list of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LIST

    def add(self, member_ids: Iterable[str]) -> None:
        """Make these durable; a torn last line of a crash harms none of the others. Raise OSError."""
        lines = b"".join(b"\n" + msgspec.json.encode(member_id) + b"\n" for member_id in member_ids)
        with self._path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def all(self) -> list[str]:
        """Return who was erased, each once."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        found: dict[str, None] = {}
        for line in lines:
            with suppress(*NOT_JSON):
                found[_id.decode(line)] = None
        return list(found)


async def list_erased(db: Database, erasures: Erasures) -> None:
    """List who was erased since, whoever asked for it, and cut the write-ahead log; nothing to do costs one read."""
    erased = unlisted(db.read)
    if not erased:
        return
    known = set(erasures.all())
    erasures.add(each for each in erased if each not in known)
    await db.write(lambda tx: note_listed(tx, erased))
    await db.empty_log()
