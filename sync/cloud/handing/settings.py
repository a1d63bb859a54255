"""How the cloud's configuration says what is handed on, and where to.

[handing]  allow: networks beside the public ones to which webhooks may go, as ["10.1.0.0/16"]
[exports]  dir; zone and at_hour: when the night's files are made; bom: for Excel; personal: members with their clear data;
           keep_days: older days are removed, and made again by nobody
[[sinks]]  name, kind = "postgres", dsn or dsn_file, schema, streams: what is poured where
"""

import difflib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from sync.entities import REGISTRY
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


class SinkSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[[sinks]]"""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}\Z")]
    streams: Annotated[list[str], Meta(min_length=1)]
    kind: Literal["postgres"] = "postgres"
    dsn: str = ""
    dsn_file: str = ""
    schema: Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,50}\Z")] = "storehub"


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A sink; the dsn holds a password."""

    name: str
    kind: Literal["postgres"]
    schema: str
    streams: tuple[str, ...]
    dsn: str = field(repr=False)


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
    sinks: tuple[SinkSettings, ...] = ()


def handing_of(
    section: HandingSection, exports: ExportsSection | None, sinks: Sequence[SinkSection], *, base: Path
) -> Handing:
    """Check the sections; raise ConfigError."""
    for network in section.allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as err:
            raise ConfigError(f'handing.allow: {err}; write networks as "10.1.0.0/16"') from err
    names = [each.name for each in sinks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"sinks: two have the name {twice[0]}; give each its own")
    return Handing(
        allow=tuple(section.allow),
        exports=_exports(exports, base) if exports is not None else None,
        sinks=tuple(_sink(each, base) for each in sinks),
    )


def _sink(section: SinkSection, base: Path) -> SinkSettings:
    for stream in section.streams:
        if stream not in REGISTRY.streams:
            near = difflib.get_close_matches(stream, REGISTRY.streams, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(REGISTRY.streams)}"
            raise ConfigError(f"sinks {section.name}: no stream {stream!r}{meant}")
    if bool(section.dsn) == bool(section.dsn_file):
        raise ConfigError(f"sinks {section.name}: write either dsn or dsn_file")
    dsn = section.dsn
    if section.dsn_file:
        try:
            dsn = (base / section.dsn_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"sinks {section.name}: dsn_file {section.dsn_file}: {err}") from err
    return SinkSettings(section.name, section.kind, section.schema, tuple(section.streams), dsn)


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
