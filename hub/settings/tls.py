"""[api] and [tls] of the configuration: where the hub listens. Beyond this machine it speaks TLS only (docs/tls.md).

[api]    host, port: loopback, or 0.0.0.0, :: or an address of this machine on the LAN
[tls]    names: further DNS names by which tablets call this hub

Not here: the certificate (hub.tls), the sockets (hub.api.lan).
"""

import ipaddress
from typing import Annotated

from msgspec import Meta, Struct

from sync.errors import ConfigError
from sync.settings import is_loopback

DnsName = Annotated[
    str, Meta(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
]


class ApiSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[api]"""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080


class TlsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[tls]"""

    names: Annotated[list[DnsName], Meta(max_length=10)] = []


def listening_host(section: ApiSection) -> str:
    """Return where the hub listens; raise ConfigError for what is no address."""
    if is_loopback(section.host):
        return section.host
    try:
        return str(ipaddress.ip_address(section.host))
    except ValueError as err:
        raise ConfigError(
            f"api.host {section.host!r} is no address; write 127.0.0.1 (this machine only), 0.0.0.0 (the shop's network, "
            "by TLS) or one address of this machine"
        ) from err
