"""The branch: what a shop says of itself, for the other shops and the web shop. A register that each store writes for itself."""

from msgspec import Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Shape
from sync.retail.names import Name


class BranchRow(Struct, frozen=True, kw_only=True):
    """A version of a branch. `hours` is weekday (1 Monday to 7) to [opens, closes], local time, `HH:MM`."""

    v: int = 1
    branch: str
    n: int
    gone: bool = False
    name: Name
    zone: str
    phone: str = ""
    hours: dict[str, tuple[str, str]] = field(default_factory=dict)


BRANCH = Entity(
    name="branch",
    stream="branches",
    kind=Kind.REGISTER,
    table="branch",
    row=BranchRow,
    doc="What a shop says of itself: name, time zone, telephone, hours.",
    key=(Column("branch", path="branch"),),
    columns=(
        Column("name_zh_hant", path="name.zh-Hant"),
        Column("name_en", path="name.en"),
        Column("zone", path="zone"),
        Column("phone", path="phone"),
        Column("hours", path="hours", shape=Shape.JSON),
    ),
    authority=Authority.STORE,
    written_by="branch",
)
