"""Who is one person: members joined by links that nobody has undone. Ledgers keep the ids they were written with. Pure.

    person       the connected component of a member under the links that stand
    canonical    its smallest id: whatever order links arrive in, all shops say the same
    contested    two members of it say different things of an attribute of which a person has one: points are earned, not burned
    undo         names the identity or link it takes back; what is written again stands, see sync.retail.undo

Links, undos and identities are facts of stream `people`; each has a key made anew for each write. In the scope of a region they
have the scope's seqs, not their own, so an undo names the key and not the dot. Source: the design, 3.3 (Member).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Kind, PassedOn
from sync.retail.selling.sales import Id, ShortText
from sync.retail.undo import standing

PERSON_MAX = 100  # members of one person that are followed; what links more is a mistake, and contested
HARD: Final = ("birth_month",)
"""Cells of which a person has one value; declared identity kinds that are `hard` come beside."""

Evidence = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class LinkFact(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="link"):
    """Two members are one person, because of `evidence`: `by hand`, or the kind of identity that they share."""

    v: int = 1
    link_id: Id
    a: Id
    b: Id
    evidence: Evidence
    at: datetime


class UndoFact(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="undo"):
    """An identity is no more a member's, or a link was none: `undone` is its key."""

    v: int = 1
    undo_id: Id
    what: Literal["identity", "link"]
    undone: Id
    reason: ShortText = ""
    at: datetime


def components(links: Iterable[LinkFact], undone: Iterable[str] = ()) -> Mapping[str, frozenset[str]]:
    """Return member -> all ids of its person, for every member that a link names."""
    facts = {link.link_id: link for link in links}
    persons: dict[str, frozenset[str]] = {}
    for key in standing([(key, key) for key in facts], undone):
        one = persons.get(facts[key].a, frozenset({facts[key].a})) | persons.get(
            facts[key].b, frozenset({facts[key].b})
        )
        persons.update(dict.fromkeys(one, one))
    alone = {each for link in facts.values() for each in (link.a, link.b)} - persons.keys()
    return persons | {each: frozenset({each}) for each in alone}


def canonical_id(person: Iterable[str]) -> str:
    """Return the id that stands for a person."""
    return min(person)


def contested(said: Iterable[Mapping[str, Any]], *, hard: Iterable[str] = HARD) -> tuple[str, ...]:
    """Return the hard attributes on which members of a person contradict each other. Any: JSON; None says nothing."""
    values: dict[str, set[Any]] = {name: set() for name in hard}
    for cells in said:
        for name, found in values.items():
            if cells.get(name) is not None:
                found.add(cells[name])
    return tuple(sorted(name for name, found in values.items() if len(found) > 1))


LINK = Entity(
    name="link",
    stream="people",
    kind=Kind.FACT,
    table="member_link",
    passed_on=PassedOn.BESIDE,
    row=LinkFact,
    doc="Two members are one person.",
    key=(Column("link_id", path="link_id"),),
    columns=(
        Column("a", path="a", is_indexed=True),
        Column("b", path="b", is_indexed=True),
    ),
    dated="at",
)

UNDO = Entity(
    name="undo",
    stream="people",
    kind=Kind.FACT,
    table="member_undo",
    passed_on=PassedOn.BESIDE,
    row=UndoFact,
    doc="An identity or a link was taken back.",
    key=(Column("undo_id", path="undo_id"),),
    columns=(
        Column("what", path="what", choices=("identity", "link")),
        Column("undone", path="undone", is_indexed=True),
    ),
    dated="at",
)
