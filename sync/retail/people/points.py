"""Points: earned anywhere at any time, burned on line by the cloud's word, off line under a cap. Pure.

    burning at     balance known there   verdict
    cloud          enough                allowed: the cloud's ledger is one, in order
    hub, line up   enough                ask the cloud
    hub, no line   enough                conditional, while this member's burns without line of the day stay under the cap
    anywhere       not enough            refused: `balance`; after a return it may be negative, burning waits until it is earned
    anywhere       of a contested person refused: `contested`; earning goes on

The cap holds in each replica by itself: with k of them cut off, a member overdraws by at most k × cap a day. That is the price of
burning without a line; a cap of 0 refuses it. A ledger is the sum of effects over unique fact keys, and is never rewritten.
Not here: whose points they are when members are linked (the sum is over a person's ids), storage. Source: the design, 3.3.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.errors import RuleError
from sync.kinds import Column, Entity, Keep, Kind, PassedOn
from sync.retail.selling.sales import AMOUNT_MAX, POINTS_MAX, Amount, Id, PointsEffect, ShortText

Reason = Literal["earn", "burn", "return", "adjust"]


class PointsRule(Struct, frozen=True):
    """`points` for each `per` minor units spent; parts of a point are not given."""

    points: Annotated[int, Meta(ge=0, le=1_000_000)]
    per: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]


class PointsFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the ledger; a sale may carry `points` itself and needs none. `offline`: burned under the cap."""

    v: int = 1
    entry_id: Id
    reason: Reason
    store: Id
    rep: str
    business_date: str
    sale_id: Id | None = None
    offline: bool = False
    why: ShortText = ""
    points: tuple[PointsEffect, ...]
    at: datetime


class Where(StrEnum):
    """Where a burn is decided."""

    CLOUD = "cloud"
    HUB_ON_LINE = "hub_on_line"
    HUB_OFF_LINE = "hub_off_line"


class Burn(StrEnum):
    """What becomes of a wish to burn; the last three refuse it."""

    ALLOWED = "allowed"
    ASK = "ask"
    CONDITIONAL = "conditional"
    BALANCE = "balance"
    CAP = "cap"
    CONTESTED = "contested"


def points_due(rule: PointsRule, amount: Amount) -> int:
    """Return the points of an amount in minor units, rounded down."""
    return amount * rule.points // rule.per


def points_back(rule: PointsRule, kept_before: Amount, kept_after: Amount) -> int:
    """Return what a return takes back: the sale's points are those of what is still kept, in parts or whole."""
    assert 0 <= kept_after <= kept_before
    return points_due(rule, kept_before) - points_due(rule, kept_after)


def ledger(entries: Iterable[tuple[str, tuple[PointsEffect, ...]]]) -> Mapping[str, int]:
    """Return member -> balance: effects of (fact key, effects), each key once whatever arrives twice."""
    balances: dict[str, int] = {}
    for effects in dict(entries).values():
        for effect in effects:
            balances[effect.member_id] = balances.get(effect.member_id, 0) + effect.points
    return balances


def may_burn(
    points: int, *, where: Where, balance: int, burned_off_line: int, off_line_max: int, is_contested: bool = False
) -> Burn:
    """Return the verdict on a burn; raise RuleError (points) when there is none to burn.

    `burned_off_line` is what this replica let the member burn without a line on the business date.
    """
    if not 0 < points <= POINTS_MAX:
        raise RuleError("points", "/points", f"{points} points cannot be burned: 1 to {POINTS_MAX}")
    if is_contested:
        return Burn.CONTESTED
    if balance < points:
        return Burn.BALANCE
    if where is Where.CLOUD:
        return Burn.ALLOWED
    if where is Where.HUB_ON_LINE:
        return Burn.ASK
    return Burn.CONDITIONAL if burned_off_line + points <= off_line_max else Burn.CAP


def burned_off_line(facts: Iterable[PointsFact], member_id: str, *, rep: str, business_date: str) -> int:
    """Return what a member burned at a replica on a business date under the cap, each fact once."""
    burns = {fact.entry_id: fact for fact in facts if fact.offline and fact.reason == "burn" and fact.rep == rep}
    days = (fact for fact in burns.values() if fact.business_date == business_date)
    return -sum(effect.points for fact in days for effect in fact.points if effect.member_id == member_id)


def exposure(facts: Iterable[PointsFact], confirmed: Iterable[str]) -> Mapping[str, int]:
    """Return member -> points burned without a line that the cloud has not confirmed (by entry_id) yet."""
    settled = frozenset(confirmed)
    burns = {f.entry_id: f.points for f in facts if f.offline and f.reason == "burn" and f.entry_id not in settled}
    return {member: -points for member, points in ledger(burns.items()).items()}


POINTS = Entity(
    name="points",
    stream="points",
    kind=Kind.FACT,
    table="points_entry",
    passed_on=PassedOn.BESIDE,
    row=PointsFact,
    doc="An entry of a member's points that is no sale and no return.",
    key=(Column("entry_id", path="entry_id"),),
    columns=(Column("reason", path="reason", choices=("earn", "burn", "return", "adjust")),),
    dated="at",
    keep=Keep(days=400),
)
