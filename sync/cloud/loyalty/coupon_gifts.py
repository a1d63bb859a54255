"""A single serial of a batch is given to a replica, for a person who will redeem it there. Functions of a write job, and a read.

Not here: whole batches, questions of stores, what becomes of redemptions (sync.cloud.loyalty.coupons).
"""

from sqlite3 import Connection

from sync.cloud.loyalty.coupons import coupon_of, grants_of
from sync.cloud.rights.rights import put_own, store_of
from sync.model import Replica
from sync.retail.people.coupon_rows import COUPON_GRANT, CouponBatchRow, CouponGrantRow


def grant_serial(tx: Connection, own: Replica, batch: CouponBatchRow, serial: str, taker: str) -> None:
    """Give all uses of a serial that nobody has to a replica."""
    coupon = coupon_of(tx, batch.coupon_id)
    assert coupon is not None and not is_held(tx, batch.batch_id, serial)
    row = CouponGrantRow(batch_id=batch.batch_id, serial=serial, giver=own.rep, taker=taker, n=coupon.uses)
    put_own(tx, own, store_of(taker), COUPON_GRANT, row, by=own.rep)


def is_held(read: Connection, batch_id: str, serial: str) -> bool:
    """Whether somebody was given uses of a serial, or of its batch as a whole."""
    return bool(grants_of(read, batch_id, serial))
