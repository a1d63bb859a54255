"""[coupons] of the configuration. Not here: what follows (hub.coupons, hub.store.people.coupons)."""

from typing import Annotated

from msgspec import Meta, Struct

from sync.retail.selling.sales import AMOUNT_MAX


class CouponsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[coupons]: what is accepted a trading day without a right, in minor units; how long a customer waits for the cloud."""

    exposed_max_minor: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] = 0
    ask_timeout_s: Annotated[float, Meta(ge=0.1, le=30)] = 2.0
