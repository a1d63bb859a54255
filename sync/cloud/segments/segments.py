"""Segments as they are kept: versions of their filters, who is in one since when. Functions of a write job, and of reads.

An evaluation is read at once and written in jobs of MOVED_MAX persons; one that was cut short is finished by the next: what is
written follows from what is found and what stands. Not here: who is found (sync.cloud.segments.evaluation).
"""

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.cloud.persons.tags import tag, untag
from sync.cloud.segments.filters import Segment

MOVED_MAX = 500  # persons of one write job, which nothing may wait for too long
EVERYBODY = 2**53

_segment = msgspec.json.Decoder(Segment).decode


class Kept(Struct, frozen=True):
    """A segment's newest version, and its last evaluation; `run_ms` 0: there was none."""

    segment: Segment
    version: int
    run_version: int = 0
    run_ms: int = 0
    count: int = 0


class Moves(Struct, frozen=True):
    """What an evaluation changes: who comes in and goes out, who gets the tag and loses it."""

    entered: tuple[str, ...]
    left: tuple[str, ...]
    tagged: tuple[str, ...]
    untagged: tuple[str, ...]

    @property
    def parts(self) -> list["Moves"]:
        """The same in jobs of a bounded size."""
        longest = max(map(len, msgspec.structs.astuple(self)))
        return [
            Moves(*(part[at : at + MOVED_MAX] for part in msgspec.structs.astuple(self)))
            for at in range(0, longest, MOVED_MAX)
        ]


def put_segment(tx: Connection, wanted: Segment, *, now_ms: int) -> tuple[int, bool]:
    """Write a version where it says something new; return the newest and whether it is that."""
    before = kept_of(tx, wanted.segment)
    if before is not None and before.segment == wanted:
        return before.version, False
    version = before.version + 1 if before else 1
    tx.execute(
        "INSERT INTO segment (segment, version, body, made_ms) VALUES (?, ?, ?, ?)",
        (wanted.segment, version, msgspec.json.encode(wanted), now_ms),
    )
    if before is not None and before.segment.tag != wanted.tag:
        tx.execute("DELETE FROM member_tag WHERE source = ?", (wanted.segment,))
    return version, True


def kept_of(read: Connection, segment: str) -> Kept | None:
    """Return a segment as it stands."""
    row = read.execute(
        "SELECT version, body FROM segment WHERE segment = ? ORDER BY version DESC LIMIT 1", (segment,)
    ).fetchone()
    if row is None:
        return None
    run = read.execute("SELECT version, run_ms, count FROM segment_run WHERE segment = ?", (segment,)).fetchone()
    return Kept(_segment(row[1]), row[0], *(run or ()))


def segment_names(read: Connection) -> list[str]:
    """Return the names of all segments."""
    return [name for (name,) in read.execute("SELECT DISTINCT segment FROM segment ORDER BY segment")]


def persons_in(read: Connection, segment: str, *, after: str = "", limit: int = EVERYBODY) -> list[tuple[str, int]]:
    """Return (person, since when) of who is in a segment behind a person, in order."""
    return read.execute(
        """
        SELECT person_id, MIN(entered_ms) FROM segment_member WHERE segment = ? AND left_ms = 0 AND person_id > ?
        GROUP BY person_id ORDER BY person_id LIMIT ?
        """,
        (segment, after, limit),
    ).fetchall()


def moves(read: Connection, kept: Kept, found: Sequence[str]) -> Moves:
    """Return what is to be changed so that those who were found, and no others, are in the segment."""
    now, before = set(found), {person for person, _ in persons_in(read, kept.segment.segment)}
    bears = {
        member
        for (member,) in read.execute("SELECT member_id FROM member_tag WHERE source = ?", (kept.segment.segment,))
    }
    return Moves(
        tuple(sorted(now - before)),
        tuple(sorted(before - now)),
        tuple(sorted(now - bears)) if kept.segment.tag else (),
        tuple(sorted(bears - now)),
    )


def move(tx: Connection, kept: Kept, part: Moves, *, now_ms: int) -> None:
    """Write a part of an evaluation."""
    name = kept.segment.segment
    tx.executemany(
        """
        INSERT INTO segment_member (segment, person_id, entered_ms, version, left_ms) VALUES (?, ?, ?, ?, 0)
        ON CONFLICT (segment, person_id, entered_ms) DO UPDATE SET left_ms = 0
        """,
        [(name, person, now_ms, kept.version) for person in part.entered],
    )
    _leave(tx, name, part.left, now_ms=now_ms)
    for person in part.tagged:
        tag(tx, person, kept.segment.tag, source=name, now_ms=now_ms)
    if part.untagged:
        untag(tx, part.untagged, kept.segment.tag, source=name)


def note_run(tx: Connection, kept: Kept, *, count: int, now_ms: int) -> None:
    """Note that an evaluation was written whole."""
    tx.execute(
        """
        INSERT INTO segment_run (segment, version, run_ms, count) VALUES (?, ?, ?, ?)
        ON CONFLICT (segment) DO UPDATE SET
          version = excluded.version, run_ms = excluded.run_ms, count = excluded.count
        """,
        (kept.segment.segment, kept.version, now_ms, count),
    )


def _leave(tx: Connection, segment: str, persons: Iterable[str], *, now_ms: int) -> None:
    tx.execute(
        """
        UPDATE segment_member SET left_ms = ?
        WHERE segment = ? AND left_ms = 0 AND person_id IN (SELECT value FROM json_each(?))
        """,
        (now_ms, segment, json.dumps(sorted(persons))),
    )
