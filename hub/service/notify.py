"""Words to the service manager, as systemd hears them on NOTIFY_SOCKET. Nobody listens: nothing is said.

Source: sd_notify(3), sd_watchdog_enabled(3). Not here: when it is told (hub.service.life).
"""

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass

TELL_TIMEOUT_S = 1.0  # the manager's queue is full: it hears the next word

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who started us, as the environment says. `watchdog_s`: silent for so long, we are ended and started again; None: never."""

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str], *, pid: int) -> "Manager":
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; what was meant for another process is not for us."""
        address = environment.get("NOTIFY_SOCKET", "")
        limit_us = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        is_wanted = is_ours and limit_us.isdecimal() and int(limit_us) > 0
        return cls(address, int(limit_us) / 1e6 if is_wanted else None)

    def tell(self, *assignments: str) -> None:
        """Say `NAME=value` words in one message; one that cannot be delivered is logged and forgotten."""
        if not self.address:
            return
        to = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.settimeout(TELL_TIMEOUT_S)
                notify.sendto("\n".join(assignments).encode(), to)
        except OSError as err:
            log.debug("the service manager does not hear", extra={"said": assignments[0], "error": str(err)})
