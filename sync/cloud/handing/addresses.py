"""To which addresses the cloud may speak for somebody else: public ones, and networks that the configuration names. Pure.

A subscription's URL comes from an office token, which must not become a way into this machine and its network (SSRF): what a
name resolves to is judged at each connection, IPv4 inside IPv6 by the IPv4.
"""

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from sync.errors import RuleError

URL_CHARS_MAX = 500
NAT64 = IPv6Network("64:ff9b::/96")

Network = IPv4Network | IPv6Network


class Allowed:
    """The networks beside the public ones."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(each) for each in networks)

    def is_named(self, host: str) -> bool:
        """Whether an address is in a network of the configuration."""
        address = _inner(ipaddress.ip_address(host.partition("%")[0]))
        return any(address in network for network in self._networks)

    def may_reach(self, host: str, *, is_plain: bool) -> bool:
        """Whether an address may be spoken to; without TLS those only that the configuration names."""
        if self.is_named(host):
            return True
        address = _inner(ipaddress.ip_address(host.partition("%")[0]))
        return not is_plain and address.is_global and not address.is_multicast

    def check_url(self, url: str) -> None:
        """Raise RuleError for a URL that can never be spoken to; a name is judged when it is resolved."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError as err:
            raise RuleError("webhook_url", "/url", f"{url[:80]!r}: {err}") from err
        if parts.scheme not in ("https", "http") or not host or len(url) > URL_CHARS_MAX or not url.isascii():
            raise RuleError("webhook_url", "/url", f"{url[:80]!r} is no https address of {URL_CHARS_MAX} characters")
        if parts.username is not None or parts.password is not None or parts.fragment or not url.isprintable():
            raise RuleError("webhook_url", "/url", "a name and password, or a fragment, have no place in it")
        if is_address(host) and not self.may_reach(host, is_plain=parts.scheme == "http"):
            raise RuleError("webhook_url", "/url", f"{host} is not public, nor in [handing] allow")
        if parts.scheme == "http" and not self._networks:
            raise RuleError("webhook_url", "/url", "http:// is for networks in [handing] allow; write https://")


def is_address(host: str) -> bool:
    """Whether a host is an address, and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address
