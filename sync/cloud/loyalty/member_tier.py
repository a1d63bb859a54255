"""The tier of a member, which head office gives: a cell of the cloud's own row of the register, with the cloud's stamp.

A function of a write job. Source: the design, 3.3 (Member).
"""

from sqlite3 import Connection

from sync.cloud.arrivals.clock import standing_register
from sync.cloud.loyalty.member_cells import write_cells
from sync.model import Replica
from sync.retail.people.members import MEMBER, TIER


def set_tier(tx: Connection, own: Replica, member_id: str, tier: str, *, now_ms: int) -> bool | None:
    """Give a member a tier; return whether that was news, None for a member that nobody has enrolled or that was erased.

    Raise RuleError (clock_range) while the cloud's clock was never set.
    """
    stands = standing_register(tx, MEMBER.name, member_id)
    if not stands.cells or stands.is_erased:
        return None
    if TIER in stands.cells and stands.cells[TIER].value == tier:
        return False
    write_cells(tx, own, member_id, {TIER: tier}, now_ms=now_ms)
    return True
