"""The hub's rows compared with the cloud's by buckets: only what both hold, a part of the history a day. `ask` is the network.

    log            new since the last comparison, and one SLICES-th of what was compared before: all of it in a month
    state stream   all of it: it is no history
    a row differs  of a log: named, and a person has to look; of a state stream: offered again

A log's range is asked for RANGE_MAX rows at a time, which cost each side about 30 ms. Not here: the buckets (sync.audit), HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable
from sqlite3 import Connection

from msgspec import Struct

from hub.holders import PEER
from hub.store.upkeep.audit import Finding
from sync.audit import (
    Asked,
    Difference,
    Names,
    Sums,
    differences,
    differing_buckets,
    names_of,
    sums_of,
)
from sync.entities import REGISTRY
from sync.model import Feed, Replica
from sync.store.audit import NamedRow, audited_to, named_rows
from sync.store.cursors import acked
from sync.store.retention import floor_of

RANGE_MAX = 5000
SLICES = 32
FINDINGS_MAX = 500  # of one comparison; the next one names the rest
AskSums = Callable[[Asked], Awaitable[Sums]]
AskNames = Callable[[Asked], Awaitable[Names]]


class Compared(Struct, frozen=True):
    """What came of it: rows hashed, what differs, how far each log is compared now."""

    rows: int
    findings: tuple[Finding, ...]
    upto: dict[str, int]


async def compare(
    read: Connection, own: Replica, *, sums: AskSums, names: AskNames, part: int | None = None
) -> Compared:
    """Compare own streams with the cloud; `part` is the slice of the older history that is due, None for all of it."""
    held = acked(read, own, peer=PEER)
    findings: list[Finding] = []
    upto: dict[str, int] = {}
    rows = 0
    for stream, feed in REGISTRY.feeds.items():
        last = held.get(stream, 0)
        if not last:
            continue
        for after, to in _ranges(read, own, stream, last, part) if feed is Feed.LOG else [(0, last)]:
            here = await _rows_here(read, own, stream, (after, to))
            rows += len(here)
            asked = Asked(own.rep, stream, after, to)
            there = await sums(asked)
            mine = sums_of(stream, ((name, body) for _, name, body in here))
            for bucket in differing_buckets(mine, there):
                listed = await names(Asked(own.rep, stream, after, to, bucket))
                mine_there = names_of(stream, ((name, body) for _, name, body in here), bucket)
                for found in differences(mine_there.rows, listed.rows):
                    findings += _finding(read, own, stream, found, here)
            if len(findings) >= FINDINGS_MAX:
                return Compared(rows, tuple(findings[:FINDINGS_MAX]), upto)
        if feed is Feed.LOG:
            upto[stream] = last
    return Compared(rows, tuple(findings), upto)


def _ranges(read: Connection, own: Replica, stream: str, last: int, part: int | None) -> list[tuple[int, int]]:
    """Return the ranges of a log that are due, RANGE_MAX rows each."""
    floor = floor_of(read, own.local_id, stream).last
    done = min(max(floor, audited_to(read, own.local_id, stream) if part is not None else floor), last)
    due = [(done, last)]
    if part is not None and done > floor:
        size = -(-(done - floor) // SLICES)
        begin = min(floor + size * (part % SLICES), done)
        due.insert(0, (begin, min(begin + size, done)))
    return [(at, min(at + RANGE_MAX, to)) for after, to in due for at in range(after, to, RANGE_MAX)]


async def _rows_here(read: Connection, own: Replica, stream: str, reach: tuple[int, int]) -> list[NamedRow]:
    """Read a range a thousand rows at a time, the loop free between them."""
    found: list[NamedRow] = []
    at, last = reach
    while rows := named_rows(read, own.local_id, stream, REGISTRY.feeds[stream], after=at, last=last):
        found += rows
        at = rows[-1][0]
        await asyncio.sleep(0)
    return found


def _finding(read: Connection, own: Replica, stream: str, found: Difference, here: list[NamedRow]) -> list[Finding]:
    """Return what to say of a row; nothing for one that has changed since the cloud acknowledged it, or that went by its age."""
    where = "is not at the cloud" if not found.is_there else "is at the cloud and not here"
    said = "says something else at the cloud" if found.is_here and found.is_there else where
    if REGISTRY.feeds[stream] is Feed.LOG:
        key = (own.rep, stream, found.name)
        return [Finding("peer", f"log {stream}: row {found.name} {said}", key)]
    if not found.is_here:
        is_pruned = any(entity.keep.days is not None for entity in REGISTRY.of(stream))
        is_explained = is_pruned or _has_moved(read, own, stream, found.name)
        return [] if is_explained else [Finding("peer", f"{stream}: {found.name} {said}")]
    seq = next(seq for seq, name, _ in here if name == found.name)
    return [Finding("peer", f"{stream}: {found.name} {said}", (stream, found.name, str(seq)), can_repair=True)]


def _has_moved(read: Connection, own: Replica, stream: str, name: str) -> bool:
    """Whether a row is behind what the cloud has acknowledged: it is on its way."""
    at = acked(read, own, peer=PEER).get(stream, 0)
    while rows := named_rows(read, own.local_id, stream, Feed.STATE, after=at, last=2**62):
        if any(each == name for _, each, _ in rows):
            return True
        at = rows[-1][0]
    return False
