"""The catalogue on the wire: product and price as registers with authority CLOUD, rows of the state stream `catalogue`.

A register's newer version is the one with the larger `n` of its owner; `gone` is a version like any other. Rows that a store
wrote before it was joined are handed over once; from then on the owner is the cloud, whatever n they had.
"""

import msgspec
from msgspec import Struct

from sync.errors import ProtocolError
from sync.retail.catalogue import Price, Product


class ProductRow(Struct, frozen=True, tag="product", tag_field="kind", omit_defaults=True, kw_only=True):
    """A version of a product."""

    v: int = 1
    n: int
    gone: bool = False
    product: Product


class PriceRow(Struct, frozen=True, tag="price", tag_field="kind", omit_defaults=True, kw_only=True):
    """A version of a product's price."""

    v: int = 1
    n: int
    gone: bool = False
    sku: str
    price: Price


_decoder = msgspec.json.Decoder(ProductRow | PriceRow)


def register_of(row: bytes) -> ProductRow | PriceRow:
    """Return the register of a row; raise ProtocolError when it is none."""
    try:
        register: ProductRow | PriceRow = _decoder.decode(row)
    except msgspec.MsgspecError as err:
        raise ProtocolError(f"a row of the catalogue is no product and no price: {err}") from err
    return register
