"""The cloud end's configuration file (TOML): an unknown key stops the start with the nearest known one.

[cloud]            id, host, port (loopback only: there is no TLS yet), dir, demo_line
[stores.STORE-ID]  token or token_file: the store's own; for a store that the cloud pulls also mode = "pull", url, hub_token or
                   hub_token_file, every_s; for one that dials also mode = "realtime" or "scheduled" with every_s: it is told
                   rights: see sync.rights_settings; with it the store shares rights to its stock
                   region: whose price lists and promotions it gets beside head office's and its own
                   catalogue, branches, members: which of [scopes] it gets; without them all of the catalogue, no other branch,
                   and no other shop's members
[[tokens]]         name, token or token_file, scope = "office"
[scopes.catalogue.NAME] currency, categories, skus_like; [scopes.branches.NAME] stores; [scopes.members.NAME] stores:
                   see sync.cloud.scopes.scope_definitions

Tokens are kept as hashes from here on; only what the cloud itself must present to a hub is kept as it is.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec import field as msgfield

from sync.cloud.scopes.scope_definitions import ScopesSection, Wanted, wanted_of
from sync.errors import ConfigError
from sync.line import EVERY_MAX_S, EVERY_MIN_S, Schedule
from sync.retail.stock.rebalance import Policy
from sync.rights_settings import RightsSection
from sync.settings import convert_settings, is_loopback, load_settings

CLOUD_LOCK = "cloud.lock"  # held with flock for the process's life
PULL_EVERY_S, SCHEDULED_EVERY_S = 60.0, 900.0
TOKEN_CHARS_MIN = 16  # a token that can be guessed is none
Id = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
Scope = Literal["office", "store"]


class CloudSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[cloud]; `demo_line` opens /cloud/v1/demo/line, which cuts the stores off."""

    id: Id = "cloud"
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8081
    dir: str = "."
    demo_line: bool = False


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
    scopes: tuple[Wanted, ...] = ()
    rights: dict[str, Policy] = field(default_factory=dict)
    regions: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "cloud.db"


def token_hash(token: str) -> bytes:
    """Return the hash under which a token is known."""
    return blake2b(token.encode("utf-8", "replace"), digest_size=20).digest()


def load_cloud_config(path: Path) -> CloudConfig:
    """Read and check a configuration file; raise ConfigError with the key, the value and the remedy."""
    return load_settings(path, lambda raw: parse_cloud_config(raw, base=path.parent))


def parse_cloud_config(raw: dict[str, Any], *, base: Path) -> CloudConfig:
    """Check a configuration; relative paths are below `base`. Any: TOML."""
    file = convert_settings(raw, File)
    holders: dict[bytes, Holder] = {}
    for store, section in file.stores.items():
        _add_holder(holders, _token(section.token, section.token_file, f"stores.{store}", base), Holder(store, "store"))
    for named in file.tokens:
        _add_holder(holders, _token(named.token, named.token_file, named.name, base), Holder(named.name, named.scope))
    return CloudConfig(
        cloud_id=_not_a_store(file.cloud.id, file.stores),
        host=_loopback(file.cloud.host),
        port=file.cloud.port,
        data_dir=(base / file.cloud.dir).resolve(),
        demo_line=file.cloud.demo_line,
        stores=tuple(file.stores),
        pulls=tuple(_pull(store, section, base) for store, section in file.stores.items() if section.mode == "pull"),
        schedules={store: told for store, section in file.stores.items() if (told := _schedule(store, section))},
        holders=holders,
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


def _add_holder(holders: dict[bytes, Holder], token: str, holder: Holder) -> None:
    other = holders.setdefault(token_hash(token), holder)
    if other is not holder:
        raise ConfigError(f"{holder.name} and {other.name} have the same token; give each its own")


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


def _not_a_store(cloud_id: str, stores: dict[str, StoreSection]) -> str:
    if cloud_id in stores:
        raise ConfigError(f"cloud.id {cloud_id!r} is a store's as well; give the cloud a name of its own")
    return cloud_id


def _loopback(host: str) -> str:
    if not is_loopback(host):
        raise ConfigError(
            f"cloud.host {host!r}: without TLS the cloud listens on loopback only; write 127.0.0.1 or ::1"
        )
    return host
