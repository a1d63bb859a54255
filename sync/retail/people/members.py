"""The member's clear data: a register that shops and the cloud write together, cell by cell. Source: the design, 3.2, 3.3.

Facts name a member by its id and hold no clear data: identities as keyed hashes (sync.retail.people.identities), links
(sync.retail.people.people), consents (sync.retail.people.consents). `erased` absorbs all other cells, past and future. `tier` is
written by the cloud only; an identity of a declared kind is a cell of its name behind `id:`.
"""

from typing import Final

from msgspec import Struct

from sync.kinds import Authority, Column, Entity, Kind
from sync.merge import ERASED, Cell

FIELDS: Final = (
    "name",
    "email",
    "phone",
    "card",
    "line_id",
    "language",
    "birth_month",
    "tier",
    "note",
    "gone",
    ERASED,
)
"""The cells that this version knows; others are kept and passed on."""
TIER: Final = "tier"
DECLARED: Final = "id:"
"""Before the name of a declared identity kind."""


class MemberRow(Struct, frozen=True, kw_only=True):
    """The cells that one writer has written of a member."""

    v: int = 1
    key: str
    cells: dict[str, Cell]


MEMBER = Entity(
    name="member",
    stream="members",
    kind=Kind.REGISTER,
    table="member",
    row=MemberRow,
    doc="A member's name, ways to reach them, language, tier.",
    key=(Column("member_id", path="key"),),
    authority=Authority.SHARED,
)
