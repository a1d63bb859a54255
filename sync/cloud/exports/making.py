"""Makes the files of one business day: its facts as tables, and with its first revision what stands at that moment.

Reads go through `look`, a page at a time, so that nobody else waits for a day of 180,000 lines. A day whose facts come to the
very same files again gets no new revision.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from sync import failpoints
from sync.cloud.exports import files
from sync.cloud.exports.days import STREAMS, new_rows, noted_rows, noted_upto, undated
from sync.cloud.exports.files import CsvFile, FileView, Manifest, Range, StreamRange
from sync.cloud.exports.states import states
from sync.cloud.handing.settings import Exports
from sync.cloud.handing.tables import ORIGIN, TABLES, TABLES_OF, Line, lines_of
from sync.cloud.web.views import FeedRow
from sync.errors import SyncError
from sync.store.replicas import own_replica

T = TypeVar("T")


class Look(Protocol):
    """Runs reads on a connection, and returns what they found."""

    def __call__(self, find: Callable[[Connection], T], /) -> Awaitable[T]: ...


class Made(Struct, frozen=True):
    """An export, and whether it is a new revision."""

    manifest: Manifest
    place: Path
    is_new: bool


async def export_day(look: Look, config: Exports, day: str, *, now_ms: int) -> Made:
    """Write a day's files; raise SyncError when they cannot be written: nothing is shown then."""
    before = files.newest(config.folder, day)
    number = max(files.revisions(config.folder, day), default=0) + 1
    try:
        beside = await asyncio.to_thread(files.begin, config.folder, day)
        manifest = await _written(look, config, beside, day, number, with_states=before is None, now_ms=now_ms)
        if before is not None and _facts(before) == _facts(manifest):
            await asyncio.to_thread(shutil.rmtree, beside)
            return Made(before, config.folder / day / f"r{before.revision}", is_new=False)
        failpoints.hit("export.written")
        return Made(manifest, await asyncio.to_thread(files.show, config.folder, beside, manifest), is_new=True)
    except OSError as err:
        reason = f"{err.filename or config.folder}: {err.strerror or err}"
        raise SyncError("export", f"{reason}; make room, or choose another [exports] dir") from err


async def _written(
    look: Look, config: Exports, beside: Path, day: str, number: int, *, with_states: bool, now_ms: int
) -> Manifest:
    written: list[FileView] = []
    streams: dict[str, StreamRange] = {}
    unreadable = 0
    for stream in STREAMS:
        views, ranges, odd = await _write_facts(look, config, beside, stream, day)
        written += views
        streams[stream] = ranges
        unreadable += odd
    if with_states:
        written += await _write_states(look, config, beside)
    own = await look(own_replica)
    now = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Manifest(
        v=1,
        day=day,
        revision=number,
        made_at=now,
        cloud=own.rep if own is not None else "",
        bom=config.bom,
        files=written,
        streams=streams,
        states_at=now if with_states else None,
        unreadable=unreadable,
        undated=await look(undated),
    )


async def _write_facts(
    look: Look, config: Exports, beside: Path, stream: str, day: str
) -> tuple[list[FileView], StreamRange, int]:
    """Write the tables of a stream; return the files, which facts they have, and how many could not be read."""
    tables = {name: CsvFile(beside, name, (*ORIGIN, *TABLES[name]), bom=config.bom) for name in TABLES_OF[stream]}
    places: list[tuple[int, str, int]] = []
    unreadable = 0
    async for rows in _rows_of(look, stream, day):
        made = [lines_of(stream, row) for row in rows]
        unreadable += made.count(None)
        places += [(row.n, row.rep, row.seq) for row in rows]
        lines = [line for each in made if each is not None for line in each]
        await asyncio.to_thread(_put, tables, lines)
    views = [await asyncio.to_thread(file.close) for file in tables.values()]
    return views, _range(places), unreadable


async def _write_states(look: Look, config: Exports, beside: Path) -> list[FileView]:
    views = []
    for state in states(personal=config.personal):
        file, after = CsvFile(beside, state.table, state.columns, bom=config.bom), ""
        while True:
            page = await look(lambda read, of=state, at=after: of.page(read, at))  # type: ignore[misc]
            await asyncio.to_thread(file.write, page.lines)
            if page.after is None:
                break
            after = page.after
        views.append(await asyncio.to_thread(file.close))
    return views


async def _rows_of(look: Look, stream: str, day: str) -> AsyncIterator[list[FeedRow]]:
    """Yield a day's facts: those whose day is noted, then what has arrived since."""
    upto, after = await look(lambda read: noted_upto(read, stream)), 0  # more may be noted meanwhile
    while rows := await look(lambda read, at=after: noted_rows(read, stream, day, at, upto)):  # type: ignore[misc]
        after = rows[-1].n
        yield rows
    while True:
        rows, last = await look(lambda read, at=upto: new_rows(read, stream, day, at))  # type: ignore[misc]
        if last == upto:
            return
        upto = last
        yield rows


def _put(tables: dict[str, CsvFile], lines: list[Line]) -> None:
    for name, file in tables.items():
        file.write([line.values for line in lines if line.table == name])


def _range(places: list[tuple[int, str, int]]) -> StreamRange:
    """Say which facts there are. A writer's facts of a day need not be all between the first and the last: late ones are."""
    by_rep: dict[str, list[int]] = {}
    for _, rep, seq in places:
        by_rep.setdefault(rep, []).append(seq)
    writers = [Range(rep, min(seqs), max(seqs), len(seqs)) for rep, seqs in sorted(by_rep.items())]
    numbers = [n for n, _, _ in places] or [0]
    return StreamRange(len(places), min(numbers), max(numbers), writers)


def _facts(manifest: Manifest) -> Any:  # Any: compared only
    """Return what makes a revision another one: the files of facts."""
    names = {f"{name}.csv" for group in TABLES_OF.values() for name in group}
    return [(each.file, each.sha256) for each in manifest.files if each.file in names]
