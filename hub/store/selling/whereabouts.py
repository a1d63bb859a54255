"""What is noted on a sale or return of the drawer session and the cashier that it names. Reads of its write job.

    session   nobody opened it here        `session_unknown`: it counts for the till's own drawer
              a Z report has closed it     `session_closed`: it is in the next one of that drawer
    cashier   nobody is called so here     `cashier_unknown`, in a shop that has cashiers

Never refused: the store's other hub may know more. Not here: which Z report counts it (hub.store.day.z_reports).
"""

from collections.abc import Iterator
from sqlite3 import Connection

from sync.retail.selling.sales import Warned


def whereabouts(tx: Connection, *, session_id: str | None, cashier_id: str | None) -> tuple[Warned, ...]:
    """Return what to note."""
    if session_id is None and cashier_id is None:
        return ()
    return tuple(_noted(tx, session_id, cashier_id))


def _noted(tx: Connection, session_id: str | None, cashier_id: str | None) -> Iterator[Warned]:
    if session_id is not None:
        row = tx.execute(
            """
            SELECT z_report.z_no FROM drawer_opened LEFT JOIN z_report USING (session_id)
            WHERE drawer_opened.session_id = ?
            """,
            (session_id,),
        ).fetchone()
        if row is None:
            yield Warned("session_unknown", detail=f"no drawer session {session_id}")
        elif row[0] is not None:
            yield Warned("session_closed", detail=f"{session_id} is closed by {row[0]}")
    if cashier_id is not None:
        is_nobody = tx.execute(
            "SELECT EXISTS (SELECT 1 FROM cashier_version) AND NOT EXISTS (SELECT 1 FROM cashier_version WHERE cashier_id = ?)",
            (cashier_id,),
        ).fetchone()[0]
        if is_nobody:
            yield Warned("cashier_unknown", detail=f"no cashier {cashier_id}")
