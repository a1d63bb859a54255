"""Consent: facts by purpose. An opt-out stands until an opt-in that has seen it; of whom one stands nothing is sent. Pure.

    opt-outs that stand    opt-ins    a person's word
    any                    any        out
    none                   some       in
    none                   none       unknown

A person's word is over all its members: an opt-out at one of them counts for all. An opt-in names, by their keys, the opt-outs
that its writer had seen; one that was written beside it, in another shop, is not among them and wins.
Source: the design, 3.3 (Member).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Kind, PassedOn
from sync.retail.selling.sales import Id, ShortText
from sync.retail.undo import SEEN_MAX, standing

PURPOSES: Final = ("marketing", "profile")
Purpose = Literal["marketing", "profile"]
Choice = Literal["in", "out"]
Word = Literal["in", "out", "unknown"]


class ConsentFact(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="consent"):
    """A member has said yes or no. `how`: where it was said, as the form that was signed; `seen`: opt-outs known to an opt-in."""

    v: int = 1
    consent_id: Id
    member_id: Id
    purpose: Purpose
    choice: Choice
    how: ShortText = ""
    seen: Annotated[tuple[Id, ...], Meta(max_length=SEEN_MAX)] = ()
    at: datetime


def opt_outs(facts: Iterable[ConsentFact], purpose: Purpose) -> frozenset[str]:
    """Return the opt-outs of a person that no opt-in has seen."""
    known = {fact.consent_id: fact for fact in facts if fact.purpose == purpose}
    outs = [(key, key) for key, fact in known.items() if fact.choice == "out"]
    return standing(outs, (key for fact in known.values() if fact.choice == "in" for key in fact.seen))


def word(facts: Iterable[ConsentFact], purpose: Purpose) -> Word:
    """Return what a person has said of a purpose."""
    known = tuple(facts)
    if not known:
        return "unknown"
    if opt_outs(known, purpose):
        return "out"
    return "in" if any(fact.purpose == purpose and fact.choice == "in" for fact in known) else "unknown"


CONSENT = Entity(
    name="consent",
    stream="people",
    kind=Kind.FACT,
    table="consent",
    passed_on=PassedOn.BESIDE,
    row=ConsentFact,
    doc="What a member has agreed to, or not.",
    key=(Column("consent_id", path="consent_id"),),
    columns=(
        Column("member_id", path="member_id", is_indexed=True),
        Column("purpose", path="purpose", choices=PURPOSES),
        Column("choice", path="choice", choices=("in", "out")),
    ),
    dated="at",
)
