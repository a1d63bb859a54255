"""Announces this hub on the local network as `_storehub._tcp`, so that a tablet finds it by itself. RFC 6762, 6763.

    silent ── an address to be reached at ──▶ probing ── nobody has the name ──▶ announced ── stop ──▶ goodbye
       ▲                                         └── somebody has: the next name ┘    │
       └──────── no network, another address, another life, a name that two have ◀────┘

Name and host follow the store: `Store hub hk01`, `hk01.local`; a second hub is `Store hub hk01 (2)`, `hk01-2.local`. Multicast
goes by IPv4. What stops announcing never stops the hub. Not here: certificates; what a client does with what it found.
"""

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from hub.runtime import Runtime

if TYPE_CHECKING:
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

SERVICE = "_storehub._tcp.local."
API_VERSION = "v1"
LOOK_EVERY_S = 15.0  # for another address, another life, somebody else of our name; and to try again
PROBE_MS = 1_500  # before a name is taken; the library's own probes leave a busy machine a third of a second to answer
GOODBYE_TIMEOUT_S = 1.0  # a stop waits no longer; whoever misses it forgets us by the records' own life
NAMES_MAX = 9  # hubs of one store on one network

log = logging.getLogger(__name__)


class Card(NamedTuple):
    """What is announced. `rep` tells a store's two hubs apart; `ca` is the fingerprint of the store's CA, if there is one."""

    store_id: str
    rep: str
    port: int
    addresses: tuple[str, ...]
    ca: str

    @property
    def text(self) -> dict[str, str]:
        """The TXT record."""
        found = {"txtvers": "1", "store": self.store_id, "api": API_VERSION, "rep": self.rep}
        return found | ({"scheme": "https", "ca": self.ca} if self.ca else {"scheme": "http"})


async def run_announcer(hub: Runtime, port: int) -> None:
    """Announce the hub until cancelled, if the configuration wants it."""
    if not hub.config.is_announced:
        return
    await asyncio.to_thread(import_module, "zeroconf.asyncio")  # a third of a second that no sale waits for
    from zeroconf import Error

    is_silent = False
    while True:
        card = card_of(hub, port)
        try:
            async with announced(card) as place:
                said = {"service": place.info.name, "host": place.info.server, "addresses": list(card.addresses)}
                log.info("announced on the local network", extra=said)
                is_silent = False
                while card_of(hub, port) == card and not place.has_rival():  # noqa: ASYNC110 - the network has no Event
                    await asyncio.sleep(LOOK_EVERY_S)
        except (OSError, Error) as err:
            if not is_silent:
                log.warning("not announced on the local network", extra={"reason": str(err) or type(err).__name__})
            is_silent = True
            await asyncio.sleep(LOOK_EVERY_S)


def card_of(hub: Runtime, port: int) -> Card:
    """Return what is to be announced now."""
    return Card(hub.shop.store_id, hub.replica.rep, port, reachable_at(hub.config.host), hub.ca_fingerprint())


def reachable_at(host: str) -> tuple[str, ...]:
    """Return the addresses of this machine at which whoever listens on `host` is reached; none without a network."""
    from ifaddr import get_adapters

    found = [str(ip.ip if ip.is_IPv4 else ip.ip[0]) for adapter in get_adapters() for ip in adapter.ips]
    wanted = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    mine = [ipaddress.ip_address(address) for address in found]
    if wanted.is_unspecified:
        mine = [ip for ip in mine if not ip.is_loopback and not (ip.version == 6 and ip.is_link_local)]
        mine = [ip for ip in mine if wanted.version == 6 or ip.version == 4]
    else:
        mine = [ip for ip in mine if ip == wanted]
    return tuple(sorted({str(ip) for ip in mine}))


@dataclass(frozen=True, slots=True)
class Place:
    """The name that a hub has on the network."""

    socket: "AsyncZeroconf"
    info: "ServiceInfo"

    def has_rival(self) -> bool:
        """Whether somebody else speaks under our name: two that began at once. Whoever hears it probes anew."""
        from zeroconf import ServiceInfo

        heard = ServiceInfo(SERVICE, self.info.name)
        heard.load_from_cache(self.socket.zeroconf)
        return heard.text not in (b"", self.info.text)


@asynccontextmanager
async def announced(card: Card) -> AsyncIterator[Place]:
    """Have a name on the network while inside; raise OSError without a network, zeroconf.Error when no name is free."""
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    interfaces = [address for address in card.addresses if ":" not in address]
    if not interfaces:
        raise OSError("there is no IPv4 address to be found at")
    socket = AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
    try:
        info = await _take_name(socket, card)
        yield Place(socket, info)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                await socket.async_close()  # says goodbye first


async def _take_name(socket: "AsyncZeroconf", card: Card) -> "ServiceInfo":
    from zeroconf import NonUniqueNameException, ServiceInfo

    for number in range(1, NAMES_MAX + 1):
        name = f"Store hub {card.store_id}" + (f" ({number})" if number > 1 else "")
        host = card.store_id + (f"-{number}" if number > 1 else "")
        info = ServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=card.port,
            properties=card.text,
            server=f"{host}.local.",
            parsed_addresses=list(card.addresses),
        )
        if await ServiceInfo(SERVICE, info.name).async_request(socket.zeroconf, PROBE_MS):
            continue
        with suppress(NonUniqueNameException):
            await (await socket.async_register_service(info))
            return info
    raise NonUniqueNameException
