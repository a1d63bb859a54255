"""What a hub that is stopped would find when it starts: its devices' nodes, printers and brokers of the network, its cloud.

A hub that runs says so itself (hub.doctor.running). Nothing is opened but a connection, and nothing is sent to a device.
"""

import os
import socket
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from devices.supervision.outside import DeviceSpec
from hub.config import Config
from hub.doctor.findings import Finding, fault, warning, well
from hub.enrolment.credentials import context_of
from sync.line.faults import reason_of_error
from sync.line.state import REMEDIES
from sync.line.wire import WireError

ANSWER_TIMEOUT_S = 3.0
PORTS = {"POSPrinter": 9100, "LabelPrinter": 9100}  # of those that have an address; else a broker
BROKER_PORT, BROKER_TLS_PORT = 1883, 8883
REENROL = "have head office make a code (storehub cloud enrol STORE) and run storehub enrol CODE"
HEALTH_MAX = 64 * 1024  # bytes of an answer that is looked at


def look_at_wiring(config: Config) -> Iterator[Finding]:
    """Yield one finding for each device whose place is named by a node or an address; by USB only udev knows."""
    for spec in config.devices:
        node = getattr(spec.options, "port", None) or getattr(spec.options, "path", None)
        address = getattr(spec.options, "address", None)
        if isinstance(node, str) and node.startswith("/"):
            yield _node(spec, Path(node))
        elif isinstance(address, str):
            yield _address(spec, address)


def look_at_cloud(config: Config) -> Iterator[Finding]:
    """Yield whether the cloud that this hub dials answers, and whether it is one; it trusts whom the hub trusts."""
    if config.cloud is None or config.cloud.url is None:
        return
    url = config.cloud.url.rstrip("/")
    try:
        context = context_of(config.cloud)
    except WireError as err:
        yield fault("cloud", str(err), REENROL)
        return
    try:
        with urlopen(f"{url}/healthz", timeout=ANSWER_TIMEOUT_S, context=context) as answer:  # noqa: S310 - the configuration's own address
            is_cloud = answer.read(HEALTH_MAX).lstrip()[:1] == b"{"
    except (OSError, HTTPException, ValueError) as err:  # URLError is an OSError
        why = getattr(err, "reason", err)
        remedy = REMEDIES[reason_of_error(why) if isinstance(why, Exception) else "unreachable"]
        yield warning("cloud", f"{url} does not answer: {why}", remedy)
        return
    if not is_cloud:
        yield warning("cloud", f"what answers at {url} is no cloud end", REMEDIES["not_a_cloud"])
    else:
        yield well("cloud", f"{url} answers")


def _node(spec: DeviceSpec, node: Path) -> Finding:
    about = f"device {spec.device_id}"
    if not node.exists():
        return warning(about, f"{node} is not there", f"plug it in, or correct it in [devices.{spec.device_id}]")
    if not os.access(node, os.R_OK | os.W_OK):
        group = node.stat().st_gid
        return fault(
            about, f"{node} may not be opened by this user", f"run as the hub's user; the node's group is {group}"
        )
    return well(about, f"{node} is there")


def _address(spec: DeviceSpec, address: str) -> Finding:
    broker = BROKER_TLS_PORT if getattr(spec.options, "tls", False) else BROKER_PORT
    place = urlsplit(f"//{address}")
    host, port = place.hostname or address, place.port or PORTS.get(spec.driver.category, broker)
    about = f"device {spec.device_id}"
    try:
        socket.create_connection((host, port), ANSWER_TIMEOUT_S).close()
    except OSError as err:
        said = f"nothing answers at {host}:{port} ({err.strerror or err})"
        return warning(about, said, f"power and network of it; or correct address in [devices.{spec.device_id}]")
    return well(about, f"{host}:{port} answers")
