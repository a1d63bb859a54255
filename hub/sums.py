"""What a peer tells of a log's rows (sync.opening), on its way into the books: small write jobs, sales between them.

    read      all of it is understood, or nothing of it is taken
    folded    rows of the log that are here go, as if they were pruned: what is told says what they did as well
    put by    what is told less what is counted here, in pieces that change nothing yet
    taken     the cursor goes to the end of what is told, and from here on the pieces count, whatever becomes of the line
    booked    piece by piece, each with its job

After a crash before it is taken what was put by is forgotten, and the peer tells it again; after a later one the rest is booked
behind the selling. Between two jobs opening + facts = stock, as ever: what is not booked yet is in neither. Not here: SQL
(hub.store.upkeep.openings). Source: the design, 3.2 (Retention).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import chain

from hub.store.upkeep.openings import (
    Here,
    book_piece,
    counted_after,
    fold_here,
    has_pieces,
    put_piece,
    take_pieces,
)
from hub.store.upkeep.siblings import Joined
from sync.batch import Boundary
from sync.db import Database
from sync.errors import ProtocolError
from sync.model import Replica
from sync.opening import PIECE_ROWS, Came, Opening, Place, Totals, less, nothing_of, pieces_of, read

NO_PLACE: Place = ("", "")


class Sums:
    """Takes sums, one at a time; `own` is who writes here, `on_joined` hears what each piece has changed."""

    def __init__(self, db: Database, *, own: Callable[[], Replica], on_joined: Callable[[Joined], None]) -> None:
        self._db = db
        self._own = own
        self._on_joined = on_joined
        self._lock = asyncio.Lock()

    async def rest(self) -> None:
        """Wait until no sum is being taken: rows of the same log that come meanwhile change what it was made for."""
        async with self._lock:
            pass

    async def book(self) -> None:
        """Count all that was taken and is not counted yet; forget what was put by and never taken."""
        async with self._lock:
            await self._book()

    async def take(self, rep: str, stream: str, opening: Opening, *, now_ms: int) -> Boundary:
        """Let what a peer tells of a log stand in the place of its rows; return the cursor.

        Change nothing where all of the rows are here. Raise ProtocolError for rows that cannot be read.
        """
        async with self._lock:
            await _check(opening)
            while True:
                await self._book()
                here = await self._folded(rep, stream, opening.at, now_ms=now_ms)
                if here.cursor.last >= opening.at.last:
                    return here.cursor
                pieces = await self._put_by(here, opening)
                if await self._db.write(partial(take_pieces, here=here, at=opening.at, pieces=pieces)):
                    await self._book()
                    return opening.at

    async def _folded(self, rep: str, stream: str, to: Boundary, *, now_ms: int) -> Here:
        """Fold away the rows of a log that are here; return how it stands then."""
        while True:
            here = await self._db.write(lambda tx: fold_here(tx, rep, stream, to, now_ms=now_ms))
            if here.cursor.last >= to.last or here.floor.last >= here.cursor.last:
                return here

    async def _put_by(self, here: Here, opening: Opening) -> int:
        """Put by what is told less what is counted here; return in how many pieces."""
        counted, n = await self._counted(here), 0
        told = (tuple(less(rows, counted)) for rows in pieces_of(opening))
        for n, rows in enumerate(chain(told, nothing_of(counted)), 1):
            await self._db.write(partial(put_piece, here=here, n=n, rows=rows))
        return n

    async def _counted(self, here: Here) -> dict[Place, Totals]:
        counted: dict[Place, Totals] = {}
        after = NO_PLACE
        while found := counted_after(self._db.read, here, after, PIECE_ROWS):
            counted.update(found)
            after = found[-1][0]
            await asyncio.sleep(0)
        return counted

    async def _book(self) -> None:
        while has_pieces(self._db.read):
            joined = await self._db.write(lambda tx: book_piece(tx, self._own()))
            if joined is not None:
                self._on_joined(joined)


async def _check(opening: Opening) -> None:
    """Read everything, a piece at a time; raise ProtocolError where places are not in their order, or one comes twice."""
    before = NO_PLACE
    for rows in pieces_of(opening):
        for said in read(rows):
            if isinstance(said, Came):
                if (said.sku, said.location) <= before:
                    raise ProtocolError(f"an opening balance has {said.sku[:80]!r} behind {before[0][:80]!r}")
                before = (said.sku, said.location)
        await asyncio.sleep(0)
