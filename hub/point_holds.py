"""Points at a shop with a line: the cloud is asked to set them aside for a sale while its customer waits, within a time limit.

    question   a row of `point_asks`, sent as any other; the answer is a row of `point_holds` with the question's number
    held       burned without a cap: no other shop burns the same ones
    denied     refused: other shops have burned them, or are about to
    no answer  in time, no line, no slot: "", as without a line, under the cap of the member's day

What was asked for a sale that did not come about is given back. Not here: SQL (hub.store.people.point_asks), whether points may
be burned (hub.store.people.points), answers (sync.cloud.loyalty.point_holds).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from sqlite3 import Connection

from hub.store.people.people import person_ids
from hub.store.people.point_asks import Answer, Asked, answer_to, ask_points, give_back, unheard_burns
from hub.store.people.points import PointsWord
from hub.store.selling.sales import is_known
from sync.db import Database
from sync.errors import SyncError
from sync.model import Replica
from sync.retail.selling.sales import Sale

log = logging.getLogger(__name__)


class PointHolds:
    """Asks the cloud. `is_up`: the line carries a question and its answer at once; `held`: how far the cloud has our sales."""

    def __init__(
        self,
        db: Database,
        timeout_s: float,
        *,
        own: Callable[[], Replica],
        is_up: Callable[[], bool],
        held: Callable[[], int],
    ) -> None:
        self._db = db
        self._timeout_s = timeout_s
        self._own = own
        self._is_up = is_up
        self._held = held
        self._grown = asyncio.Event()

    @property
    def may_ask(self) -> bool:
        """Whether the cloud can be asked while a customer waits."""
        return self._is_up()

    def grown(self) -> None:
        """Something was committed: whoever waits looks again."""
        self._grown.set()
        self._grown = asyncio.Event()

    def word_for(self, sale: Sale) -> AbstractAsyncContextManager[PointsWord]:
        """Ask about a sale that burns points, is new and is made now; give back afterwards what it did not burn."""
        return self._asked(sale) if sale.points_burned else nullcontext("")

    @asynccontextmanager
    async def _asked(self, sale: Sale) -> AsyncIterator[PointsWord]:
        asked = await self._ask(sale)
        if asked is None:
            yield ""
            return
        own = self._own()
        try:
            answer = await self._answer(own, asked)
            yield "" if answer is None else "held" if answer.is_held else "denied"
        finally:
            if not is_known(self._db.read, sale.sale_id):
                await self._give_back(own, asked)

    async def _ask(self, sale: Sale) -> Asked | None:
        member_id = sale.member_id
        if member_id is None or sale.offline or sale.training or not self.may_ask:
            return None
        if is_known(self._db.read, sale.sale_id):
            return None
        own, held = self._own(), self._held()

        def job(tx: Connection) -> Asked | None:
            members = person_ids(tx, member_id)[0]
            unheard = unheard_burns(tx, own, members, held=held)
            return ask_points(tx, own, sale.sale_id, members, sale.points_burned, unheard=unheard)

        return await self._db.write(job)

    async def _answer(self, own: Replica, asked: Asked) -> Answer | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                while (answer := answer_to(self._db.read, own, asked)) is None:
                    await self._grown.wait()
        except TimeoutError:
            return answer_to(self._db.read, own, asked)
        return answer

    async def _give_back(self, own: Replica, asked: Asked) -> None:
        """The job waits behind the sale's own: a sale that a client has hung up on is in the books by then."""
        try:
            await self._db.write(lambda tx: give_back(tx, own, asked.slot))
        except SyncError as err:  # a full disk, a writer with too much to do: the next start does it
            log.warning("points that were set aside were not given back", extra={"reason": err.code})
