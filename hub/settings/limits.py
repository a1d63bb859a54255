"""[limits] of the configuration: how much one client may ask of the hub. Not here: what that means (hub.limits)."""

from typing import Annotated

from msgspec import Meta, Struct


class LimitsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[limits]: `requests_per_s` of one paired client, `burst` saved up, `at_once` under way, `connections` of one address.

    By default a till that asks one thing after the other never waits in practice; docs/pairing.md says how they were chosen.
    """

    requests_per_s: Annotated[float, Meta(ge=1, le=1_000_000)] = 50.0
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    at_once: Annotated[int, Meta(ge=1, le=10_000)] = 16
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
