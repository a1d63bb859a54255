"""The catalogue's registers as they are stored and shipped: product and price, stream `catalogue`, authority CLOUD.

`n` is the version that the authority gave; the larger n stands. `gone` is a version like any other. A later program adds
fields with defaults; a reader skips what it does not know. Not here: what makes a product valid
(sync.retail.catalogue.catalogue).
"""

import msgspec
from msgspec import Struct, field

from sync.kinds import Authority, Column, Entity, Kind, Shape
from sync.retail.catalogue.catalogue import Price, Product, Unit
from sync.retail.names import Name
from sync.retail.stock.stock import Component


class ProductRow(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="product"):
    """A version of a product: every field of Product, beside `n` and `gone`. No `parts` are left out, nothing else ever is."""

    v: int = field(default_factory=lambda: 1)
    sku: str
    n: int
    gone: bool = field(default_factory=lambda: False)
    style: str | None = field(default_factory=lambda: None)
    attributes: dict[str, str] = field(default_factory=lambda: {})
    gtins: list[str] = field(default_factory=lambda: [])
    name: Name
    unit: Unit = field(default_factory=lambda: "each")
    stocked: bool = field(default_factory=lambda: True)
    category: str | None = field(default_factory=lambda: None)
    parts: list[Component] = field(default_factory=list)

    @property
    def product(self) -> Product:
        """The product of this version."""
        return Product(**{name: getattr(self, name) for name in Product.__struct_fields__})


class PriceRow(Struct, frozen=True, kw_only=True, tag_field="kind", tag="price"):
    """A version of a SKU's price: every field of Price, beside `n` and `gone`."""

    v: int = 1
    sku: str
    n: int
    gone: bool = False
    amount: int
    currency: str
    per: int = 1

    @property
    def price(self) -> Price:
        """The price of this version."""
        return Price(self.amount, self.currency, self.per)


CatalogueRow = ProductRow | PriceRow
_decoder = msgspec.json.Decoder(CatalogueRow)


def product_row(product: Product, n: int, *, gone: bool = False) -> ProductRow:
    """Return a version of a product."""
    fields = {name: getattr(product, name) for name in Product.__struct_fields__}
    return ProductRow(**fields, n=n, gone=gone)


def price_row(sku: str, price: Price, n: int, *, gone: bool = False) -> PriceRow:
    """Return a version of a price."""
    return PriceRow(sku=sku, n=n, gone=gone, amount=price.amount, currency=price.currency, per=price.per)


def write_row(row: CatalogueRow) -> bytes:
    """Return the bytes that are stored and shipped."""
    return msgspec.json.encode(row)


def read_row(row: bytes) -> CatalogueRow:
    """Return the register of a row; raise msgspec.MsgspecError for a kind or a shape that is not known here."""
    register: CatalogueRow = _decoder.decode(row)
    return register


PRODUCT = Entity(
    name="product",
    stream="catalogue",
    kind=Kind.REGISTER,
    table="product",
    row=ProductRow,
    doc="What a SKU is. GTINs and words to search by are derived from it at the hub.",
    key=(Column("sku", path="sku"),),
    columns=(
        Column("stocked", "INTEGER", path="stocked", shape=Shape.FLAG),
        Column("unit", path="unit", choices=("each", "g")),
        Column("style", path="style", is_nullable=True),
        Column("category", path="category", is_nullable=True),
        Column("name_zh_hant", path="name.zh-Hant"),
        Column("name_en", path="name.en"),
        Column("attributes", path="attributes", shape=Shape.JSON),
        Column("gtins", path="gtins", shape=Shape.JSON),
        Column("parts", path="parts", shape=Shape.JSON, default="[]"),
    ),
    authority=Authority.CLOUD,
    with_id=True,
)

PRICE = Entity(
    name="price",
    stream="catalogue",
    kind=Kind.REGISTER,
    table="price",
    row=PriceRow,
    doc="What a SKU costs.",
    key=(Column("sku", path="sku"),),
    columns=(
        Column("amount_minor", "INTEGER", path="amount"),
        Column("currency", path="currency"),
        Column("per", "INTEGER", path="per"),
    ),
    authority=Authority.CLOUD,
)
