"""Instant coupons: the next serial of a batch that this life of the hub holds is given to somebody, off line as well.

A batch belongs to one life: after a restore nothing of it is issued here again, so that no serial is issued twice. Functions of a
write job. Not here: who holds what (sync.cloud.loyalty.coupons), redeeming (hub.store.people.coupons).
"""

from datetime import datetime
from sqlite3 import Connection
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.store.people.coupon_serials import batch_of, coupon_of, instant_batches
from sync.model import Dot, Replica
from sync.retail.people.coupon_rows import COUPON_ISSUE, CouponIssueFact
from sync.store.writing import record_fact


class Issued(Struct, frozen=True):
    """A serial that was given to somebody."""

    fact: CouponIssueFact
    dot: Dot
    status: Literal["created", "repeated"]


def issue(
    tx: Connection, own: Replica, *, issue_id: str, coupon_id: str, member_id: str | None, is_alone: bool, now: datetime
) -> Issued:
    """Give the next serial of an instant batch that this replica holds; raise RefusedError where there is none left."""
    row = tx.execute(
        """
        SELECT body, store || ':' || incarnation, seq FROM coupon_issue
        JOIN replica ON replica.id = coupon_issue.replica WHERE issue_id = ?
        """,
        (issue_id,),
    ).fetchone()
    if row is not None:
        fact = msgspec.json.decode(row[0], type=CouponIssueFact)
        batch = batch_of(tx, fact.batch_id)
        if (batch is not None and batch.coupon_id != coupon_id) or fact.member_id != member_id:
            raise ConflictError("other_content", f"issue {issue_id} is known with other content", pointer="/issue_id")
        return Issued(fact, Dot(row[1], COUPON_ISSUE.stream, row[2]), "repeated")
    if coupon_of(tx, coupon_id) is None:
        raise NotFoundError("coupon_unknown", f"no coupon {coupon_id!r}", pointer="/coupon_id")
    for batch in instant_batches(tx, own, coupon_id, is_alone=is_alone):
        last = tx.execute("SELECT max(number) FROM coupon_issue WHERE batch_id = ?", (batch.batch_id,)).fetchone()[0]
        number = batch.first if last is None else last + 1
        if number < batch.first + batch.count:
            break
    else:
        detail = f"this shop holds no serial of {coupon_id} that is not issued"
        raise RefusedError("coupon_batch_empty", detail, pointer="/coupon_id")
    fact = CouponIssueFact(
        issue_id=issue_id,
        batch_id=batch.batch_id,
        serial=batch.serial(number),
        number=number,
        rep=own.rep,
        member_id=member_id,
        issued_at=now,
    )
    return Issued(fact, record_fact(tx, own, COUPON_ISSUE, fact), "created")
