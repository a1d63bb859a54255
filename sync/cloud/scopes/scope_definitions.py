"""What a scope takes, as the configuration says it, and the name that follows from it. Pure.

Two stores whose definitions say the same share one scope: the name of its stream is a hash of what is said, not of its name.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from sync.errors import ConfigError
from sync.retail.catalogue.registers import PriceRow, ProductRow
from sync.scope_rows import AT

Word = Annotated[str, Meta(min_length=1, max_length=100)]
EVERYTHING = "{}"
T = TypeVar("T")


class CatalogueScope(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """[scopes.catalogue.NAME]: products of these categories, of SKUs like these (`*`, `?`); prices in this currency.

    What is not said is no restriction. A price goes where its product goes.
    """

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")] | None = None
    categories: tuple[Word, ...] | None = None
    skus_like: tuple[Word, ...] | None = None

    @property
    def restricts_products(self) -> bool:
        """Whether any product is left out."""
        return self.categories is not None or self.skus_like is not None

    def takes_product(self, product: ProductRow | None) -> bool:
        """Whether a product, None for one that is not known yet, is in the scope."""
        if not self.restricts_products:
            return True
        if product is None:
            return False
        is_like = self.skus_like is None or any(fnmatchcase(product.sku, pattern) for pattern in self.skus_like)
        return is_like and (self.categories is None or product.category in self.categories)

    def takes_currency(self, price: PriceRow) -> bool:
        """Whether a price, of a product that is in, is in the scope."""
        return self.currency is None or price.currency == self.currency


class BranchScope(Struct, frozen=True, forbid_unknown_fields=True):
    """[scopes.branches.NAME]: which stores' stock and particulars are shown."""

    stores: tuple[Word, ...] = ()


class MemberScope(Struct, frozen=True, forbid_unknown_fields=True):
    """[scopes.members.NAME]: the stores of a region, which share their members."""

    stores: tuple[Word, ...] = ()


class ScopesSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[scopes]"""

    catalogue: dict[Word, CatalogueScope] = {}
    branches: dict[Word, BranchScope] = {}
    members: dict[Word, MemberScope] = {}


class Wanted(Struct, frozen=True):
    """A store is to get this scope of a stream."""

    store: str
    base: str
    definition: str


def wanted_of(
    store: str, scopes: ScopesSection, *, catalogue: str, branches: str, members: str = ""
) -> tuple[Wanted, ...]:
    """Return the scopes of a store by their names; raise ConfigError for a name that is not there."""
    found: list[Wanted] = []
    if catalogue:
        found.append(Wanted(store, "catalogue", definition_of(_named(scopes.catalogue, catalogue, store, "catalogue"))))
    if branches:
        definition = definition_of(_named(scopes.branches, branches, store, "branches"))
        found += [Wanted(store, base, definition) for base in ("branches", "branch_levels")]
    if members:
        definition = definition_of(_named(scopes.members, members, store, "members"))
        found += [Wanted(store, base, definition) for base in ("members", "people", "member_points")]
    return tuple(found)


def definition_of(scope: CatalogueScope | BranchScope | MemberScope) -> str:
    """Return a definition as canonical JSON: what says the same is the same text."""
    raw = msgspec.to_builtins(scope)
    said = {name: sorted(set(value)) if isinstance(value, tuple | list) else value for name, value in raw.items()}
    return msgspec.json.encode(
        {name: value for name, value in said.items() if value is not None}, order="sorted"
    ).decode()


def scope_stream(base: str, definition: str, generation: int) -> str:
    """Return the name of a scope's stream."""
    said = f"{base} {definition}" + (f" {generation}" if generation else "")
    return f"{base}{AT}{blake2b(said.encode(), digest_size=4).hexdigest()}"


def catalogue_scope(definition: str) -> CatalogueScope:
    """Read a catalogue's definition again."""
    return msgspec.json.decode(definition, type=CatalogueScope)


def branch_scope(definition: str) -> BranchScope:
    """Read a definition of branches again."""
    return msgspec.json.decode(definition, type=BranchScope)


def member_scope(definition: str) -> MemberScope:
    """Read a definition of a region's members again."""
    return msgspec.json.decode(definition, type=MemberScope)


def _named(known: Mapping[str, T], name: str, store: str, what: str) -> T:
    if name not in known:
        names = ", ".join(known) or "none"
        raise ConfigError(f"stores.{store}: no [scopes.{what}.{name}] in this file; there are: {names}")
    return known[name]
