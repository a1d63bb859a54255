"""Price lists, promotions and a shop's own prices as they are stored and shipped.

    stream         register       who gives the versions
    pricing        price_list     head office: scope, window, rank of a list
    pricing        list_price     head office: a SKU's price in a list
    pricing        promotion      head office
    store_prices   store_price    the store: a price that its manager has set

A date or an hour that is not said is no bound: "" and 0 to 24. What is wrong is found here, once, for whoever writes; a row that
came and cannot be used counts for nothing. Not here: what follows (sync.retail.catalogue.pricing,
sync.retail.catalogue.promotions).
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from sync.kinds import Authority, Column, Entity, Kind, Shape
from sync.retail.catalogue.catalogue import PER_MAX, PRICE_AMOUNT_MAX, Problem
from sync.retail.catalogue.pricing import PriceScope
from sync.retail.catalogue.promotions import PromotionKind
from sync.retail.names import Name
from sync.retail.selling.sales import Id, Sku
from sync.retail.selling.tax import BASIS_POINTS
from sync.retail.windows import Window

SKUS_MAX = 1000  # that one promotion names; more is a category
COUNT_MAX = 100
Day = Annotated[str, Meta(max_length=10)]  # YYYY-MM-DD, which `window_of` proves
Hour = Annotated[int, Meta(ge=0, le=24)]
PriceAmount = Annotated[int, Meta(ge=0, le=PRICE_AMOUNT_MAX)]
Per = Annotated[int, Meta(ge=1, le=PER_MAX)]
Category = Annotated[str, Meta(min_length=1, max_length=100)]
Weekdays = Annotated[list[Annotated[int, Meta(ge=1, le=7)]], Meta(max_length=7)]


class PriceListRow(Struct, frozen=True, kw_only=True, tag_field="kind", tag="price_list"):
    """A version of a price list; `place` is the region or the store that it is for."""

    v: int = 1
    list_id: Id
    n: int = 0
    gone: bool = False
    scope: PriceScope = "hq"
    place: Annotated[str, Meta(max_length=64)] = ""
    rank: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    name: Name
    valid_from: Day = ""
    valid_until: Day = ""


class ListPriceRow(Struct, frozen=True, kw_only=True, tag_field="kind", tag="list_price"):
    """A version of a SKU's price in a list."""

    v: int = 1
    list_id: Id
    sku: Sku
    n: int = 0
    gone: bool = False
    amount: PriceAmount
    per: Per = 1


class PromotionRow(Struct, frozen=True, kw_only=True, tag_field="kind", tag="promotion"):
    """A version of a promotion; what its `does` needs of count, pay_for, amount and rate_bp is said in
    sync.retail.catalogue.promotions.
    """

    v: int = 1
    promotion_id: Id
    n: int = 0
    gone: bool = False
    scope: PriceScope = "hq"
    place: Annotated[str, Meta(max_length=64)] = ""
    name: Name
    does: PromotionKind
    count: Annotated[int, Meta(ge=0, le=COUNT_MAX)] = 0
    pay_for: Annotated[int, Meta(ge=0, le=COUNT_MAX)] = 0
    amount: PriceAmount = 0
    rate_bp: Annotated[int, Meta(ge=0, le=BASIS_POINTS)] = 0
    skus: Annotated[list[Sku], Meta(max_length=SKUS_MAX)] = []
    categories: Annotated[list[Category], Meta(max_length=100)] = []
    members_only: bool = False
    valid_from: Day = ""
    valid_until: Day = ""
    weekdays: Weekdays = []
    hour_from: Hour = 0
    hour_until: Hour = 24


class StorePriceRow(Struct, frozen=True, kw_only=True):
    """A version of a price that a store's manager has set for a SKU."""

    v: int = 1
    store: str
    sku: Sku
    n: int = 0
    gone: bool = False
    amount: PriceAmount
    per: Per = 1
    valid_from: Day = ""
    valid_until: Day = ""
    reason: Annotated[str, Meta(max_length=200)] = ""
    set_by: Annotated[str, Meta(max_length=64)] = ""


def window_of(
    valid_from: str, valid_until: str, *, weekdays: tuple[int, ...] = (), hour_from: int = 0, hour_until: int = 24
) -> Window:
    """Return a row's window; raise ValueError for a date that is none."""
    return Window(
        _date_of(valid_from),
        _date_of(valid_until),
        weekdays,
        None if (hour_from, hour_until) == (0, 24) else (hour_from, hour_until),
    )


def _date_of(text: str) -> date | None:
    if not text:
        return None
    found = date.fromisoformat(text)
    if found.isoformat() != text:
        raise ValueError(f"{text}: write YYYY-MM-DD")  # days are compared as text, too
    return found


def check_window(row: PriceListRow | PromotionRow | StorePriceRow) -> Iterator[Problem]:
    """Yield what is wrong with a row's dates and hours."""
    try:
        window = window_of(row.valid_from, row.valid_until)
    except ValueError:
        yield Problem("window", "/valid_from", f"{row.valid_from!r} to {row.valid_until!r}: write YYYY-MM-DD")
        return
    if window.valid_from and window.valid_until and window.valid_from > window.valid_until:
        yield Problem("window", "/valid_until", f"{row.valid_until} is before {row.valid_from}")
    if isinstance(row, PromotionRow) and row.hour_from == row.hour_until:
        yield Problem("window", "/hour_until", "hours that end where they begin: leave them out for the whole day")


def check_price_list(row: PriceListRow) -> Iterator[Problem]:
    """Yield what is wrong with a price list."""
    yield from check_window(row)
    yield from _check_place(row)


def check_promotion(row: PromotionRow) -> Iterator[Problem]:
    """Yield what is wrong with a promotion."""
    yield from check_window(row)
    yield from _check_place(row)
    if row.does == "n_for_amount" and row.count < 1:
        yield Problem("promotion", "/count", "say how many pieces cost the amount")
    if row.does == "n_for_price_of" and not 0 < row.pay_for < row.count:
        yield Problem(
            "promotion", "/pay_for", f"{row.pay_for} of {row.count}: fewer than count are paid, and at least one"
        )
    if row.does == "percent_off" and row.rate_bp < 1:
        yield Problem("promotion", "/rate_bp", "say how much in basis points: 1000 is 10 %")
    if row.does == "amount_off" and row.amount < 1:
        yield Problem("promotion", "/amount", "say how much a piece")


def _check_place(row: PriceListRow | PromotionRow) -> Iterator[Problem]:
    if (row.scope == "hq") == bool(row.place):
        yield Problem(
            "place", "/place", "name the region or the store that it is for; what is head office's is for all"
        )


_WINDOW = (Column("valid_from", path="valid_from"), Column("valid_until", path="valid_until"))
_SCOPE = (Column("scope", path="scope", choices=("store", "region", "hq")), Column("place", path="place"))
_NAME = (Column("name_zh_hant", path="name.zh-Hant"), Column("name_en", path="name.en"))

PRICE_LIST = Entity(
    name="price_list",
    stream="pricing",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="price_list",
    row=PriceListRow,
    doc="A price list: for head office's shops, a region or a store, from when until when.",
    key=(Column("list_id", path="list_id"),),
    columns=(
        *_SCOPE,
        Column("rank", "INTEGER", path="rank"),
        *_NAME,
        *_WINDOW,
    ),
)

LIST_PRICE = Entity(
    name="list_price",
    stream="pricing",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="list_price",
    row=ListPriceRow,
    doc="What a SKU costs in a list.",
    key=(Column("sku", path="sku"), Column("list_id", path="list_id")),
    columns=(Column("amount_minor", "INTEGER", path="amount"), Column("per", "INTEGER", path="per")),
)

PROMOTION = Entity(
    name="promotion",
    stream="pricing",
    kind=Kind.REGISTER,
    authority=Authority.CLOUD,
    table="promotion",
    row=PromotionRow,
    doc="A promotion: any of these for an amount, some for the price of fewer, a percentage or an amount off.",
    key=(Column("promotion_id", path="promotion_id"),),
    columns=(
        *_SCOPE,
        *_NAME,
        Column("does", path="does", choices=("n_for_amount", "n_for_price_of", "percent_off", "amount_off")),
        Column("count", "INTEGER", path="count"),
        Column("pay_for", "INTEGER", path="pay_for"),
        Column("amount_minor", "INTEGER", path="amount"),
        Column("rate_bp", "INTEGER", path="rate_bp"),
        Column("skus", path="skus", shape=Shape.JSON),
        Column("categories", path="categories", shape=Shape.JSON),
        Column("members_only", "INTEGER", path="members_only", shape=Shape.FLAG),
        *_WINDOW,
        Column("weekdays", path="weekdays", shape=Shape.JSON),
        Column("hour_from", "INTEGER", path="hour_from"),
        Column("hour_until", "INTEGER", path="hour_until"),
    ),
)

STORE_PRICE = Entity(
    name="store_price",
    stream="store_prices",
    kind=Kind.REGISTER,
    authority=Authority.STORE,
    table="store_price",
    row=StorePriceRow,
    doc="What a SKU costs in a store, because its manager says so.",
    key=(Column("store", path="store"), Column("sku", path="sku")),
    columns=(
        Column("amount_minor", "INTEGER", path="amount"),
        Column("per", "INTEGER", path="per"),
        *_WINDOW,
        Column("reason", path="reason"),
        Column("set_by", path="set_by"),
    ),
    written_by="store",
)
