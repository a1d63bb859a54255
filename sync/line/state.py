"""How the line to the peer is, how long to wait for the next attempt, and what to do when it is down. Pure: no wire."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sync.schedule import REALTIME, Schedule, until_next_s

BACKOFF_FIRST_S = 1.0
HEALTHY_MS = 60_000  # a line that held this long starts its back-off anew
BACKOFF_MAX_S = 300.0  # how long a hub may stay unaware that the line is back
LIES_MAX = 3  # in a row; from there on a wait is never short
LIES = frozenset(
    {"protocol", "unexpected", "gap", "no_ack", "version"}
)  # what an honest peer on an honest line does not do
LOCAL = frozenset({"dns", "captive_portal"})  # seen in the shop or its line: asking again soon is no load for any cloud
LOCAL_MAX_S = 30.0
REMEDIES = {
    "unreachable": "check the shop's line, the cloud's address and the firewall",
    "dns": "the cloud's name is not found: check the shop's router and its DNS, and the name in [cloud] url",
    "captive_portal": "a login page answers instead of the cloud: open any page in a browser on this network and log in "
    "there, or have the line's owner let the cloud's address pass",
    "tls": "the certificate at this address is not the cloud's: a login page or a proxy opens what passes (log in there, or "
    "have the cloud's address let through), or this machine's clock is wrong (timedatectl)",
    "timeout": "the line is up but nobody answers in time: check the line's quality and the cloud's load",
    "refused": "the cloud does not take this token for this store: correct [cloud] token or [store] id, or enrol this "
    "hub again if its token was revoked (storehub enrol CODE)",
    "not_enrolled": "this hub has no token for the cloud yet: have head office make a code (storehub cloud enrol STORE) and run "
    "storehub enrol CODE",
    "not_a_cloud": "something else answers at this address (a captive portal, a proxy): log in there or correct [cloud] url",
    "server_error": "the cloud has a fault of its own: look at its log; the hub tries again",
    "hung_up": "the line was cut; the hub dials again",
    "fork": "this store or the cloud was restored from a copy: do not delete anything, call support",
    "protocol": "what came is no batch: look for a proxy that changes what passes, and at the peer's version",
    "internal": "a fault in this program: the log has the traceback; the line is tried again, selling goes on",
    "not_asked": "the cloud has not asked for rows for a while: look at its log, its [stores] url and hub_token",
    "cannot_write": "the disk takes no commit: see the message before this one",
    "no_hello": "nobody answers in time: look at the other end's log; the hub dials again",
    "no_ack": "the other end takes rows and does not confirm them: look at its log; they are sent again",
    "gap": "rows are missing and do not come: keep both disks, look at both logs, call support",
    "version": "the two ends speak other versions: upgrade the side that the detail names",
    "unexpected": "what came is out of order: look for a proxy that changes what passes, and at the peer's version",
    "scheduled": "nothing is wrong: this store speaks with the cloud every so often; POST /v1/sync/now does it at once",
}


Transport = Literal["auto", "websocket", "http"]


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the line is. `reason` is a key of REMEDIES or the code a session ended with; times are milliseconds UTC.

    `next_contact_ms` is when the hub dials again, `failures` how often it failed in a row; `ask` dials at once.
    """

    is_up: bool = False
    reason: str = "starting"
    detail: str = ""
    since_ms: int = 0
    peer_rep: str = ""
    clock_offset_ms: int | None = None
    schedule: Schedule = REALTIME
    transport: str = "websocket"
    next_contact_ms: int | None = None
    failures: int = 0
    ask: Callable[[], None] | None = field(default=None, compare=False, repr=False)


class Attempts:
    """How a dialler's contacts ended: failures and lies in a row, and how long to wait after each."""

    def __init__(self, rng: random.Random, *, max_s: float = BACKOFF_MAX_S) -> None:
        self.failures = self.lies = 0
        self._rng = rng
        self._max_s = max_s
        self._was_local = False

    def wait_s(self, code: str, schedule: Schedule, *, held_ms: int) -> float:
        """Take how a contact ended that held so long; return how long to wait for the next."""
        if code == "done":
            self.failures = self.lies = 0
            return until_next_s(schedule, self._rng) if schedule.is_scheduled else 0.0
        is_healthy = held_ms >= HEALTHY_MS
        self.lies = self.lies + 1 if code in LIES else 0 if is_healthy else self.lies
        comes_nearer = self._was_local and code not in LOCAL  # the line is back as far as to the cloud
        self._was_local = code in LOCAL
        self.failures = 0 if is_healthy else 1 if comes_nearer else self.failures + 1
        max_s = min(self._max_s, LOCAL_MAX_S) if self._was_local else self._max_s
        return backoff_s(self.failures, self._rng, max_s=max_s, lies=self.lies)


def backoff_s(failures: int, rng: random.Random, *, max_s: float, lies: int = 0) -> float:
    """Return how long to wait after this many failures in a row: full jitter, 0 to at most `max_s`.

    After LIES_MAX of them that were lies it is never less than half of that: nobody is asked again in a tight loop.
    """
    longest_s = min(max_s, BACKOFF_FIRST_S * 2 ** min(failures, 16))
    if lies < LIES_MAX:
        return rng.uniform(0, longest_s)
    longest_s = min(max_s, BACKOFF_FIRST_S * 2 ** min(max(failures, lies), 16))
    return rng.uniform(longest_s / 2, longest_s)
