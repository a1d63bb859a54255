"""A segment is evaluated: what has arrived is looked at, the filter is asked, who moved is written. Not here: HTTP."""

from msgspec import Struct

from sync.cloud.persons.work import look_at_all
from sync.cloud.segments.evaluation import Scene, evaluate
from sync.cloud.segments.filters import Filter
from sync.cloud.segments.segments import Kept, move, moves, note_run
from sync.cloud.store import CloudStore


class Evaluated(Struct, frozen=True):
    """What came of an evaluation."""

    segment: str
    version: int
    count: int
    entered: int
    left: int


async def find_persons(books: CloudStore, wanted: Filter, cities: dict[str, str]) -> list[str]:
    """Return the persons that a filter finds now."""
    await look_at_all(books)
    scene = Scene(books.now_ms(), cities)
    return await books.db.study(lambda read: evaluate(read, wanted, scene))


async def evaluate_segment(books: CloudStore, kept: Kept, cities: dict[str, str]) -> Evaluated:
    """Bring who is in a segment to whom its filter finds now."""
    found = await find_persons(books, kept.segment.filter, cities)
    changes = await books.db.study(lambda read: moves(read, kept, found))
    now_ms = books.now_ms()
    for part in changes.parts:
        await books.db.write(lambda tx, part=part: move(tx, kept, part, now_ms=now_ms))  # type: ignore[misc]
    await books.db.write(lambda tx: note_run(tx, kept, count=len(found), now_ms=now_ms))
    return Evaluated(kept.segment.segment, kept.version, len(found), len(changes.entered), len(changes.left))
