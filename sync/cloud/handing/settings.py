"""How the cloud's configuration says what is handed on, and where to.

[handing]  allow: networks beside the public ones to which webhooks may go, as ["10.1.0.0/16"]
"""

import ipaddress
from dataclasses import dataclass

from msgspec import Struct

from sync.errors import ConfigError


class HandingSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[handing]"""

    allow: list[str] = []


@dataclass(frozen=True, slots=True)
class Handing:
    """What was checked."""

    allow: tuple[str, ...] = ()


def handing_of(section: HandingSection) -> Handing:
    """Check the sections; raise ConfigError."""
    for network in section.allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as err:
            raise ConfigError(f'handing.allow: {err}; write networks as "10.1.0.0/16"') from err
    return Handing(tuple(section.allow))
