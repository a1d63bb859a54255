"""Points that the cloud sets aside for a sale while its customer waits: so that they are burned in no other shop meanwhile.

    stream        written by   says
    point_asks    a store      replica `rep` wants `points` of a person for a sale; 0: it does not want them any more
    point_holds   cloud        the question `n` of that slot is answered: set aside or not, and what the person has

    a hold ends   when its sale has come: the ledger has it from then on
                  when its replica gives it back: the sale was refused
                  when its replica is sealed; no clock ends one, for a sale may come late
    no answer     in time: as without a line, under the cap of a member's day (sync.retail.people.points)

A replica has a few slots, so that rows do not grow with sales; a slot is free again when its sale is in the books, or when what
was given back was answered. `unheard` are points that the replica burned without the cloud's word and that the cloud does not
hold yet. Not here: storage. Source: the design, 3.3 (Points).
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Priority, Shape
from sync.retail.people.people import PERSON_MAX
from sync.retail.selling.sales import POINTS_MAX, Id
from sync.retail.stock.grants import Rep

SLOTS = 64  # of a replica: sales that burn points and are being booked; all taken: as without a line

Slot = Annotated[int, Meta(ge=0, lt=SLOTS)]
Store = Annotated[str, Meta(min_length=1, max_length=40)]


class PointAskRow(Struct, frozen=True, kw_only=True):
    """A version of a question; `members` are all ids of the person, as the shop knows them."""

    v: int = field(default_factory=lambda: 1)
    store: Store
    rep: Rep
    slot: Slot
    n: int = 0
    gone: bool = False
    sale_id: Id
    members: Annotated[list[Id], Meta(min_length=1, max_length=2 * PERSON_MAX)]
    points: Annotated[int, Meta(ge=0, le=POINTS_MAX)]
    unheard: Annotated[int, Meta(ge=0)] = 0


class PointHoldRow(Struct, frozen=True, kw_only=True):
    """The answer to version `n` of a question; `balance` is what the person may burn, as the cloud knows it."""

    v: int = field(default_factory=lambda: 1)
    store: Store
    rep: Rep
    slot: Slot
    n: int
    gone: bool = False
    sale_id: Id
    is_held: bool
    balance: int


def left_to_hold(balance: int, *, held: int, unheard: int) -> int:
    """Return what may still be set aside of a balance: less what is set aside for other sales, and what is on its way."""
    return balance - held - unheard


POINT_ASK = Entity(
    name="point_ask",
    stream="point_asks",
    kind=Kind.REGISTER,
    authority=Authority.STORE,
    table="point_ask",
    row=PointAskRow,
    doc="Points of a person that a replica of a store wants to burn in a sale that is being made.",
    key=(
        Column("store", path="store"),
        Column("rep", path="rep"),
        Column("slot", "INTEGER", path="slot"),
    ),
    columns=(
        Column("sale_id", path="sale_id"),
        Column("members", path="members", shape=Shape.JSON),
        Column("points", "INTEGER", path="points"),
        Column("unheard", "INTEGER", path="unheard"),
    ),
    written_by="store",
    priority=Priority.URGENT,
)

POINT_HOLD = Entity(
    name="point_hold",
    stream="point_holds",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="point_hold",
    row=PointHoldRow,
    doc="The cloud's answer to a question for points: whether they are set aside, and what the person has.",
    key=(
        Column("store", path="store"),
        Column("rep", path="rep"),
        Column("slot", "INTEGER", path="slot"),
    ),
    columns=(
        Column("sale_id", path="sale_id"),
        Column("is_held", "INTEGER", path="is_held", shape=Shape.FLAG),
        Column("balance", "INTEGER", path="balance"),
    ),
    priority=Priority.URGENT,
)
