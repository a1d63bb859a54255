"""The cloud end's configuration file (TOML): an unknown key stops the start with the nearest known one.

[cloud]            id, host, port (loopback only without TLS), dir, demo_line
                   database or database_file: postgresql://… instead of the SQLite file in dir; see sync.cloud.postgres
                   tls_certificate, tls_key: PEM files, looked at again when they are renewed
                   client_certificates = "off", "optional" or "required": whether a store that dials shows one beside its token;
                   client_authority: who signs them, a PEM file; without one the cloud's own, which signs at the enrolment
[stores.STORE-ID]  token or token_file: the store's own, none where its hub is enrolled by a code (`storehub cloud enrol`);
                   for a store that the cloud pulls also mode = "pull", url, hub_token or
                   hub_token_file, every_s; for one that dials also mode = "realtime" or "scheduled" with every_s: it is told
                   rights: see sync.rights_settings; with it the store shares rights to its stock
                   region: whose price lists and promotions it gets beside head office's and its own
                   catalogue, branches, members: which of [scopes] it gets; without them all of the catalogue, no other branch,
                   and no other shop's members
                   city, zone: where it stands, for segments and quiet hours
[members]          whose telephone numbers are meant, what joins customers of the web: see sync.cloud.persons.rules
[senders.NAME]     how members are written to: see sync.cloud.senders.settings
[[tokens]]         name, token or token_file, scope = "office"
[scopes.catalogue.NAME] currency, categories, skus_like; [scopes.branches.NAME] stores; [scopes.members.NAME] stores:
                   see sync.cloud.scopes.scope_definitions
[allocation], [locations.NAME]: see sync.cloud.allocation.settings
[handing], [exports], [[sinks]]   see sync.cloud.handing.settings
[channels.NAME]    a web shop or a marketplace: see sync.cloud.channels.settings

Tokens are kept as hashes from here on; only what the cloud itself must present to a hub is kept as it is.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct
from msgspec import field as msgfield

from sync.cloud.allocation.settings import AllocationSection, LocationId, LocationSection, Settings, settings_of
from sync.cloud.channels.settings import Channel, ChannelSection, channels_of
from sync.cloud.handing.settings import ExportsSection, Handing, HandingSection, SinkSection, handing_of
from sync.cloud.persons.rules import MembersSection, check_members
from sync.cloud.scopes.scope_definitions import ScopesSection, Wanted, wanted_of
from sync.cloud.senders.settings import SenderLine, SenderSection, line_of
from sync.errors import ConfigError
from sync.retail.stock.rebalance import Policy
from sync.rights_settings import RightsSection
from sync.schedule import EVERY_MAX_S, EVERY_MIN_S, Schedule
from sync.settings import convert_settings, is_loopback, load_settings

CLOUD_LOCK = "cloud.lock"  # held with flock for the process's life
PULL_EVERY_S, SCHEDULED_EVERY_S = 60.0, 900.0
TOKEN_CHARS_MIN = 16  # a token that can be guessed is none
Id = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
Scope = Literal["office", "store"]
Certificates = Literal["off", "optional", "required"]


class CloudSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[cloud]; `demo_line` opens /cloud/v1/demo/line, which cuts the stores off."""

    id: Id = "cloud"
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    dir: str = "."
    demo_line: bool = False
    database: str = ""
    database_file: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    client_certificates: Certificates = "off"
    client_authority: str = ""


class StoreSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[stores.STORE-ID]; `link`: the store dials, when its own configuration says."""

    token: str = ""
    token_file: str = ""
    mode: Literal["link", "realtime", "scheduled", "pull"] = "link"
    url: Annotated[str, Meta(max_length=500)] = ""
    hub_token: str = ""
    hub_token_file: str = ""
    every_s: Annotated[float, Meta(ge=0.1, le=86_400)] | None = None
    catalogue: Annotated[str, Meta(max_length=100)] = ""
    branches: Annotated[str, Meta(max_length=100)] = ""
    region: Annotated[str, Meta(max_length=64)] = ""
    members: Annotated[str, Meta(max_length=100)] = ""
    rights: RightsSection | None = None
    city: Annotated[str, Meta(max_length=64)] = ""
    zone: Annotated[str, Meta(max_length=64)] = ""


class TokenSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[[tokens]]"""

    name: Id
    scope: Literal["office"] = "office"
    token: str = ""
    token_file: str = ""


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    cloud: CloudSection = msgfield(default_factory=CloudSection)
    stores: dict[Id, StoreSection] = {}
    tokens: list[TokenSection] = []
    scopes: ScopesSection = msgfield(default_factory=ScopesSection)
    allocation: AllocationSection | None = None
    locations: dict[LocationId, LocationSection] = {}
    handing: HandingSection = msgfield(default_factory=HandingSection)
    exports: ExportsSection | None = None
    sinks: list[SinkSection] = []
    channels: dict[Id, ChannelSection] = {}
    members: MembersSection = msgfield(default_factory=MembersSection)
    senders: dict[Id, SenderSection] = {}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a token: head office by name, or a store."""

    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class PullFrom:
    """A hub that the cloud asks, because it cannot dial."""

    store: str
    url: str
    every_s: float
    hub_token: str = field(repr=False)

    @property
    def key(self) -> bytes:
        """The hash under which the token that the hub gave out is known."""
        return token_hash(self.hub_token)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the cloud shows of itself; `client_authority` is None for its own."""

    certificate: Path
    key: Path
    client_certificates: Certificates
    client_authority: Path | None


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """A configuration that was checked; `data_dir` is absolute, `holders` is by token_hash."""

    cloud_id: str
    host: str
    port: int
    data_dir: Path
    demo_line: bool
    stores: tuple[str, ...]
    pulls: tuple[PullFrom, ...]
    schedules: dict[str, Schedule]
    holders: dict[bytes, Holder] = field(repr=False)
    postgres: str = field(default="", repr=False)
    scopes: tuple[Wanted, ...] = ()
    rights: dict[str, Policy] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)
    tls: TlsFiles | None = None
    allocation: Settings = field(default_factory=Settings)
    handing: Handing = field(default_factory=Handing)
    channels: dict[str, Channel] = field(default_factory=dict)
    members: MembersSection = field(default_factory=MembersSection)
    cities: dict[str, str] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    lines: dict[str, SenderLine] = field(default_factory=dict, repr=False)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "cloud.db"


@dataclass(frozen=True, slots=True)
class Office:
    """Where a command reaches the cloud of a configuration, what it shows there, and head office's token."""

    url: str
    certificate: Path | None
    token: str = field(repr=False)


def token_hash(token: str) -> bytes:
    """Return the hash under which a token is known."""
    return blake2b(token.encode("utf-8", "replace"), digest_size=20).digest()


def load_cloud_config(path: Path) -> CloudConfig:
    """Read and check a configuration file; raise ConfigError with the key, the value and the remedy."""
    return load_settings(path, lambda raw: parse_cloud_config(raw, base=path.parent))


def load_office(path: Path) -> Office:
    """Read where the cloud of a file listens and its first office token; raise ConfigError where it has none."""
    return load_settings(path, lambda raw: _office(convert_settings(raw, File), path.parent))


def parse_cloud_config(raw: dict[str, Any], *, base: Path) -> CloudConfig:
    """Check a configuration; relative paths are below `base`. Any: TOML."""
    file = convert_settings(raw, File)
    tls = _tls(file.cloud, base)
    holders: dict[bytes, Holder] = {}
    for store, section in file.stores.items():
        if not section.token and not section.token_file:
            continue  # its hub is enrolled by a code
        _add_holder(holders, _token(section.token, section.token_file, f"stores.{store}", base), Holder(store, "store"))
    for named in file.tokens:
        _add_holder(holders, _token(named.token, named.token_file, named.name, base), Holder(named.name, named.scope))
    return CloudConfig(
        cloud_id=_not_a_store(file.cloud.id, file.stores),
        host=_host(file.cloud.host, tls),
        port=file.cloud.port,
        data_dir=(base / file.cloud.dir).resolve(),
        demo_line=file.cloud.demo_line,
        stores=tuple(file.stores),
        pulls=tuple(_pull(store, section, base) for store, section in file.stores.items() if section.mode == "pull"),
        schedules={store: told for store, section in file.stores.items() if (told := _schedule(store, section))},
        holders=holders,
        postgres=_postgres(file.cloud, base),
        scopes=tuple(
            wanted
            for store, section in file.stores.items()
            for wanted in wanted_of(
                *(store, file.scopes),
                catalogue=section.catalogue,
                branches=section.branches,
                members=section.members,
            )
        ),
        rights={store: section.rights.declared for store, section in file.stores.items() if section.rights is not None},
        regions={store: section.region for store, section in file.stores.items() if section.region},
        tls=tls,
        allocation=settings_of(
            *(file.allocation, file.locations),
            stores=list(file.stores),
            sharing=[store for store, section in file.stores.items() if section.rights is not None],
        ),
        handing=handing_of(file.handing, file.exports, file.sinks, base=base),
        channels=channels_of(file.channels, base=base, stores=file.stores),
        members=check_members(file.members),
        cities={store: section.city for store, section in file.stores.items() if section.city},
        lines={name: line_of(name, section, base) for name, section in file.senders.items()},
        zones={store: _zone(store, section.zone) for store, section in file.stores.items() if section.zone},
    )


def _token(token: str, token_file: str, where: str, base: Path) -> str:
    if bool(token) == bool(token_file):
        raise ConfigError(f"{where}: write either token or token_file")
    if token_file:
        try:
            token = (base / token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"{where}: token_file {token_file}: {err}") from err
    if len(token) < TOKEN_CHARS_MIN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{where}: a token has at least {TOKEN_CHARS_MIN} ASCII characters and no space")
    return token


def _postgres(section: CloudSection, base: Path) -> str:
    """Return the DSN of a PostgreSQL database, empty for SQLite; no message repeats it: it may hold a password."""
    if section.database and section.database_file:
        raise ConfigError("cloud: write either database or database_file")
    dsn = section.database
    if section.database_file:
        try:
            dsn = (base / section.database_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(f"cloud.database_file {section.database_file}: {err}") from err
    if (dsn or section.database_file) and not dsn.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            'cloud.database: write "postgresql://user@host/name"; without it the cloud keeps a SQLite file'
        )
    return dsn


def _add_holder(holders: dict[bytes, Holder], token: str, holder: Holder) -> None:
    other = holders.setdefault(token_hash(token), holder)
    if other is not holder:
        raise ConfigError(f"{holder.name} and {other.name} have the same token; give each its own")


def _office(file: File, base: Path) -> Office:
    if not file.tokens:
        raise ConfigError(
            "no [[tokens]]: head office has no token there; write one, or name --cloud and --cloud-token-file"
        )
    named, section = file.tokens[0], file.cloud
    tls = _tls(section, base)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(section.host, section.host)  # noqa: S104 - dialled, not listened on
    return Office(
        f"{'https' if tls else 'http'}://{host}:{section.port}",
        tls.certificate if tls else None,
        _token(named.token, named.token_file, named.name, base),
    )


def _pull(store: str, section: StoreSection, base: Path) -> PullFrom:
    if not section.url.startswith(("http://", "https://")):
        raise ConfigError(f'stores.{store}: mode = "pull" needs url, as "http://127.0.0.1:8080"')
    where = f"stores.{store} (hub_token)"
    hub_token = _token(section.hub_token, section.hub_token_file, where, base)
    return PullFrom(store, section.url.rstrip("/"), section.every_s or PULL_EVERY_S, hub_token)


def _schedule(store: str, section: StoreSection) -> Schedule | None:
    """Return when a store is told to dial; None where it is told nothing."""
    if section.mode in ("link", "pull"):
        return None
    every_s = section.every_s or SCHEDULED_EVERY_S
    if not EVERY_MIN_S <= every_s <= EVERY_MAX_S:
        raise ConfigError(
            f"stores.{store}: every_s {every_s:g} of a scheduled line; write {EVERY_MIN_S:g} to {EVERY_MAX_S:g}"
        )
    return Schedule(section.mode, every_s if section.mode == "scheduled" else 0.0)


def _zone(store: str, zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise ConfigError(f'stores.{store}: no time zone {zone!r}; write one as "Asia/Taipei"') from err
    return zone


def _not_a_store(cloud_id: str, stores: dict[str, StoreSection]) -> str:
    if cloud_id in stores:
        raise ConfigError(f"cloud.id {cloud_id!r} is a store's as well; give the cloud a name of its own")
    return cloud_id


def _host(host: str, tls: TlsFiles | None) -> str:
    if tls is None and not is_loopback(host):
        raise ConfigError(
            f"cloud.host {host!r}: without TLS the cloud listens on loopback only; write 127.0.0.1 or ::1, or "
            "tls_certificate and tls_key"
        )
    return host


def _tls(section: CloudSection, base: Path) -> TlsFiles | None:
    if bool(section.tls_certificate) != bool(section.tls_key):
        raise ConfigError("cloud: tls_certificate and tls_key go together")
    if not section.tls_certificate:
        if section.client_certificates != "off":
            raise ConfigError(
                "cloud.client_certificates: stores show certificates by TLS only; write tls_certificate and tls_key"
            )
        return None
    if section.client_authority and section.client_certificates == "off":
        raise ConfigError(
            'cloud.client_authority: nobody is asked for a certificate; write client_certificates = "required"'
        )
    return TlsFiles(
        base / section.tls_certificate,
        base / section.tls_key,
        section.client_certificates,
        base / section.client_authority if section.client_authority else None,
    )
