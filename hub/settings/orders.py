"""[orders] of the configuration. Not here: what follows (hub.orders, hub.store.orders.orders)."""

from typing import Annotated

from msgspec import Meta, Struct


class OrdersSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[orders]: how long after its deadline an order that nobody fetched is kept before the hub writes that it has expired."""

    expiry_grace_h: Annotated[int, Meta(ge=0, le=24 * 365)] = 24
