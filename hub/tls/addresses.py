"""Under which addresses this machine is reached: asked of the kernel over rtnetlink, no packet leaves.

Source: rtnetlink(7), RTM_GETADDR; linux/if_addr.h. Not here: what a certificate makes of them (hub.tls.keeper).
"""

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from sync.settings import is_loopback

Address = IPv4Address | IPv6Address

ASK_TIMEOUT_S = 1.0  # the kernel answers at once or not at all
ANSWER_MAX = 65536
NLMSG_DONE, NLMSG_ERROR, RTM_NEWADDR, RTM_GETADDR = 3, 2, 20, 22
NLM_F_REQUEST, NLM_F_DUMP = 0x01, 0x300
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE = 0x01, 0x08, 0x20, 0x40
_PASSING = IFA_F_TEMPORARY | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TENTATIVE
_MESSAGE, _IFADDRMSG, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_ELSEWHERE = ("192.0.2.1", 9)  # RFC 5737: nobody's; only the route to it is looked up


def machine_addresses() -> tuple[Address, ...]:
    """Return the lasting addresses of this machine but loopback and link-local IPv6, in order; none when the kernel is silent."""
    found: set[Address] = set()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(ASK_TIMEOUT_S)
            kernel.send(_request())
            is_more = True
            while is_more:
                addresses, is_more = read_answer(kernel.recv(ANSWER_MAX))
                found.update(addresses)
    except OSError:
        return ()
    return ordered(found)


def ordered(addresses: set[Address]) -> tuple[Address, ...]:
    """Return addresses that a certificate can name, IPv4 first."""
    lasting = [each for each in addresses if not each.is_loopback and not (each.version == 6 and each.is_link_local)]
    return tuple(sorted(lasting, key=lambda each: (each.version, int(each))))


def read_answer(answer: bytes) -> tuple[list[Address], bool]:
    """Return the addresses of one datagram of the kernel, and whether more follows."""
    found: list[Address] = []
    at = 0
    while at + _MESSAGE.size <= len(answer):
        length, kind, *_ = _MESSAGE.unpack_from(answer, at)
        if kind in (NLMSG_DONE, NLMSG_ERROR) or length < _MESSAGE.size:
            return found, False
        if kind == RTM_NEWADDR:
            found.extend(_address(answer[at + _MESSAGE.size : at + length]))
        at += _aligned(length)
    return found, True


def outward_address(addresses: tuple[Address, ...]) -> Address | None:
    """Return the address that the network of the shop knows: that of the default route, else the first."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE)
            said = probe.getsockname()[0]
    except OSError:
        said = ""
    outward = next((each for each in addresses if str(each) == said), None)
    return outward or next(iter(addresses), None)


def bracketed(host: str) -> str:
    """Return a host as a URL writes it: IPv6 addresses in brackets. RFC 3986, 3.2.2."""
    return f"[{host}]" if ":" in host else host


def is_local(host: str) -> bool:
    """Whether a peer's address is this machine's loopback, also as an IPv4 address within IPv6."""
    return is_loopback(host.removeprefix("::ffff:"))


def _request() -> bytes:
    body = _IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
    return _MESSAGE.pack(_MESSAGE.size + len(body), RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


def _address(body: bytes) -> Iterator[Address]:
    if len(body) < _IFADDRMSG.size:
        return
    _, _, flags, _, _ = _IFADDRMSG.unpack_from(body)
    said: dict[int, bytes] = {}
    at = _IFADDRMSG.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        said[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    if len(said.get(IFA_FLAGS, b"")) == 4:
        flags = int.from_bytes(said[IFA_FLAGS], sys.byteorder)
    packed = said.get(IFA_LOCAL) or said.get(IFA_ADDRESS, b"")
    if not flags & _PASSING and len(packed) in (4, 16):
        yield ipaddress.ip_address(packed)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
