"""The shop's use of rights, wired: what is done at contact, how a sale is held against them, what a manager has to look at.

    at contact     what the cloud asks is answered, places that have changed are balanced: bounded jobs, behind the fold
    a sale         goes through, its overdraw is noted on it (`physical-first`), or is refused (`strict`)

Not here: SQL (hub.store.stock.rights, hub.store.stock.promises), rules (sync.retail), how the line is (hub.replication).
"""

from collections.abc import Callable
from sqlite3 import Connection

from msgspec import Struct

from hub.store.model import Shop
from hub.store.selling.admission import ORDINARY, Context
from hub.store.selling.printing import PrintTo
from hub.store.selling.sales import Recorded, sale_job
from hub.store.stock.promises import Ended, answer, is_asked, overdraws, pick, promises_at_risk
from hub.store.stock.reservations import Names, consume
from hub.store.stock.rights import Debt, Rule, balance, debts, is_changed
from sync.db import Database
from sync.model import Replica
from sync.retail.selling.sales import Sale, Warned

NOTHING_HELD = Names()


class Attention(Struct, frozen=True):
    """What a manager has to look at: what was sold beyond the shop's rights, and the promises that may have to give way."""

    debts: list[Debt]
    at_risk: list[str]


class Rights:
    """What a hub does about rights; `rule` is None where the shop shares none."""

    def __init__(
        self, db: Database, shop: Shop, rule: Rule | None, *, own: Callable[[], Replica], now_ms: Callable[[], int]
    ) -> None:
        self.rule = rule
        self._db = db
        self._shop = shop
        self._own = own
        self._now_ms = now_ms

    async def on_contact(self, cloud: str) -> None:
        """Answer and balance all there is. `cloud` is the replica at the other end of a line that is up; levels are folded."""
        if self.rule is None or not cloud:
            return
        own, rule, now_ms = self._own(), self.rule, self._now_ms()
        if is_asked(self._db.read):
            await self._db.write(lambda tx: answer(tx, own, rule, cloud=cloud, now_ms=now_ms))
        while is_changed(self._db.read, own):
            await self._db.write(lambda tx: balance(tx, own, rule, cloud=cloud))

    def sale_job(
        self,
        replica: Replica,
        sale: Sale,
        *,
        print_to: PrintTo | None,
        now_ms: int,
        warnings: tuple[Warned, ...] = (),
        context: Context = ORDINARY,
        names: Names = NOTHING_HELD,
    ) -> Callable[[Connection], Recorded]:
        """Return hub.store.selling.sales.sale_job, held against this life's rights in the same job; what was held for it is its
        own.
        """

        def before(tx: Connection) -> list[Warned]:
            noted = consume(tx, sale, names, location=self._shop.location, now_ms=now_ms)
            if self.rule is not None:
                noted += overdraws(tx, replica, self._shop.location, sale, self.rule)
            return noted

        return sale_job(
            replica,
            self._shop,
            sale,
            print_to=print_to,
            now_ms=now_ms,
            warnings=warnings,
            context=context,
            before=before,
        )

    async def pick(self, promise_id: str, *, left: int = 0) -> Ended:
        """Take the goods for a promise off the shelf, all but `left`; raise as hub.store.stock.promises.pick does."""
        own, now_ms = self._own(), self._now_ms()
        return await self._db.write(lambda tx: pick(tx, own, promise_id, now_ms=now_ms, left=left))

    def attention(self, cloud: str) -> Attention:
        """Return what a manager has to look at."""
        own = self._own()
        return Attention(debts(self._db.read, own), promises_at_risk(self._db.read, own, cloud=cloud))
