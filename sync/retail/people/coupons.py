"""Coupons: when one is valid, who may redeem it, and which of two redemptions stands. Pure.

    right here        line   the redemption
    yes               any    held: it stands, whatever others do
    no                up     the cloud is asked: it grants the right or says no
    no                down   conditional under an exposure cap (an amount per store and business date), else refused

    of one serial     what becomes of a redemption
    held              among the first of a replica, as many as it holds rights: for good
    provisional       not by right, but a use is left: the first in the cloud's stream; a holder may still push it out
    disputed          no use is left, until one comes free or head office bears it. The accepting store bears it, not the customer

A holder is a replica (an incarnation), as with stock rights. What a released redemption had used is free again.
What a coupon takes off is the till's discount; here is only its limit. Not here: grants, storage. Source: the design, 3.3.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.model import Dot
from sync.retail.selling.sales import AMOUNT_MAX, LINES_MAX, Amount, Currency, Id, ShortText, Sku
from sync.retail.undo import SEEN_MAX, standing
from sync.retail.windows import is_near, is_open

USES_MAX = 1_000_000  # of one serial; a code for everybody is a price, not a coupon
Over = Literal["undone", "use_left", "borne"]
"""Why a dispute is over: its redemption was undone, a use of the serial came free, head office bears it for good."""
_NO_PLACE = 2**63  # behind every place in a stream

Hour = Annotated[int, Meta(ge=0, le=24)]
Weekday = Annotated[int, Meta(ge=1, le=7)]
Positive = Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]


class CouponDefinition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a coupon asks for. Dates are inclusive, weekdays ISO (Monday 1), hours [from, until) by the store's zone.

    Hours such as 22 to 2 go past midnight: what is after it belongs to the day on which they began. With `skus` only these lines
    count, and at least one must be there. `tiers` are member tiers, any of them; no tiers: `members_only` asks for any member.
    """

    v: int = 1
    coupon_id: Id
    currency: Currency
    valid_from: date
    valid_until: date
    weekdays: Annotated[tuple[Weekday, ...], Meta(max_length=7)] = ()
    hours: tuple[Hour, Hour] | None = None
    spend_min: Amount = 0
    amount_max: Positive
    skus: Annotated[tuple[Sku, ...], Meta(max_length=1000)] = ()
    members_only: bool = False
    tiers: Annotated[tuple[ShortText, ...], Meta(max_length=20)] = ()
    uses: Annotated[int, Meta(ge=1, le=USES_MAX)] = 1

    def __post_init__(self) -> None:
        if self.valid_from > self.valid_until:
            raise ValueError(f"valid_until {self.valid_until} is before valid_from {self.valid_from}")
        if self.hours is not None and self.hours[0] == self.hours[1]:
            raise ValueError("hours that end where they begin: leave them out for the whole day")


class Basket(Struct, frozen=True, omit_defaults=True):
    """What a check looks at: lines as (sku, amount after discounts), and who buys."""

    currency: Currency
    lines: Annotated[tuple[tuple[Sku, Amount], ...], Meta(max_length=LINES_MAX)]
    member_id: Id | None = None
    tier: str = ""


class Refusal(StrEnum):
    """Why a coupon is not valid for a basket."""

    WINDOW = "window"
    CURRENCY = "currency"
    PRODUCT = "product"
    SPEND = "spend"
    MEMBER = "member"
    AMOUNT = "amount"


class Checked(Struct, frozen=True):
    """Nothing refused: valid. `is_by_grace`: only the grace of an unsure clock made it so; the sale is flagged."""

    refusals: tuple[Refusal, ...]
    is_by_grace: bool = False


class Verdict(StrEnum):
    """What a hub does with a valid coupon."""

    HELD = "held"
    ASK = "ask"
    CONDITIONAL = "conditional"
    REFUSED = "refused"


class RedemptionFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A serial was redeemed, in a sale or by itself. `rep` is who accepted it, also when a fork repair writes it under a new dot.

    `coupon_id` is left out where the hub did not know the serial; `against`: why it would have refused what had happened already.
    """

    v: int = 1
    redemption_id: Id
    serial: Id
    coupon_id: Id | None = None
    sale_id: Id | None = None
    store: Id
    rep: str
    amount: Positive
    currency: Currency
    business_date: str
    conditional: bool = False
    by_grace: bool = False
    against: tuple[str, ...] = ()


class ReleaseFact(Struct, frozen=True, kw_only=True):
    """Redemptions are undone (the sale was returned or voided): those whose dots are named, and no other."""

    v: int = 1
    release_id: Id
    serial: Id
    sale_id: Id | None = None
    seen: Annotated[tuple[Dot, ...], Meta(min_length=1, max_length=SEEN_MAX)]


class DisputeFact(Struct, frozen=True, kw_only=True):
    """A redemption found no use left; `store` accepted it and bears the amount. The key is `redemption_id`: written once."""

    v: int = 1
    redemption_id: Id
    serial: Id
    store: Id
    amount: Positive
    currency: Currency


class Heard(Struct, frozen=True):
    """A redemption as somebody knows it; `place` is where it stands in the cloud's stream, None before it got there."""

    fact: RedemptionFact
    dot: Dot
    place: int | None = None


class Resolved(Struct, frozen=True):
    """The redemptions of a serial that were not released, each once, by redemption_id in the order in which they count."""

    held: tuple[str, ...]
    provisional: tuple[str, ...]
    disputes: tuple[DisputeFact, ...]

    @property
    def stands(self) -> tuple[str, ...]:
        """What used the serial."""
        return self.held + self.provisional


def check(
    definition: CouponDefinition, basket: Basket, moment: datetime, *, amount: int, is_sure: bool, grace_ms: int
) -> Checked:
    """Return whether a coupon may take `amount` off a basket. `moment` is in the store's zone; grace is for an unsure clock."""
    refusals = []
    is_open = is_in_window(definition, moment)
    is_by_grace = not is_open and not is_sure and is_near(definition, moment, grace_ms)
    if not is_open and not is_by_grace:
        refusals.append(Refusal.WINDOW)
    if basket.currency != definition.currency:
        refusals.append(Refusal.CURRENCY)
    counted = [line_amount for sku, line_amount in basket.lines if is_for(definition, sku)]
    if definition.skus and not counted:
        refusals.append(Refusal.PRODUCT)
    if not reaches_minimum(definition, basket):
        refusals.append(Refusal.SPEND)
    if not _is_for(definition, basket):
        refusals.append(Refusal.MEMBER)
    if not 0 < amount <= min(definition.amount_max, sum(counted)):
        refusals.append(Refusal.AMOUNT)
    return Checked(tuple(refusals), is_by_grace)


def reaches_minimum(definition: CouponDefinition, basket: Basket) -> bool:
    """Say whether what a coupon is for comes to its minimum spend."""
    return sum(amount for sku, amount in basket.lines if is_for(definition, sku)) >= definition.spend_min


def is_for(definition: CouponDefinition, sku: str) -> bool:
    """Say whether a line counts for a coupon."""
    return not definition.skus or sku in definition.skus


def amount_for(definition: CouponDefinition, basket: Basket) -> int:
    """Return what a coupon takes off a basket where it is valid: its amount, no more than what it is for costs."""
    return min(definition.amount_max, sum(amount for sku, amount in basket.lines if is_for(definition, sku)))


def is_in_window(definition: CouponDefinition, moment: datetime) -> bool:
    """Say whether a moment, in the store's zone, is on a day and at an hour of the coupon."""
    return is_open(definition, moment)


def may_redeem(*, uses_left: int, amount: int, is_line_up: bool, exposed: int, exposed_max: int) -> Verdict:
    """Return what to do; `uses_left` are this replica's rights for the serial less what it redeemed by them."""
    assert amount > 0
    if uses_left > 0:
        return Verdict.HELD
    if is_line_up:
        return Verdict.ASK
    return Verdict.CONDITIONAL if exposed + amount <= exposed_max else Verdict.REFUSED


def exposed(facts: Iterable[RedemptionFact], store: str, business_date: str) -> int:
    """Return what a store accepted without a right on a business date, each redemption once."""
    open_ = {fact.redemption_id: fact for fact in facts if fact.conditional}
    return sum(fact.amount for fact in open_.values() if (fact.store, fact.business_date) == (store, business_date))


def resolve(heard: Iterable[Heard], rights: Mapping[str, int], *, uses: int, undone: Iterable[Dot] = ()) -> Resolved:
    """Return what became of the redemptions of one serial. `rights`: replica -> uses it holds; `undone`: dots that releases name.

    Rights that stay and a stream that only grows: what is held stays held, what is disputed stays disputed.
    """
    known = sorted(heard, key=_order)
    kept = standing([(each.fact.redemption_id, each.dot) for each in known], undone)
    facts: dict[str, RedemptionFact] = {}
    for each in known:
        if each.fact.redemption_id in kept:
            facts.setdefault(each.fact.redemption_id, each.fact)  # where it was first in the stream
    left, held, others = dict(rights), [], []
    for fact in facts.values():
        if left.get(fact.rep, 0) > 0:
            left[fact.rep] -= 1
            held.append(fact)
        else:
            others.append(fact)
    free = max(0, uses - len(held))
    return Resolved(
        tuple(fact.redemption_id for fact in held),
        tuple(fact.redemption_id for fact in others[:free]),
        tuple(_dispute(fact) for fact in others[free:]),
    )


def over(dispute: str, resolved: Resolved) -> Over | None:
    """Return why the dispute of a redemption is over, None while it is open. Head office's word is asked first elsewhere."""
    if any(each.redemption_id == dispute for each in resolved.disputes):
        return None
    return "use_left" if dispute in resolved.stands else "undone"


def redemption_id_of(sale_id: str, serial: str) -> str:
    """Return the key of a serial's redemption in a sale: the same on whichever hub the sale is booked."""
    return f"sale-{blake2b(f'{sale_id} {serial}'.encode(), digest_size=16).hexdigest()}"


def uses_left(heard: Iterable[Heard], rep: str, *, right: int, undone: Iterable[Dot] = ()) -> int:
    """Return a replica's right to a serial less what it redeemed itself, by whatever verdict, and nobody has undone."""
    own = [(each.fact.redemption_id, each.dot) for each in heard if each.fact.rep == rep]
    return right - len(standing(own, undone))


def room_for(
    rep: str, resolved: Resolved, accepted_by: Mapping[str, str], rights: Mapping[str, int], *, uses: int
) -> int:
    """Return how many uses a replica may hold in all: what others hold, and what of theirs stands without a right, is taken.

    `accepted_by`: redemption_id -> the replica that accepted it.
    """
    held = sum(right for holder, right in rights.items() if holder != rep)
    return uses - held - sum(accepted_by[each] != rep for each in resolved.provisional)


def _order(each: Heard) -> tuple[int, int, str]:
    """The cloud's stream first, in its order; then what is not there yet, as it was written."""
    return _NO_PLACE if each.place is None else each.place, each.dot.seq, each.fact.redemption_id


def _dispute(fact: RedemptionFact) -> DisputeFact:
    return DisputeFact(
        redemption_id=fact.redemption_id,
        serial=fact.serial,
        store=fact.store,
        amount=fact.amount,
        currency=fact.currency,
    )


def _is_for(definition: CouponDefinition, basket: Basket) -> bool:
    if definition.tiers:
        return basket.member_id is not None and basket.tier in definition.tiers
    return basket.member_id is not None or not definition.members_only
