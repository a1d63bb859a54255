"""Whether the unit lets the hub reach its cloud: what is outside its list is not refused, only never answered.

Not here: the list (systemd/storehub.service, and the slice's drop-ins: docs/operating/service.md).
"""

import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from hub.config import Config
from hub.doctor.findings import Finding, fault, well

UNITS = ("storehub.service", "storehub.slice")
ASK_TIMEOUT_S = 10.0
DROP_IN = "/etc/systemd/system/storehub.slice.d/networks.conf"


def look_at_networks(config: Config, *, names: Path = Path("/etc/resolv.conf")) -> Iterator[Finding]:
    """Yield what was found; nothing where there is no cloud, or no unit with a list."""
    url = config.cloud.url if config.cloud else None
    allowed = _allowed()
    if url is None or not allowed:
        return
    host, port = urlsplit(url).hostname or "", urlsplit(url).port
    outside = [f"the cloud {host}: {each}" for each in not_let_through(_addresses(host, port), allowed)]
    outside += [f"the name server {each}" for each in not_let_through(_name_servers(names), allowed)]
    if outside:
        yield fault(
            "networks",
            f"the unit lets no packet through to {', '.join(outside)}",
            f"write IPAddressAllow= with its network into [Slice] of {DROP_IN}, then systemctl daemon-reload and "
            "systemctl restart storehub",
        )
    else:
        yield well("networks", f"the unit lets {host} through")


def not_let_through(addresses: Iterable[str], allowed: list[str]) -> list[str]:
    """Return the addresses that are in none of the networks, in their order."""
    networks = [ipaddress.ip_network(each, strict=False) for each in allowed]
    found = [ipaddress.ip_address(each.partition("%")[0]) for each in addresses]
    return [str(ip) for ip in found if not any(ip.version == net.version and ip in net for net in networks)]


def _allowed() -> list[str]:
    """Return the networks of the unit and its slice; none where nothing is held back, or nobody can tell."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return []
    said = [
        subprocess.run(  # noqa: S603 - systemd's own, and names of ours
            [systemctl, "show", "--value", f"--property={what}", *UNITS],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            check=False,
        ).stdout.split()
        for what in ("IPAddressDeny", "IPAddressAllow")
    ]
    return said[1] if said[0] else []


def _addresses(host: str, port: int | None) -> list[str]:
    try:
        return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port)))
    except OSError:
        return []  # no line, or no such name: look_at_line says so


def _name_servers(names: Path) -> list[str]:
    try:
        lines = [line.split() for line in names.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
