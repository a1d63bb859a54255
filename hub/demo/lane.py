"""Who stands at a lane of the demo and what lies in its drawer: signs in, opens with a float, closes after a shift by a count."""

import random
from collections.abc import Iterable

from hub.api.day.drawer_sessions import CloseRequest
from hub.client import new_id
from hub.demo.people import KIT, LING
from hub.demo.till_client import TillClient
from sync.retail.selling.drawers import Counted
from sync.retail.selling.drawers import Opening as DrawerOpening
from sync.retail.selling.sales import Tender

FLOAT = 50_000
SHIFT_SALES = 40  # then the drawer is counted and opened again
COINS = (50_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10)
WRONG_SHARE = 0.3  # of counts that are a dollar off


class Lane:
    """One till's person and drawer, for as long as the demo runs. `man` before each customer: it does what is missing."""

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self._cash = 0
        self._sales = 0
        self.cashier_id = ""
        self.session_id: str | None = None

    async def man(self, till: TillClient) -> bool:
        """Sign in, and have an open drawer; after a shift close it first. Return whether a shift has begun."""
        if not till.is_signed_in:
            if self.session_id is None:
                await self._take_over(till)
            self.cashier_id = (await till.sign_in(KIT.number, KIT.pin)).cashier_id
        if self.session_id is not None and self._sales >= SHIFT_SALES:
            lies = self._cash - (100 if self._rng.random() < WRONG_SHARE else 0)
            await till.close_drawer_session(self.session_id, CloseRequest(counted=_counted(lies)))
            self.session_id = None
        begins = self.session_id is None
        if begins:
            opened = await till.open_drawer_session(DrawerOpening(new_id(), till.till_id, FLOAT))
            self.session_id, self._cash, self._sales = opened.session_id, FLOAT, 0
        return begins

    async def _take_over(self, till: TillClient) -> None:
        """Go on with the drawer of a demo that was stopped: the manager reads what should lie in it."""
        standing = await till.drawer_session()
        if standing is None:
            return
        await till.sign_in(LING.number, LING.pin)
        figures = (await till.x_report(standing.session_id)).figures
        self.session_id, self._cash, self._sales = standing.session_id, figures.expected_cash, figures.sales

    def count(self, taken: Iterable[Tender], *, paid_back: Iterable[Tender] = ()) -> None:
        """Remember what a sale brought into the drawer, or what went back out of it."""
        self._sales += 1
        self._cash += _cash_in(taken) - _cash_in(paid_back)


def _cash_in(tenders: Iterable[Tender]) -> int:
    return sum(tender.amount for tender in tenders if tender.type == "cash")


def _counted(amount: int) -> tuple[Counted, ...]:
    """Return the fewest notes and coins that come to an amount."""
    counted = []
    for value in COINS:
        pieces, amount = divmod(amount, value)
        if pieces:
            counted.append(Counted(value, pieces))
    return tuple(counted)
