"""A member's points in another shop: what the cloud makes of each store's facts, for the stores of its region.

A balance is a store's own facts and these rows of the other stores. They are as old as the line; burning is bounded by the cap of
a day whatever they say. Source: the design, 3.3 (Points).
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Priority

Sum = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class MemberPointsRow(Struct, frozen=True, kw_only=True):
    """The sum of the effects of a store's facts on a member's points, each fact once."""

    v: int = field(default_factory=lambda: 1)
    member_id: str
    store: str
    n: int
    gone: bool = False
    points: Sum


MEMBER_POINTS = Entity(
    name="member_points",
    stream="member_points",
    kind=Kind.REGISTER,
    table="member_points",
    row=MemberPointsRow,
    doc="What a member has earned and burned in another store. Summed by the cloud from its facts.",
    key=(Column("member_id", path="member_id"), Column("store", path="store")),
    columns=(Column("points", "INTEGER", path="points"),),
    authority=Authority.CLOUD,
    priority=Priority.LATER,
)
