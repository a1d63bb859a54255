"""Stock levels as tallies: all that ever came to and left a location by one writer; all only grow, merge is the larger one.

On hand = received less issued, summed over writers. What other branches and the cloud know of a shop's stock. `picked` are goods
handed over for promises that others had made: they left the shelf without a right of this writer (the design, 3.3, Rights).
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Column, Entity, Kind, Priority

NUMBER_MAX = 10**15  # of a tally: a thousand sums of it still fit into SQLite's integers

Number = Annotated[int, Meta(ge=0, le=NUMBER_MAX)]


class LevelRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of state stream `levels`; quantities in the product's unit. `picked` of 0 is left out, `v` never."""

    v: int = field(default_factory=lambda: 1)
    sku: str
    location: str
    received: Number
    issued: Number
    picked: Number = 0


LEVEL = Entity(
    name="level",
    stream="levels",
    kind=Kind.TALLY,
    table="level",
    row=LevelRow,
    doc="All that ever came to, left, and was picked for others at a place, by who wrote it.",
    key=(Column("sku", path="sku"), Column("location", path="location")),
    numbers=(
        Column("received", "INTEGER", path="received"),
        Column("issued", "INTEGER", path="issued"),
        Column("picked", "INTEGER", path="picked", default=0),
    ),
    priority=Priority.LATER,
)
