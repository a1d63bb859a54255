"""The seal: a replica is no more; how far its streams went, and what its tallies are for good. Source: the design, 3.1.

Said by the cloud, once for each replica. What is left of its rights passes to an heir, a debt as a debt: a signed figure that the
cloud writes in versions, because rights may still be granted to the dead before everybody has heard of it.

Not here: who is sealed and when.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, PassedOn, Priority
from sync.retail.stock.grants import Rep
from sync.retail.stock.levels import NUMBER_MAX, Number


class SealedLevel(Struct, frozen=True, array_like=True):
    """A tally of stream `levels`, recomputed from the facts that are held: the one time a tally is replaced, not maxed."""

    sku: str
    location: str
    received: Number
    issued: Number
    picked: Number = 0


class SealFact(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`heads` is the last seq of each stream that stands; `heir` takes over what is left of the rights."""

    v: int = 1
    rep: Rep
    heads: dict[str, int]
    levels: tuple[SealedLevel, ...] = ()
    heir: Rep | None = None
    why: str = ""
    at: datetime | None = None


class PassedRow(Struct, frozen=True, kw_only=True):
    """A row of state stream `passed`: all that a sealed replica's right at a place has passed to an heir, below 0 a debt.

    `n` is its version: how often the place was passed on.
    """

    v: int = field(default_factory=lambda: 1)
    sku: str
    location: str
    rep: Rep
    heir: Rep
    n: int
    gone: bool = False
    qty: Annotated[int, Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]


SEAL = Entity(
    name="seal",
    stream="seals",
    kind=Kind.FACT,
    table="seal",
    passed_on=PassedOn.NOBODY,
    row=SealFact,
    doc="A replica is no more: how far its streams went, and what its tallies are for good.",
    key=(Column("rep", path="rep"),),
    priority=Priority.URGENT,
)

PASSED = Entity(
    name="passed_right",
    stream="passed",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="passed_right",
    row=PassedRow,
    doc="What a sealed replica's right to stock at a place has passed to its heir, a debt below 0.",
    key=(
        Column("sku", path="sku"),
        Column("location", path="location"),
        Column("rep", path="rep"),
        Column("heir", path="heir"),
    ),
    columns=(Column("qty", "INTEGER", path="qty"),),
    priority=Priority.SOON,
)
