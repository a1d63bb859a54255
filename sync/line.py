"""How the line to the peer is, and what to do when it is down. Pure; the wire itself is sync.link."""

from dataclasses import dataclass

BACKOFF_MAX_S = 300.0  # how long a hub may stay unaware that the line is back
REMEDIES = {
    "unreachable": "check the shop's line, the cloud's address and the firewall",
    "timeout": "the line is up but nobody answers in time: check the line's quality and the cloud's load",
    "refused": "the cloud does not take this token for this store: correct [cloud] token or [store] id",
    "not_a_cloud": "something else answers at this address (a captive portal, a proxy): log in there or correct [cloud] url",
    "server_error": "the cloud has a fault of its own: look at its log; the hub tries again",
    "hung_up": "the line was cut; the hub dials again",
    "fork": "this store or the cloud was restored from a copy: do not delete anything, call support",
    "protocol": "what came is no batch: look for a proxy that changes what passes, and at the peer's version",
    "internal": "a fault in this program: the log has the traceback; the line is tried again, selling goes on",
    "not_asked": "the cloud has not asked for rows for a while: look at its log, its [stores] url and hub_token",
    "cannot_write": "the disk takes no commit: see the message before this one",
}


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the line is. `reason` is a key of REMEDIES or the code a session ended with; times are milliseconds UTC."""

    is_up: bool = False
    reason: str = "starting"
    detail: str = ""
    since_ms: int = 0
    peer_rep: str = ""
    clock_offset_ms: int | None = None
