"""Other branches' stock: what the cloud makes of each store's levels, for the stores that may see it. A register of the cloud.

A row without a SKU and a location says when the cloud last heard of the store: until then the store's other figures held. Age is
shown beside a figure; nothing is decided by it.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Priority

Figure = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class BranchLevelRow(Struct, frozen=True, kw_only=True):
    """What lies at a location of a store, in the product's unit, as the cloud knew it at `as_of_ms` (UTC)."""

    v: int = field(default_factory=lambda: 1)
    store: str
    location: str
    sku: str
    n: int
    gone: bool = False
    on_hand: Figure
    as_of_ms: Annotated[int, Meta(ge=0, le=2**53)]


BRANCH_LEVEL = Entity(
    name="branch_level",
    stream="branch_levels",
    kind=Kind.REGISTER,
    table="branch_level",
    row=BranchLevelRow,
    doc="What lies at the other branches, and since when that is known. Summed by the cloud from their levels.",
    key=(Column("sku", path="sku"), Column("store", path="store"), Column("location", path="location")),
    columns=(
        Column("on_hand", "INTEGER", path="on_hand"),
        Column("as_of_ms", "INTEGER", path="as_of_ms"),
    ),
    authority=Authority.CLOUD,
    priority=Priority.LATER,
)
