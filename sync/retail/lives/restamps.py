"""The restamp: the cloud's stamp in the place of one that came from the far future, for everybody who keeps that cell.

The cell stays as its writer wrote it. Whoever merges compares the cloud's stamp where it knows one for the very stamp of the cell
(sync.clock.effective); so what stands is a function of the cells and the restamps that are held, and both only ever grow: in any
order, told twice or relayed, all who hold the same say the same. A cloud that was restored may stamp a cell again: the later one
counts. Source: the design, 3.2 (Clocks).
"""

from msgspec import Struct

from sync.clock import Stamp
from sync.kinds import Authority, Column, Entity, Kind, Priority


class RestampRow(Struct, frozen=True, kw_only=True):
    """In register `key` of an entity the stamp `was` counts as `now`, both as text; `n` is the physical part of `now`."""

    v: int = 1
    entity: str
    key: str
    was: str
    now: str
    n: int
    gone: bool = False


def restamp_row(entity: str, key: str, was: Stamp, now: Stamp) -> RestampRow:
    """Return the row that says so."""
    return RestampRow(entity=entity, key=key, was=was.text, now=now.text, n=now.physical_ms)


RESTAMP = Entity(
    name="restamp",
    stream="restamps",
    kind=Kind.REGISTER,
    table="restamp",
    row=RestampRow,
    doc="The cloud's stamp in the place of one from the far future.",
    key=(Column("entity", path="entity"), Column("key", path="key"), Column("was", path="was")),
    columns=(Column("now", path="now"),),
    authority=Authority.CLOUD,
    priority=Priority.SOON,
)
