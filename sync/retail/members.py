"""The member's clear data: a register that shops and the cloud write together, cell by cell. Source: the design, 3.2, 3.3.

Facts name a member by its id and hold no clear data. `erased` absorbs all other cells, past and future.
"""

from typing import Final

from msgspec import Struct

from sync.kinds import Authority, Column, Entity, Kind
from sync.merge import ERASED, Cell

FIELDS: Final = (
    "name",
    "email",
    "phone",
    "language",
    "birth_month",
    "tier",
    "note",
    "consent_marketing",
    "consent_profile",
    "gone",
    ERASED,
)
"""The cells that this version knows; others are kept and passed on."""


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
    doc="A member's name, ways to reach them, language, tier and consents.",
    key=(Column("member_id", path="key"),),
    authority=Authority.SHARED,
)
