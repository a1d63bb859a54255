"""Coupons as they are stored and shipped: what there is, who holds which uses, what was asked, issued, redeemed, undone.

    stream          written by   says
    coupons         cloud        a coupon; a batch of its serials: prefix and number, or one serial by itself
    coupon_grants   cloud        uses of a serial, or of each of a batch, that a replica holds
    coupon_asks     a store      how many uses of a serial a replica wants to hold in all
    coupon_issues   a replica    the next serial of an `instant` batch was given to somebody
    redemptions     a replica    a serial was redeemed
    releases        a replica    redemptions are undone
    disputes        cloud        a redemption found no use left
    dispute_ends    cloud        a dispute is over, or open again

Rights to uses are no rows of `grants`: those are of goods, which come back by a count, are levelled between shop and web shop and
settled by promises; a use is handed on once, and what nobody spent of a life that was sealed is taken back (`reclaimed`). The
arithmetic is the same: what was given less what was taken back. `answered` is the number of the newest question of that replica
that was answered, with more uses or with none. Not here: rules (sync.retail.people.coupons). Source: the design, 3.3.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Measure, PassedOn, Priority, Shape
from sync.retail.catalogue.price_lists import Day
from sync.retail.names import Name
from sync.retail.people.coupons import USES_MAX, CouponDefinition, DisputeFact, Over, RedemptionFact, ReleaseFact
from sync.retail.selling.sales import AMOUNT_MAX, Currency, Id, ShortText, Sku
from sync.retail.stock.grants import Rep
from sync.retail.stock.levels import Number

SERIALS_MAX = 10_000_000  # of one batch
DIGITS_MAX = 12
WHOLE_BATCH = "*"  # in the place of a serial, and none: each serial of the batch

Hour = Annotated[int, Meta(ge=0, le=24)]
Minor = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Store = Annotated[str, Meta(min_length=1, max_length=40)]


class CouponRow(Struct, frozen=True, kw_only=True, tag_field="kind", tag="coupon"):
    """A version of a coupon: every field of CouponDefinition; hours 0 to 24 are the whole day."""

    v: int = 1
    coupon_id: Id
    n: int = 0
    gone: bool = False
    name: Name
    currency: Currency
    valid_from: Day
    valid_until: Day
    weekdays: Annotated[list[Annotated[int, Meta(ge=1, le=7)]], Meta(max_length=7)] = []
    hour_from: Hour = 0
    hour_until: Hour = 24
    spend_min: Minor = 0
    amount_max: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]
    skus: Annotated[list[Sku], Meta(max_length=1000)] = []
    members_only: bool = False
    tiers: Annotated[list[ShortText], Meta(max_length=20)] = []
    uses: Annotated[int, Meta(ge=1, le=USES_MAX)] = 1

    @property
    def definition(self) -> CouponDefinition:
        """The same for the rules; raise ValueError for dates or hours that are none."""
        hours = None if (self.hour_from, self.hour_until) == (0, 24) else (self.hour_from, self.hour_until)
        return CouponDefinition(
            coupon_id=self.coupon_id,
            currency=self.currency,
            valid_from=date.fromisoformat(self.valid_from),
            valid_until=date.fromisoformat(self.valid_until),
            weekdays=tuple(self.weekdays),
            hours=hours,
            spend_min=self.spend_min,
            amount_max=self.amount_max,
            skus=tuple(self.skus),
            members_only=self.members_only,
            tiers=tuple(self.tiers),
            uses=self.uses,
        )


class CouponBatchRow(Struct, frozen=True, kw_only=True, tag_field="kind", tag="coupon_batch"):
    """A version of a batch: serials `prefix` + n in `digits` digits, for n of [first, first + count).

    No digits: one serial, which is the prefix. `instant`: a serial is good once it was issued, by a hub that holds the batch.
    """

    v: int = 1
    batch_id: Id
    n: int = 0
    gone: bool = False
    coupon_id: Id
    prefix: Id
    digits: Annotated[int, Meta(ge=0, le=DIGITS_MAX)] = 0
    first: Annotated[int, Meta(ge=0, le=10**DIGITS_MAX)] = 0
    count: Annotated[int, Meta(ge=1, le=SERIALS_MAX)] = 1
    instant: bool = False

    def serial(self, number: int) -> str:
        """Return the serial of a number of the batch."""
        assert self.first <= number < self.first + self.count
        return f"{self.prefix}{number:0{self.digits}}" if self.digits else self.prefix

    def has(self, serial: str) -> bool:
        """Whether a serial is one of the batch."""
        rest = serial.removeprefix(self.prefix)
        if not serial.startswith(self.prefix) or len(rest) != self.digits:
            return False
        if not self.digits:
            return True
        return rest.isascii() and rest.isdecimal() and self.first <= int(rest) < self.first + self.count


class CouponGrantRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `coupon_grants`: numbers that the giver makes grow."""

    v: int = field(default_factory=lambda: 1)
    batch_id: Id
    serial: Annotated[str, Meta(min_length=1, max_length=64)]
    giver: Rep
    taker: Rep
    n: Number
    reclaimed: Number = 0
    answered: Number = 0


class CouponAskRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `coupon_asks`: replica `rep` wants to hold `wanted` uses of a serial in all."""

    v: int = field(default_factory=lambda: 1)
    store: Store
    serial: Id
    rep: Rep
    wanted: Annotated[int, Meta(ge=1, le=USES_MAX)]
    n: int = 0
    gone: bool = False


class CouponIssueFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A serial of an instant batch was given to somebody by `rep`, which holds the batch."""

    v: int = 1
    issue_id: Id
    batch_id: Id
    serial: Id
    number: int
    rep: Rep
    member_id: Id | None = None
    issued_at: datetime


class DisputeEndRow(Struct, frozen=True, kw_only=True):
    """Why a dispute is over; "": it is open again, because a holder of the serial has used what had come free."""

    v: int = field(default_factory=lambda: 1)
    redemption_id: Id
    n: int
    gone: bool = False
    why: Over | Literal[""]


def prefixes(serial: str) -> Iterator[str]:
    """Yield what the prefix of a serial's batch may be, the longest first."""
    yield from (serial[:size] for size in range(len(serial), max(0, len(serial) - DIGITS_MAX - 1), -1))


COUPON = Entity(
    name="coupon",
    stream="coupons",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="coupon",
    row=CouponRow,
    doc="What a coupon takes off, for whom, when, and how often a serial of it is good.",
    key=(Column("coupon_id", path="coupon_id"),),
    columns=(
        Column("name_zh_hant", path="name.zh-Hant"),
        Column("name_en", path="name.en"),
        Column("currency", path="currency"),
        Column("valid_from", path="valid_from"),
        Column("valid_until", path="valid_until"),
        Column("weekdays", path="weekdays", shape=Shape.JSON),
        Column("hour_from", "INTEGER", path="hour_from"),
        Column("hour_until", "INTEGER", path="hour_until"),
        Column("spend_min", "INTEGER", path="spend_min"),
        Column("amount_max", "INTEGER", path="amount_max"),
        Column("skus", path="skus", shape=Shape.JSON),
        Column("members_only", "INTEGER", path="members_only", shape=Shape.FLAG),
        Column("tiers", path="tiers", shape=Shape.JSON),
        Column("uses", "INTEGER", path="uses"),
    ),
)

COUPON_BATCH = Entity(
    name="coupon_batch",
    stream="coupons",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="coupon_batch",
    row=CouponBatchRow,
    doc="Serials of a coupon: a prefix and a range of numbers, or one serial by itself.",
    key=(Column("batch_id", path="batch_id"),),
    columns=(
        Column("coupon_id", path="coupon_id"),
        Column("prefix", path="prefix", is_indexed=True),
        Column("digits", "INTEGER", path="digits"),
        Column("first", "INTEGER", path="first"),
        Column("count", "INTEGER", path="count"),
        Column("instant", "INTEGER", path="instant", shape=Shape.FLAG),
    ),
)

COUPON_GRANT = Entity(
    name="coupon_grant",
    stream="coupon_grants",
    kind=Kind.TALLY,
    table="coupon_grant",
    row=CouponGrantRow,
    doc="Uses of a coupon's serial, or of each serial of a batch, that a replica was given and that were taken back from it.",
    key=(
        Column("batch_id", path="batch_id"),
        Column("serial", path="serial"),
        Column("giver", path="giver"),
        Column("taker", path="taker"),
    ),
    numbers=(
        Column("granted", "INTEGER", path="n"),
        Column("reclaimed", "INTEGER", path="reclaimed"),
        Column("answered", "INTEGER", path="answered"),
    ),
    written_by="giver",
    priority=Priority.URGENT,
)

COUPON_ASK = Entity(
    name="coupon_ask",
    stream="coupon_asks",
    kind=Kind.REGISTER,
    authority=Authority.STORE,
    table="coupon_ask",
    row=CouponAskRow,
    doc="How many uses of a coupon's serial a replica of a store wants to hold.",
    key=(Column("store", path="store"), Column("serial", path="serial"), Column("rep", path="rep")),
    columns=(Column("wanted", "INTEGER", path="wanted"),),
    written_by="store",
    priority=Priority.URGENT,
)

COUPON_ISSUE = Entity(
    name="coupon_issue",
    stream="coupon_issues",
    kind=Kind.FACT,
    table="coupon_issue",
    row=CouponIssueFact,
    doc="The next serial of an instant batch was given to somebody.",
    key=(Column("issue_id", path="issue_id"),),
    columns=(
        Column("batch_id", path="batch_id", is_indexed=True),
        Column("serial", path="serial", is_indexed=True),
        Column("number", "INTEGER", path="number"),
    ),
    priority=Priority.SOON,
)

REDEMPTION = Entity(
    name="redemption",
    stream="redemptions",
    kind=Kind.FACT,
    table="redemption",
    row=RedemptionFact,
    doc="A coupon's serial was redeemed, by whom, for how much, with a right or conditionally.",
    key=(Column("redemption_id", path="redemption_id"),),
    columns=(
        Column("serial", path="serial", is_indexed=True),
        Column("sale_id", path="sale_id", is_nullable=True, is_indexed=True),
        Column("business_date", path="business_date", is_indexed=True),
        Column("against", path="against", shape=Shape.JSON, is_indexed=True),
    ),
    measure=Measure(unit="currency", amount="amount"),
    priority=Priority.URGENT,
)

RELEASE = Entity(
    name="release",
    stream="releases",
    kind=Kind.FACT,
    table="coupon_release",
    row=ReleaseFact,
    doc="Redemptions of a serial are undone, by their dots: the sale was returned or voided.",
    key=(Column("release_id", path="release_id"),),
    columns=(Column("serial", path="serial", is_indexed=True),),
    priority=Priority.URGENT,
)

DISPUTE = Entity(
    name="dispute",
    stream="disputes",
    kind=Kind.FACT,
    table="coupon_dispute",
    passed_on=PassedOn.NOBODY,
    row=DisputeFact,
    doc="A redemption found no use of its serial left; the store that accepted it bears the amount.",
    key=(Column("redemption_id", path="redemption_id"),),
    columns=(Column("serial", path="serial"),),
    measure=Measure(unit="currency", amount="amount"),
    priority=Priority.URGENT,
)

DISPUTE_END = Entity(
    name="dispute_end",
    stream="dispute_ends",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="dispute_end",
    row=DisputeEndRow,
    doc="How a dispute stands that was over once: its redemption was undone, found a use, or head office bears it.",
    key=(Column("redemption_id", path="redemption_id"),),
    columns=(Column("why", path="why"),),
    priority=Priority.SOON,
)
