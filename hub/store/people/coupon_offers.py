"""What coupons this shop can issue and redeem today, and by what right: one read a coupon and batch, no serial by itself.

    held        uses of serials that this life holds, less those that it redeemed and that no release undid; given out or not
    unissued    serials of instant batches that this life holds and has given to nobody
    redeem      a serial that was given out is held, the cloud is asked, conditional (under the day's cap), or refused

Not here: one serial (hub.store.people.coupon_serials), what a basket comes to (hub.store.people.coupons). Reads only.
"""

from collections.abc import Iterator
from datetime import date
from sqlite3 import Connection

from msgspec import Struct

from hub.store.people.coupon_serials import batch_of, coupon_of, instant_batches
from hub.store.people.coupons import CouponTerms, exposed_on
from sync.model import Replica
from sync.retail.names import Name
from sync.retail.people.coupon_rows import WHOLE_BATCH, CouponBatchRow
from sync.retail.people.coupons import CouponDefinition, Verdict, may_redeem

_OF_BATCH = """
    {table}.serial BETWEEN ?1 AND ?2 AND length({table}.serial) = length(?1)
    AND substr({table}.serial, length(?3) + 1) NOT GLOB '*[^0-9]*'
"""


class Offer(Struct, frozen=True):
    """A coupon of today, by its definition, and what this shop may do about it."""

    name: Name
    definition: CouponDefinition
    held: int
    unissued: int
    redeem: Verdict


class Asked(Struct, frozen=True, kw_only=True):
    """Which coupons: behind an id, good on this trading day, in this currency; and what is done without a right."""

    after: str
    limit: int
    business_date: date
    currency: str
    store: str
    terms: CouponTerms
    is_line_up: bool


def offers(read: Connection, own: Replica, asked: Asked) -> list[Offer]:
    """Return the next coupons of which something may be issued or redeemed here today, by their ids."""
    spent = exposed_on(read, asked.store, asked.business_date.isoformat())
    found: list[Offer] = []
    for coupon_id in _ids(read, asked):
        known = coupon_of(read, coupon_id)
        if known is None:
            continue
        offer = _offer(read, own, *known, asked=asked, spent=spent)
        if offer.unissued or offer.redeem is not Verdict.REFUSED:
            found.append(offer)
        if len(found) == asked.limit:
            break
    return found


def _ids(read: Connection, asked: Asked) -> Iterator[str]:
    rows = read.execute(
        """
        SELECT coupon_id FROM coupon
        WHERE coupon_id > ?1 AND gone = 0 AND currency = ?2 AND ?3 BETWEEN valid_from AND valid_until ORDER BY coupon_id
        """,
        (asked.after, asked.currency, asked.business_date.isoformat()),
    )
    yield from (coupon_id for (coupon_id,) in rows)


def _offer(
    read: Connection, own: Replica, name: Name, definition: CouponDefinition, *, asked: Asked, spent: int
) -> Offer:
    is_alone = asked.terms.is_alone
    held = sum(
        max(0, definition.uses * batch.count - _redeemed(read, batch)) if is_alone else _held(read, own, batch)
        for batch in _batches(read, definition.coupon_id)
    )
    unissued = sum(
        _unissued(read, batch) for batch in instant_batches(read, own, definition.coupon_id, is_alone=is_alone)
    )
    redeem = may_redeem(
        uses_left=held - unissued * definition.uses,
        amount=1,
        is_line_up=asked.is_line_up,
        exposed=spent,
        exposed_max=asked.terms.exposed_max,
    )
    return Offer(name, definition, held, unissued, redeem)


def _batches(read: Connection, coupon_id: str) -> Iterator[CouponBatchRow]:
    names = read.execute("SELECT batch_id FROM coupon_batch WHERE coupon_id = ? AND gone = 0", (coupon_id,)).fetchall()
    yield from (batch for (name,) in names if (batch := batch_of(read, name)) is not None)


def _range(batch: CouponBatchRow) -> tuple[str, str, str]:
    return batch.serial(batch.first), batch.serial(batch.first + batch.count - 1), batch.prefix


def _held(read: Connection, own: Replica, batch: CouponBatchRow) -> int:
    """Return the uses of a batch that this life was granted and has not redeemed."""
    each, singly = read.execute(
        """
        SELECT coalesce(sum(iif(serial = ?2, granted - reclaimed, 0)), 0),
          coalesce(sum(iif(serial = ?2, 0, granted - reclaimed)), 0)
        FROM coupon_grant WHERE batch_id = ?1 AND taker = ?3
        """,
        (batch.batch_id, WHOLE_BATCH, own.rep),
    ).fetchone()
    if each:
        return max(0, int(each) * batch.count + int(singly) - _redeemed(read, batch, rep=own.rep))
    return max(0, int(singly) - _redeemed_singly(read, own, batch)) if singly else 0


def _redeemed(read: Connection, batch: CouponBatchRow, *, rep: str = "") -> int:
    """Return how many redemptions of a batch stand: of a replica, or all."""
    row = read.execute(
        f"""
        SELECT (
          SELECT count(*) FROM redemption JOIN replica ON replica.id = redemption.replica
          WHERE {_OF_BATCH.format(table="redemption")} AND (?4 = '' OR store || ':' || incarnation = ?4)
        ) - (
          SELECT count(DISTINCT dot.value) FROM coupon_release, json_each(coupon_release.body, '$.seen') AS dot
          WHERE {_OF_BATCH.format(table="coupon_release")} AND (?4 = '' OR dot.value ->> 'rep' = ?4)
        )
        """,
        (*_range(batch), rep),
    ).fetchone()
    return int(row[0])


def _redeemed_singly(read: Connection, own: Replica, batch: CouponBatchRow) -> int:
    """Return how many redemptions of this life stand of the serials that it was granted one by one."""
    row = read.execute(
        """
        WITH held AS (SELECT DISTINCT serial FROM coupon_grant WHERE batch_id = ?1 AND taker = ?2)
        SELECT (
          SELECT count(*) FROM held JOIN redemption USING (serial) JOIN replica ON replica.id = redemption.replica
          WHERE store || ':' || incarnation = ?2
        ) - (
          SELECT count(DISTINCT dot.value) FROM held JOIN coupon_release USING (serial), json_each(body, '$.seen') AS dot
          WHERE dot.value ->> 'rep' = ?2
        )
        """,
        (batch.batch_id, own.rep),
    ).fetchone()
    return int(row[0])


def _unissued(read: Connection, batch: CouponBatchRow) -> int:
    last = read.execute("SELECT max(number) FROM coupon_issue WHERE batch_id = ?", (batch.batch_id,)).fetchone()[0]
    return batch.count if last is None else max(0, batch.first + batch.count - 1 - int(last))
