"""Voiding a sale: all of it comes back on the day it was sold, by the tenders that paid it, as one return that says `void`.

The sale and its receipt number stay in the books; the return rolls back stock, tenders, and whatever else a return rolls back. On
another day, or when a part is back already, it is a return like any other. A function of a write job.
"""

from collections.abc import Callable
from sqlite3 import Connection
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from hub.errors import NotFoundError, RefusedError
from hub.store.model import Shop, utc
from hub.store.selling.days import day_of
from hub.store.selling.returns import Taken, return_job, returned_by_line
from hub.store.selling.sale_approvals import Authority
from hub.store.selling.sales import SaleView, find_sale
from hub.store.staff.approvals import authorise
from hub.store.staff.audit_trail import note
from sync.model import Replica
from sync.retail.selling.returns import RETURN, Return, ReturnLine
from sync.retail.selling.sales import Id, Warned
from sync.store.pruned_keys import known_before


class Void(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A void: the id of the return that it becomes, who does it where, and why; `approval_id` of an approval of `void_id`.

    `session_id`: the drawer session that it is paid out of, else the till's own.
    """

    void_id: Id
    till_id: Id
    reason: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
    cashier_id: Id | None = None
    approval_id: Id | None = None
    session_id: Id | None = None


def void_job(
    replica: Replica,
    shop: Shop,
    name: str,
    void: Void,
    *,
    now_ms: int,
    actor: str,
    authority: Authority,
    warnings: tuple[Warned, ...] = (),
) -> Callable[[Connection], Taken]:
    """Return the write job that voids the sale of that id, receipt number or bar code; it raises with nothing written."""

    def job(tx: Connection) -> Taken:
        sold = find_sale(tx, name)
        if sold is None:
            raise NotFoundError("sale", f"no sale {name!r}")
        if not _is_known(tx, void.void_id):
            _check(tx, shop, sold, now_ms=now_ms)
            _authorise(tx, sold, void, authority, actor=actor, now_ms=now_ms)
        return return_job(replica, shop, _everything(sold, void), now_ms=now_ms, warnings=warnings)(tx)

    return job


def _check(tx: Connection, shop: Shop, sold: SaleView, *, now_ms: int) -> None:
    today = day_of(tx, shop, utc(now_ms), now_ms=now_ms).business_date
    if sold.fact.business_date != today:
        raise RefusedError("void_day", f"it was sold on {sold.fact.business_date}, today is {today}", pointer="")
    if sold.fact.sale.exchanged:
        raise RefusedError("void_exchange", "it is one part of an exchange", pointer="")
    if returned_by_line(tx, sold.fact.sale.sale_id):
        raise RefusedError("void_returned", "a part of it is back already", pointer="")


def _authorise(tx: Connection, sold: SaleView, void: Void, authority: Authority, *, actor: str, now_ms: int) -> None:
    authorise(
        tx,
        authority.rules,
        "void",
        void.approval_id,
        role=authority.role,
        subject=void.void_id,
        till_id=void.till_id,
        now_ms=now_ms,
    )
    note(tx, actor=actor, action="voided", subject=sold.fact.sale.sale_id, reason=void.reason, now_ms=now_ms)


def _everything(sold: SaleView, void: Void) -> Return:
    sale = sold.fact.sale
    return Return(
        return_id=void.void_id,
        till_id=void.till_id,
        sale_id=sale.sale_id,
        lines=tuple(ReturnLine(line.line, line.qty) for line in sale.lines),
        reason=void.reason,
        cashier_id=void.cashier_id,
        session_id=void.session_id,
        tenders=tuple(replace(tender, tendered=None) for tender in sale.tenders),
        void=True,
    )


def _is_known(tx: Connection, void_id: str) -> bool:
    is_here = tx.execute("SELECT 1 FROM sale_return WHERE return_id = ?", (void_id,)).fetchone() is not None
    return is_here or known_before(tx, RETURN.name, void_id) is not None
