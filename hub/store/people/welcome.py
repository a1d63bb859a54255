"""A new member's coupon: the next serial of an instant batch that this hub holds, once a member. Jobs' functions, and reads.

The serial's issue is named by the member, so that an enrolment that is sent again finds the same one. Where no serial is left the
member is enrolled without, and the answer says so. Not here: who holds batches (sync.cloud.loyalty.coupons), printing
(hub.api.people.members).
"""

from datetime import date
from hashlib import blake2b
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from devices.document import Columns, Cut, Document, Feed, Qr, Rule, Text
from hub.errors import NotFoundError, RefusedError
from hub.store.member_rules import MemberRules
from hub.store.model import Shop, utc
from hub.store.people.coupon_issues import issue
from hub.store.people.coupon_serials import coupon_of
from sync.model import Replica
from sync.retail.money import format_amount
from sync.retail.names import Name
from sync.retail.people.coupon_rows import CouponIssueFact
from sync.retail.selling.sales import Warned


class WelcomeCoupon(Struct, frozen=True, omit_defaults=True):
    """What a new member gets: a serial that is good for `amount_max` at most, on these days. Its QR code is the serial."""

    serial: str
    coupon_id: str
    name: Name
    amount_max: int
    currency: str
    valid_from: date
    valid_until: date
    spend_min: int = 0
    print_job: str | None = None

    @property
    def paper(self) -> str:
        """The id of the job that prints it; no client can make it: an Id has no tilde."""
        return f"welcome~{self.serial}"


def welcome(tx: Connection, own: Replica, rules: MemberRules, member_id: str, *, now_ms: int) -> tuple[Warned, ...]:
    """Give a new member the coupon that the configuration names; return what a person should know."""
    if rules.welcome is None:
        return ()
    try:
        issue(
            tx,
            own,
            issue_id=issue_id_of(member_id),
            coupon_id=rules.welcome,
            member_id=member_id,
            is_alone=not rules.has_cloud,
            now=utc(now_ms),
        )
    except (RefusedError, NotFoundError) as err:
        return (Warned(err.code, detail=err.detail),)
    return ()


def welcome_of(read: Connection, member_id: str) -> WelcomeCoupon | None:
    """Return the coupon that a member got at its enrolment; None for none, or one that was withdrawn since."""
    row = read.execute("SELECT body FROM coupon_issue WHERE issue_id = ?", (issue_id_of(member_id),)).fetchone()
    if row is None:
        return None
    fact = msgspec.json.decode(row[0], type=CouponIssueFact)
    batch = read.execute("SELECT coupon_id FROM coupon_batch WHERE batch_id = ?", (fact.batch_id,)).fetchone()
    found = coupon_of(read, batch[0]) if batch else None
    if found is None:
        return None
    name, definition = found
    return WelcomeCoupon(
        serial=fact.serial,
        coupon_id=definition.coupon_id,
        name=name,
        amount_max=definition.amount_max,
        currency=definition.currency,
        valid_from=definition.valid_from,
        valid_until=definition.valid_until,
        spend_min=definition.spend_min,
    )


def issue_id_of(member_id: str) -> str:
    """Return the id of a member's own issue: the same at whichever hub of the store it is enrolled."""
    return f"welcome-{blake2b(member_id.encode(), digest_size=16).hexdigest()}"


def welcome_paper(shop: Shop, coupon: WelcomeCoupon) -> Document:
    """Return the coupon as it is printed, in Traditional Chinese and English; it names nobody."""
    amount = f"{coupon.currency} {format_amount(coupon.amount_max, coupon.currency)}"
    least = f"{coupon.currency} {format_amount(coupon.spend_min, coupon.currency)}"
    return Document(
        (
            Text(shop.name.zh_hant, align="center"),
            Text(shop.name.en, align="center"),
            Rule(),
            *(Text(each, bold=True, align="center") for each in (coupon.name.zh_hant, coupon.name.en) if each),
            Columns("最高抵扣 Takes off at most", amount),
            *([Columns("最低消費 Spend at least", least)] if coupon.spend_min else []),
            Columns("有效期 Valid", f"{coupon.valid_from} – {coupon.valid_until}"),
            Feed(),
            Qr(coupon.serial),
            Text(coupon.serial, align="center"),
            Feed(),
            Cut(),
        )
    )
