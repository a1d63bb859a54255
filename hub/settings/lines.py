"""[cloud] and [standby] of the configuration: how this hub stands to the cloud and to the store's other hub.

[cloud]      see CloudSection: url, token (none where the hub was enrolled by a code: `storehub enrol`),
             mode (realtime, scheduled with every_s, pull; left out: the cloud's word counts)
[standby]    follows (the address of the store's other hub), token and ca_sha256 (storehub pair --scope standby, there),
             reconnect_max_s

Not here: the lines themselves (hub.replication, hub.standby.line).
"""

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from sync.entities import REGISTRY
from sync.errors import ConfigError
from sync.line.state import BACKOFF_MAX_S, Transport
from sync.schedule import EVERY_MAX_S, EVERY_MIN_S, Schedule
from sync.settings import is_loopback

SCHEDULED_EVERY_S = 900.0
STANDBY_BACKOFF_MAX_S = 30.0  # the two stand in one shop: there is no line to spare


class CloudSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[cloud]: the store is joined. The hub dials `url`, all the time or every `every_s`, or waits to be asked (pull).

    Without `mode` it dials when the cloud says. Rows of a stream in `wake_for` break the schedule. `token` is the store's own at
    the cloud; without one that of DIR/cloud counts (hub.enrolment). `import_token` is head office's, for imports made here.
    """

    token: Annotated[str, Meta(max_length=200, pattern=r"^[^\s]*\Z")] = ""
    url: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\s]+\Z")] | None = None
    mode: Literal["realtime", "scheduled", "pull"] | None = None
    every_s: Annotated[float, Meta(ge=EVERY_MIN_S, le=EVERY_MAX_S)] | None = None
    wake_for: list[str] = []
    transport: Transport = "auto"
    import_token: Annotated[str, Meta(max_length=200, pattern=r"^[^\s]*\Z")] = ""
    reconnect_max_s: Annotated[float, Meta(ge=0.1, le=300)] = BACKOFF_MAX_S


class StandbySection(Struct, frozen=True, forbid_unknown_fields=True):
    """[standby]: this hub follows the store's other one, so that what either has sold is on two machines at once."""

    follows: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\s]+\Z")]
    token: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\s]*\Z")]
    ca_sha256: Annotated[str, Meta(pattern=r"^(([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})?\Z")] = ""
    reconnect_max_s: Annotated[float, Meta(ge=0.1, le=300)] = STANDBY_BACKOFF_MAX_S


@dataclass(frozen=True, slots=True)
class CloudLine:
    """How this hub stands to the cloud. `mode`: it dials (realtime, also where it does so by a schedule), or is asked (pull).

    `schedule` is what the file names, None where the cloud's word counts.
    """

    mode: Literal["realtime", "pull"]
    url: str | None
    schedule: Schedule | None
    wake_for: tuple[str, ...]
    transport: Transport
    reconnect_max_s: float
    token: str = dataclass_field(repr=False)
    import_token: str = dataclass_field(repr=False)
    folder: Path


@dataclass(frozen=True, slots=True)
class Follows:
    """The store's other hub, that this one follows."""

    url: str
    reconnect_max_s: float
    token: str = dataclass_field(repr=False)
    ca_sha256: str = ""


def cloud_line(section: CloudSection | None, *, folder: Path) -> CloudLine | None:
    """Return the line to the cloud; `folder` has what it was enrolled with; raise ConfigError for what does not go together."""
    if section is None:
        return None
    if section.mode != "pull" and section.url is None:
        raise ConfigError('cloud: a store that dials needs url; one that the cloud asks has mode = "pull"')
    if section.mode != "pull":
        _check_encrypted("cloud.url", section.url or "https://")
    if section.mode != "scheduled" and (section.every_s is not None or section.wake_for):
        raise ConfigError('cloud: every_s and wake_for belong to mode = "scheduled"')
    for stream in section.wake_for:
        if stream not in REGISTRY.streams:
            raise ConfigError(f"cloud.wake_for: no stream {stream!r}; streams: {', '.join(REGISTRY.streams)}")
    return CloudLine(
        mode="pull" if section.mode == "pull" else "realtime",
        url=section.url,
        schedule=_schedule(section),
        wake_for=tuple(section.wake_for),
        transport=section.transport,
        reconnect_max_s=section.reconnect_max_s,
        token=section.token,
        import_token=section.import_token,
        folder=folder,
    )


def followed(section: StandbySection | None) -> Follows | None:
    """Return whom this hub follows; raise ConfigError for a line that leaves this machine unencrypted."""
    if section is None:
        return None
    _check_encrypted("standby.follows", section.follows)
    pin = section.ca_sha256.replace(":", "").lower()
    if pin and not section.follows.startswith("https://"):
        raise ConfigError("standby.ca_sha256: a CA is known by TLS only; write https:// in standby.follows")
    return Follows(section.follows, section.reconnect_max_s, section.token, pin)


def _check_encrypted(key: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(f"{key} {url!r}: the line leaves this machine; write https://")


def _schedule(section: CloudSection) -> Schedule | None:
    if section.mode is None or section.mode == "pull":
        return None
    return Schedule(section.mode, (section.every_s or SCHEDULED_EVERY_S) if section.mode == "scheduled" else 0.0)
