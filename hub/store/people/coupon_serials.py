"""What is known at the shop of a coupon's serial: its batch and coupon, this life's right, redemptions, releases. Reads only.

Not here: what follows from it (hub.store.people.coupons), rules (sync.retail.people.coupons).
"""

import json
from collections.abc import Iterator
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from sync.model import Dot, Replica
from sync.retail.names import Name
from sync.retail.people.coupon_rows import REDEMPTION, WHOLE_BATCH, CouponBatchRow, CouponRow, prefixes
from sync.retail.people.coupons import CouponDefinition, Heard, RedemptionFact, ReleaseFact, uses_left
from sync.retail.undo import standing


class Known(Struct, frozen=True):
    """What is known here of a serial."""

    batch: CouponBatchRow
    name: Name
    definition: CouponDefinition
    right: int
    heard: tuple[Heard, ...]
    undone: tuple[Dot, ...]
    is_issued: bool

    def left(self, rep: str) -> int:
        """Return the uses that a replica may redeem by right."""
        return uses_left(self.heard, rep, right=self.right, undone=self.undone)

    @property
    def is_used_up(self) -> bool:
        """Whether redemptions that are known here have used all there is."""
        return len(standing([(e.fact.redemption_id, e.dot) for e in self.heard], self.undone)) >= self.definition.uses


def known_serial(read: Connection, own: Replica, serial: str, *, is_alone: bool = False) -> Known | None:
    """Return what is known of a serial, None where it is no coupon's, or one that was withdrawn."""
    batch = batch_with(read, serial)
    found = coupon_of(read, batch.coupon_id) if batch else None
    if batch is None or found is None:
        return None
    name, definition = found
    right = read.execute(
        """
        SELECT coalesce(sum(granted - reclaimed), 0) FROM coupon_grant
        WHERE batch_id = ? AND serial IN (?, ?) AND taker = ?
        """,
        (batch.batch_id, WHOLE_BATCH, serial, own.rep),
    ).fetchone()[0]
    heard, undone = _history(read, serial)
    is_issued = not batch.instant or _is_issued(read, serial)
    if is_alone:  # all uses are this store's, less what its other hub, or a former life, has used
        others = [(each.fact.redemption_id, each.dot) for each in heard if each.fact.rep != own.rep]
        right = definition.uses - len(standing(others, undone))
    return Known(batch, name, definition, right, heard, undone, is_issued)


def newest_answer(read: Connection, own: Replica, serial: str) -> int:
    """Return the number of the newest question of this life about a serial that the cloud has answered, 0 for none."""
    row = read.execute(
        "SELECT coalesce(max(answered), 0) FROM coupon_grant WHERE serial = ? AND taker = ?", (serial, own.rep)
    ).fetchone()
    return int(row[0])


def batch_with(read: Connection, serial: str) -> CouponBatchRow | None:
    """Return the batch of a serial."""
    for prefix in prefixes(serial):
        names = read.execute("SELECT batch_id FROM coupon_batch WHERE prefix = ? AND gone = 0", (prefix,)).fetchall()
        for (batch_id,) in names:
            batch = batch_of(read, batch_id)
            if batch is not None and batch.has(serial):
                return batch
    return None


def batch_of(read: Connection, batch_id: str) -> CouponBatchRow | None:
    """Return a batch that was not withdrawn."""
    row = read.execute(
        """
        SELECT batch_id, n, coupon_id, prefix, digits, first, count, instant FROM coupon_batch
        WHERE batch_id = ? AND gone = 0
        """,
        (batch_id,),
    ).fetchone()
    if row is None:
        return None
    batch_id, n, coupon_id, prefix, digits, first, count, instant = row
    return CouponBatchRow(
        batch_id=batch_id,
        n=n,
        coupon_id=coupon_id,
        prefix=prefix,
        digits=digits,
        first=first,
        count=count,
        instant=bool(instant),
    )


def instant_batches(read: Connection, own: Replica, coupon_id: str, *, is_alone: bool) -> Iterator[CouponBatchRow]:
    """Yield the instant batches of a coupon whose serials this replica holds."""
    names = read.execute(
        """
        SELECT batch_id FROM coupon_batch
        WHERE coupon_id = ?1 AND instant = 1 AND gone = 0 AND (?2 OR batch_id IN (
          SELECT batch_id FROM coupon_grant WHERE serial = ?4 AND taker = ?3 AND granted > reclaimed))
        ORDER BY batch_id
        """,
        (coupon_id, is_alone, own.rep, WHOLE_BATCH),
    ).fetchall()
    yield from (batch for (name,) in names if (batch := batch_of(read, name)) is not None)


def coupon_of(read: Connection, coupon_id: str) -> tuple[Name, CouponDefinition] | None:
    """Return a coupon's name and definition; None for one that is not known, was withdrawn, or cannot be used here."""
    row = read.execute(
        """
        SELECT name_zh_hant, name_en, currency, valid_from, valid_until, weekdays, hour_from, hour_until, spend_min,
          amount_max, skus, members_only, tiers, uses
        FROM coupon WHERE coupon_id = ? AND gone = 0
        """,
        (coupon_id,),
    ).fetchone()
    if row is None:
        return None
    (
        zh_hant,
        en,
        currency,
        since,
        until,
        weekdays,
        hour_from,
        hour_until,
        spend_min,
        amount_max,
        skus,
        members,
        *rest,
    ) = row
    tiers, uses = rest
    name = Name(zh_hant=zh_hant, en=en)
    coupon = CouponRow(
        coupon_id=coupon_id,
        name=name,
        currency=currency,
        valid_from=since,
        valid_until=until,
        weekdays=json.loads(weekdays),
        hour_from=hour_from,
        hour_until=hour_until,
        spend_min=spend_min,
        amount_max=amount_max,
        skus=json.loads(skus),
        members_only=bool(members),
        tiers=json.loads(tiers),
        uses=uses,
    )
    try:
        return name, coupon.definition
    except ValueError:
        return None


def _history(read: Connection, serial: str) -> tuple[tuple[Heard, ...], tuple[Dot, ...]]:
    rows = read.execute(
        """
        SELECT body, store || ':' || incarnation, seq FROM redemption
        JOIN replica ON replica.id = redemption.replica WHERE serial = ? ORDER BY redemption.id
        """,
        (serial,),
    ).fetchall()
    heard = tuple(
        Heard(msgspec.json.decode(body, type=RedemptionFact), Dot(rep, REDEMPTION.stream, seq))
        for body, rep, seq in rows
    )
    releases = read.execute("SELECT body FROM coupon_release WHERE serial = ?", (serial,)).fetchall()
    undone = tuple(dot for (body,) in releases for dot in msgspec.json.decode(body, type=ReleaseFact).seen)
    return heard, undone


def _is_issued(read: Connection, serial: str) -> bool:
    return read.execute("SELECT 1 FROM coupon_issue WHERE serial = ?", (serial,)).fetchone() is not None
