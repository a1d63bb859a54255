"""How a driver reaches an MQTT broker: the options that all of them share, and the `Broker` they make.

TLS: `ca` is the file of the CA that signed the broker's certificate (PEM; for the store's own: GET /ca.crt), `certificate` and
`key` are ours, where the broker asks for one (mosquitto: require_certificate). The broker's name is checked. Not here: the
connection (devices.drivers._mqtt_link).
"""

import asyncio
import ssl
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from devices.driver import DriverOptions
from devices.drivers._addresses import split_address

if TYPE_CHECKING:
    from devices.drivers._mqtt_link import Broker
PORT, TLS_PORT = 1883, 8883  # as IANA has them


class BrokerOptions(DriverOptions, frozen=True, kw_only=True):
    """`address` is host:port; with `tls` the port is 8883 where it says none."""

    address: str = "127.0.0.1"
    username: str = ""
    password: str = ""
    keepalive_s: Annotated[int, Meta(ge=10, le=3600)] = 30
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        split_address(self.address, port=PORT)
        if not self.tls and (self.ca or self.certificate or self.key):
            raise ValueError("ca, certificate and key are for tls = true")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key belong together; give both, or none")
        if self.tls:
            self.context()

    def context(self) -> ssl.SSLContext | None:
        """Return how to speak TLS, None without it; raise ValueError with the remedy when a file cannot be read."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as err:  # ssl.SSLError is one
            files = ", ".join(filter(None, (self.ca, self.certificate, self.key)))
            raise ValueError(f"cannot read {files} ({err.strerror or err}); PEM files that this user may read") from err
        return context

    def broker(self, client_id: str, *, will: tuple[str, bytes] | None = None) -> "Broker":
        """Return where to connect, under this client id; `will` is topic and payload of a retained last will."""
        from devices.drivers._mqtt_link import Broker  # here: who checks a configuration has no use for paho

        host, port = split_address(self.address, port=TLS_PORT if self.tls else PORT)
        return Broker(host, port, client_id, self.username, self.password, self.keepalive_s, self.context(), will)


async def load_paho() -> None:
    """Import paho in a thread: a slow card takes seconds for it, and nobody else shall wait."""
    await asyncio.to_thread(import_module, "devices.drivers._mqtt_link")
