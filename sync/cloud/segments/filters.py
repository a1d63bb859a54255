"""What a segment asks for, declared in JSON or TOML. Pure; not here: who it is (sync.cloud.segments.evaluation).

    a filter    one of: all, any, not, purchases, points, tier, consent, tags, birth_month
    all, any    filters of which all, or one, hold; not: a filter that does not
    purchases   at least `count.min` (1) purchases, less than or equal `count.max`, that fit all that is said of them; with
                `amount`, what was kept of them comes to that in `currency`. With skus or categories only these goods count, and a
                purchase fits while some of them were kept

A filter is about persons, all members of one together. Nobody who was erased is in any.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sync.retail.names import Name
from sync.retail.people.consents import Purpose, Word
from sync.retail.selling.sales import Currency, Id, ShortText, Sku

DEPTH_MAX = 8
PARTS_MAX = 50
NAMES_MAX = 1000

Part = Annotated[str, Meta(min_length=1, max_length=100)]
Number = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Month = Annotated[int, Meta(ge=1, le=12)]
Names = Annotated[tuple[Part, ...], Meta(min_length=1, max_length=NAMES_MAX)]


class Range(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """From `min` to `max`, both included; one of them at least."""

    min: Number | None = None
    max: Number | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("a range has min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")

    def has(self, number: int) -> bool:
        """Whether a number is in it."""
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)


class Purchases(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """`where`: at a till, also a web shop's own, or on line (all else). `city`: where the shop stands, or an order was sent to.

    `since` and `until` are days in UTC, both included; `within_days` counts back from the evaluation.
    """

    where: Literal["store", "online"] | None = None
    channels: Names | None = None
    stores: Names | None = None
    cities: Names | None = None
    skus: Annotated[tuple[Sku, ...], Meta(min_length=1, max_length=NAMES_MAX)] | None = None
    categories: Names | None = None
    since: date | None = None
    until: date | None = None
    within_days: Annotated[int, Meta(ge=1, le=3660)] | None = None
    count: Range = Range(min=1)
    amount: Range | None = None
    currency: Currency | None = None

    def __post_init__(self) -> None:
        if self.amount is not None and self.currency is None:
            raise ValueError("amount needs its currency: amounts of several are not added")


class Consent(Struct, frozen=True, forbid_unknown_fields=True):
    """The person's word on a purpose."""

    purpose: Purpose
    word: Word


class Filter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One condition. `tier` and `tags`: any of them; a person's tier is that of one of its members."""

    all: Annotated[tuple["Filter", ...], Meta(min_length=1, max_length=PARTS_MAX)] | None = None
    any: Annotated[tuple["Filter", ...], Meta(min_length=1, max_length=PARTS_MAX)] | None = None
    not_: "Filter | None" = field(default=None, name="not")
    purchases: Purchases | None = None
    points: Range | None = None
    tier: Names | None = None
    consent: Consent | None = None
    tags: Names | None = None
    birth_month: Annotated[tuple[Month, ...], Meta(min_length=1, max_length=12)] | None = None

    def __post_init__(self) -> None:
        said = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(said) != 1:
            known = ", ".join(name.rstrip("_") for name in self.__struct_fields__)
            raise ValueError(
                f"a filter says one thing, this one {len(said)}; wrap several in all or any. Known: {known}"
            )
        if _depth(self) > DEPTH_MAX:
            raise ValueError(f"filters are nested {DEPTH_MAX} deep at most")


class Segment(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A named filter. `tag`: who is in the segment bears it."""

    segment: Id
    name: Name
    filter: Filter
    tag: Annotated[str, Meta(max_length=40, pattern=r"^[^\x00-\x1f\x7f/]*\Z")] = ""
    note: ShortText = ""


def _depth(part: Filter) -> int:
    inner = (*(part.all or ()), *(part.any or ()), *((part.not_,) if part.not_ else ()))
    return 1 + max(map(_depth, inner), default=0)
