"""Footfall of an ended life, told by the life that follows: what the counters had added to it and nobody may have been sent.

A window has no facts to be written again from. Two machines may begin from copies of one database, and both hold the same
visitors: so each says what the ended life's figure was, and the larger one stands, as under the ended life's own name. Whoever
receives it merges it into the tally of `of`. Source: the design, 3.1 (Fork repair).
"""

from datetime import datetime

from msgspec import Struct

from sync.kinds import Column, Entity, Keep, Kind, Priority, Shape
from sync.retail.stock.grants import Rep
from sync.retail.stock.levels import Number


class FormerFootfallRow(Struct, frozen=True, kw_only=True, rename={"entered": "in", "exited": "out"}):
    """A window of the life `of`."""

    v: int = 1
    entrance: str
    quarter: datetime
    of: Rep
    entered: Number
    exited: Number


FORMER_FOOTFALL = Entity(
    name="former_footfall",
    stream="former_footfall",
    kind=Kind.TALLY,
    table="former_footfall",
    row=FormerFootfallRow,
    doc="What an ended life had counted and may have told nobody, said by the life that follows.",
    key=(
        Column("entrance", path="entrance"),
        Column("quarter_ms", "INTEGER", path="quarter", shape=Shape.UTC_MS),
        Column("of", path="of"),
    ),
    numbers=(Column("entered", "INTEGER", path="in"), Column("exited", "INTEGER", path="out")),
    dated="quarter",
    keep=Keep(days=1100, is_telemetry=True),
    priority=Priority.TELEMETRY,
)
