"""Versions of the catalogue: nothing of a product or a price is lost in a row."""

import msgspec
import pytest

from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.catalogue.registers import CatalogueRow, PriceRow, price_row, product_row, read_row, write_row
from sync.retail.names import Name

SHIRT = Product(
    sku="TEE-M",
    style="TEE",
    attributes={"size": "M"},
    gtins=["04899999000015"],
    name=Name(zh_hant="T恤", en="Tee"),
    unit="g",
    stocked=False,
    category="Apparel",
)
PRICE = Price(2500, "HKD", 600)


@pytest.mark.parametrize("gone", [False, True])
def test_a_version_has_all_that_it_is_a_version_of(gone: bool) -> None:
    product, price = product_row(SHIRT, 7, gone=gone), price_row("TEE-M", PRICE, 8, gone=gone)

    assert (product.product, product.n, product.gone) == (SHIRT, 7, gone)
    assert (price.price, price.sku, price.n, price.gone) == (PRICE, "TEE-M", 8, gone)


def test_a_version_stands_unless_it_says_that_it_is_gone() -> None:
    assert not product_row(SHIRT, 1).gone and not price_row("TEE-M", PRICE, 1).gone


@pytest.mark.parametrize("row", [product_row(SHIRT, 7), price_row("TEE-M", PRICE, 8, gone=True)])
def test_a_row_is_read_back_as_it_was_shipped(row: CatalogueRow) -> None:
    assert read_row(write_row(row)) == row


def test_the_row_of_an_unknown_kind_is_refused_and_a_later_field_skipped() -> None:
    with pytest.raises(msgspec.MsgspecError):
        read_row(b'{"kind":"bundle","sku":"A","n":1}')
    later = b'{"kind":"price","sku":"A","n":1,"amount":5,"currency":"HKD","colour":"red"}'
    assert read_row(later) == PriceRow(sku="A", n=1, amount=5, currency="HKD")
