"""Coupons at a shop with a line: the cloud is asked for the uses that this hub does not hold, within a time limit.

    question   a row of `coupon_asks`, sent as any other; the answer is a row of `coupon_grants` with the question's number
    no answer  in time: as without a line, conditional under the cap of the day or refused

Not here: what follows (hub.store.people.coupons), answers (sync.cloud.loyalty.coupons).
"""

import asyncio
from collections.abc import Callable, Iterable
from sqlite3 import Connection

from hub.settings.coupons import CouponsSection
from hub.store.people.coupon_serials import known_serial, newest_answer
from hub.store.people.coupons import CouponTerms
from sync.db import Database
from sync.model import Replica
from sync.retail.people.coupon_rows import COUPON_ASK, CouponAskRow
from sync.store.writing import put_version


class Coupons:
    """Asks the cloud. `is_up`: the line carries a question and its answer at once; `is_alone`: there is no cloud."""

    def __init__(
        self,
        db: Database,
        section: CouponsSection,
        *,
        own: Callable[[], Replica],
        is_up: Callable[[], bool],
        is_alone: bool,
    ) -> None:
        self.terms = CouponTerms(section.exposed_max_minor, is_alone)
        self._db = db
        self._timeout_s = section.ask_timeout_s
        self._own = own
        self._is_up = is_up
        self._grown = asyncio.Event()

    @property
    def may_ask(self) -> bool:
        """Whether the cloud can be asked while a customer waits."""
        return not self.terms.is_alone and self._is_up()

    def grown(self) -> None:
        """Something was committed: whoever waits looks again."""
        self._grown.set()
        self._grown = asyncio.Event()

    async def terms_for(self, serials: Iterable[str]) -> CouponTerms:
        """Return what holds for these serials now, asked for where this hub holds no use of one."""
        own = self._own()
        wanted = {serial: count for serial in serials if (count := self._wanted(own, serial))} if self.may_ask else {}
        if not wanted:
            return self.terms
        asked = await self._db.write(lambda tx: ask(tx, own, wanted))
        answered: set[str] = set()
        try:
            async with asyncio.timeout(self._timeout_s):
                while len(answered := self._answered(own, asked)) < len(asked):
                    await self._grown.wait()
        except TimeoutError:
            answered = self._answered(own, asked)
        denied = frozenset(serial for serial in answered if self._wanted(own, serial))
        return CouponTerms(self.terms.exposed_max, self.terms.is_alone, denied)

    def _wanted(self, own: Replica, serial: str) -> int:
        """Return how many uses in all would let this hub redeem once more; 0 where nothing is to be asked."""
        known = known_serial(self._db.read, own, serial)
        if known is None or known.is_used_up or (left := known.left(own.rep)) > 0:
            return 0
        return known.right + 1 - left

    def _answered(self, own: Replica, asked: dict[str, int]) -> set[str]:
        return {serial for serial, number in asked.items() if newest_answer(self._db.read, own, serial) >= number}


def ask(tx: Connection, own: Replica, wanted: dict[str, int]) -> dict[str, int]:
    """Write the questions; return their numbers."""
    return {
        serial: put_version(
            tx, own, COUPON_ASK, CouponAskRow(store=own.store, serial=serial, rep=own.rep, wanted=count)
        )
        for serial, count in sorted(wanted.items())
    }
