"""A hub with a drawer, a cashier, a supervisor, and what they do."""

from collections.abc import Callable
from typing import Any

from hub.store.day import drawers
from hub.store.day.drawers import Doer
from hub.store.selling.returns import return_job
from hub.store.staff.approvals import ApprovalRules
from sync.retail.selling.drawers import Counting, Denomination, Moving, Opening
from sync.retail.selling.returns import Return, ReturnLine
from sync.retail.selling.sales import Sale
from sync.retail.selling.z_reports import ZReport
from sync.store.replicas import begin_incarnation
from tests.sync.entity_world import End

NOW_MS = 1_790_000_000_000
RULES = ApprovalRules()
CASHIER, SUPERVISOR = Doer("cashier:c7", "cashier"), Doer("cashier:c2", "supervisor")
MakeSale = Callable[..., Sale]


def second_hub(incarnation: str = "fedcba9876543210") -> End:
    """The store's other hub, whose rows come here by the log alone."""
    end = End("hk01")
    end.replica = begin_incarnation(end.tx, "hk01", incarnation=incarnation, now_ms=1)
    return end


class Desk:
    """A till and its drawer, without HTTP."""

    def __init__(self, store: Any, make: MakeSale) -> None:
        self.store, self.make = store, make
        self.now_ms = NOW_MS

    async def do(self, job: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return await self.store.db.write(lambda tx: job(tx, self.store.replica, *args, **options))

    async def open(self, session_id: str = "s1", till_id: str = "t1", float_amount: int = 50_000) -> Any:
        opening = Opening(session_id, till_id, float_amount)
        return await self.do(drawers.open_session, self.store.shop, opening, by=CASHIER, now_ms=self.now_ms)

    async def move(self, moving: Moving, session_id: str = "s1", *, by: Doer = SUPERVISOR) -> Any:
        return await self.do(drawers.move_cash, session_id, moving, rules=RULES, by=by, now_ms=self.now_ms)

    async def close(self, session_id: str = "s1", *counted: tuple[int, int], note: str = "") -> ZReport:
        counting = Counting(tuple(Denomination(*each) for each in counted), note)
        shop = self.store.shop
        report, _ = await self.do(drawers.close_session, shop, session_id, counting, by=CASHIER, now_ms=self.now_ms)
        return report

    async def sell(self, qty: int = 1, **fields: Any) -> Sale:
        sale = self.make(qty, **fields)
        await self.store.sell(sale, now_ms=self.now_ms)
        return sale

    async def take_back(self, sale: Sale, qty: int = 1, **fields: Any) -> None:
        said: dict[str, Any] = {"return_id": f"r-{sale.sale_id}", "till_id": sale.till_id, "reason": "x"} | fields
        content = Return(sale_id=sale.sale_id, lines=(ReturnLine(1, qty),), **said)
        await self.store.db.write(return_job(self.store.replica, self.store.shop, content, now_ms=self.now_ms))

    def trail(self) -> list[tuple[str, str, str]]:
        return self.store.db.read.execute("SELECT actor, action, subject FROM trail ORDER BY id").fetchall()
