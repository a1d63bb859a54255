"""Batches of all stores that wait for the writer are taken by one write job: whose they are and their numbers are asked once.

That job goes before theirs in the group of writes. What it did not come to (one of the batches was refused, and all were undone;
a batch came after it had begun) each batch's own job does. Not here: what becomes of a batch (applying).
"""

from collections.abc import Callable, Sequence
from functools import partial
from sqlite3 import Connection

from sync.cloud.arrivals.applying import Applied, Arrival
from sync.db import Database

TOGETHER_MAX = 32  # batches in one job; the next begins another

Take = Callable[[Connection, Sequence[Arrival]], list[Applied]]


class _Part:
    """A batch, and what became of it in the transaction that is open, or was committed."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.applied: Applied | None = None
        self.is_answered = False


class _Together:
    """Batches of one write job, each of another writer: two of one come after each other."""

    def __init__(self) -> None:
        self.parts: dict[str, _Part] = {}
        self.has_begun = False

    def has_room(self, writer: str) -> bool:
        """Whether a batch may still come to it."""
        return not self.has_begun and writer not in self.parts and len(self.parts) < TOGETHER_MAX

    def undo(self) -> None:
        """What became of them was not committed, or may not have been: a batch whose own job is still to come is taken by it.

        The job of all may never run again: what a database has put off is given up when it closes.
        """
        for part in list(self.parts.values()):
            part.applied = None


class Gathering:
    """See the module. `take` is what a write job does with batches."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._last = _Together()
        self._last.has_begun = True

    async def apply(self, db: Database, arrival: Arrival, *, then: Callable[[Applied], None]) -> Applied:
        """Commit a batch; `then` is called after the commit, also when the caller is gone.

        Raise what the batch raises, and what Database.write does.
        """
        writer = arrival.batch.rep
        if not self._last.has_room(writer):
            self._last = _Together()
            parts = self._last.parts
            job = partial(self._take_together, self._last)
            db.write_soon(job, then=lambda _: parts.clear(), otherwise=parts.clear)
        together = self._last
        part = together.parts[writer] = _Part(arrival)

        def own_job(tx: Connection) -> Applied:
            return part.applied or self._take(tx, [arrival])[0]

        def note(applied: Applied) -> None:
            part.is_answered = True
            then(applied)

        def undo() -> None:
            part.is_answered = True
            together.undo()

        return await db.write(own_job, then=note, otherwise=undo)

    def _take_together(self, together: _Together, tx: Connection) -> None:
        """The write job before those of the batches; in the writer's thread, and again where the group was undone."""
        together.has_begun = True
        together.undo()
        parts = [each for each in list(together.parts.values()) if not each.is_answered]
        if len(parts) < 2:
            return
        done = self._take(tx, [each.arrival for each in parts])
        for each, applied in zip(parts, done, strict=True):
            each.applied = applied
