"""[members] of the configuration file, checked: what members are known by, what joins them, what points are.

region             TW, HK, …: whose telephone numbers are meant where no country is written; left out: that of the shop's currency
join               identity kinds by which a new member is joined to who has it already; others ask the cashier
points             { points, per }: so many points for each `per` minor units of goods; left out: none are earned
points_by_tier.T   the same for members of tier T; tiers that are not named earn by `points`
points_worth       { points, minor }: so many points pay `minor` minor units; min, step: how many are burned; max_pct: of a sale;
                   tender: which carries them, else discounts on the lines do; left out: the till knows
welcome            the coupon of which a new member gets a serial; left out: none
burn_off_line_max  points of a member and day that are burned without the cloud's word
ask_timeout_s      how long a customer waits for that word; then as without a line
identities.NAME    { pattern, hard }: a further kind; its canonical form (NFKC, capitals, no blanks or hyphens) fits the pattern
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from hub.store.member_rules import MemberRules
from sync.errors import ConfigError
from sync.retail.people.declared import check_declared
from sync.retail.people.identities import DeclaredKind, IdentityKind, region_of
from sync.retail.people.points import PointsRule
from sync.retail.people.points_worth import PointsWorth
from sync.retail.selling.sales import POINTS_MAX, Id
from sync.retail.selling.tenders import USUAL_TENDERS, TenderType, type_of

Tier = Annotated[str, Meta(min_length=1, max_length=40)]


class MembersSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[members]; `burn_off_line_max` 0: no points are burned without the word of a cloud, where there is one."""

    region: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")] | None = None
    join: list[str] = []
    points: PointsRule | None = None
    points_by_tier: dict[Tier, PointsRule] = {}
    points_worth: PointsWorth | None = None
    welcome: Id | None = None
    burn_off_line_max: Annotated[int, Meta(ge=0, le=POINTS_MAX)] = 0
    ask_timeout_s: Annotated[float, Meta(ge=0.1, le=30)] = 2.0
    identities: dict[IdentityKind, DeclaredKind] = {}


def member_rules(
    section: MembersSection, currency: str, *, has_cloud: bool, tenders: Sequence[TenderType] = USUAL_TENDERS
) -> MemberRules:
    """Check the section; `tenders` are those that the shop takes. Raise ConfigError with the key, the value and the remedy."""
    check_declared(section.region, section.identities, section.join)
    if section.points_worth is not None:
        _check_tender(section.points_worth.tender, tenders)
    return MemberRules(
        region=section.region or region_of(currency),
        declared=section.identities,
        join=tuple(section.join),
        points=section.points,
        points_by_tier=section.points_by_tier,
        points_worth=section.points_worth,
        welcome=section.welcome,
        burn_off_line_max=section.burn_off_line_max,
        ask_timeout_s=section.ask_timeout_s,
        has_cloud=has_cloud,
    )


def _check_tender(name: str | None, tenders: Sequence[TenderType]) -> None:
    known = type_of(tenders, name) if name is not None else None
    if name is not None and (known is None or known.kind == "cash"):
        usable = ", ".join(each.type for each in tenders if each.kind != "cash")
        raise ConfigError(
            f"members.points_worth.tender {name!r} is no tender of this shop that is not cash: {usable}; "
            f"declare it as [tenders.{name}], or leave it out"
        )
    if known is not None and known.refund_in_cash:
        raise ConfigError(
            f"tenders.{name}.refund_in_cash: points come back with the goods, and would be paid out beside; leave it out"
        )
