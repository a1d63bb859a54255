"""How the cloud's configuration says what is handed on, and where to.

[handing]  allow: networks beside the public ones to which webhooks may go, as ["10.1.0.0/16"]
[exports]  dir; zone and at_hour: when the night's files are made; bom: for Excel; personal: members with their clear data;
           keep_days: older days are removed, and made again by nobody
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from sync.errors import ConfigError


class HandingSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[handing]"""

    allow: list[str] = []


class ExportsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[exports]"""

    dir: Annotated[str, Meta(min_length=1)]
    zone: str = "Asia/Taipei"
    at_hour: Annotated[int, Meta(ge=0, le=23)] = 4
    bom: bool = False
    personal: bool = False
    keep_days: Annotated[int, Meta(ge=2, le=4000)] = 400


@dataclass(frozen=True, slots=True)
class Exports:
    """What the night's files are like; `folder` is absolute."""

    folder: Path
    zone: ZoneInfo
    at_hour: int = 4
    bom: bool = False
    personal: bool = False
    keep_days: int = 400


@dataclass(frozen=True, slots=True)
class Handing:
    """What was checked."""

    allow: tuple[str, ...] = ()
    exports: Exports | None = None


def handing_of(section: HandingSection, exports: ExportsSection | None, *, base: Path) -> Handing:
    """Check the sections; raise ConfigError."""
    for network in section.allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as err:
            raise ConfigError(f'handing.allow: {err}; write networks as "10.1.0.0/16"') from err
    return Handing(tuple(section.allow), _exports(exports, base) if exports is not None else None)


def _exports(section: ExportsSection, base: Path) -> Exports:
    try:
        zone = ZoneInfo(section.zone)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise ConfigError(f'exports.zone {section.zone!r} is no time zone; write one as "Asia/Hong_Kong"') from err
    return Exports(
        folder=(base / section.dir).resolve(),
        zone=zone,
        at_hour=section.at_hour,
        bom=section.bom,
        personal=section.personal,
        keep_days=section.keep_days,
    )
