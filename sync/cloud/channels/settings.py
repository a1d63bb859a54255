"""[channels.NAME] of cloud.toml: a web shop or a marketplace.

kind            shopify | woocommerce | file
currency        what it is paid in
url             of the shop, https (http on this machine only); without it nothing is sent to it
token_file      shopify: the Admin API's access token; woocommerce: "ck_…:cs_…", its key and secret
secret_files    of its webhooks' signatures: one, or two while the secret is changed
location        shopify: the number of the location whose levels are ours
levels          false: no levels are sent
skus            what it calls our goods: "variant:123" = "TEA-01"
pickup          shipping methods, by name or code, that mean that the customer comes to a shop
delivery        ship_from_store | home_delivery: of all other orders
pos             shopify: the store that stands at a location, for what its own till has sold: "77" = "tpe01"
points          { points, per }: what members earn for each `per` minor units of goods that they keep; left out: nothing
mapping         of a marketplace's files: see sync.cloud.channels.files.mapping
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from sync.cloud.channels.files.mapping import Mapping as FileMapping
from sync.cloud.channels.files.mapping import load_mapping
from sync.cloud.persons.purchases import STORE
from sync.errors import ConfigError
from sync.retail.money import AmountError, minor_digits
from sync.retail.orders.order_rows import OrderKind
from sync.retail.people.points import PointsRule
from sync.settings import is_loopback

Kind = Literal["shopify", "woocommerce", "file"]
SECRETS_MAX = 2
SECRET_CHARS_MIN = 8
SHOPIFY_VERSION = "2026-10"


class ChannelSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[channels.NAME]"""

    kind: Kind
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    url: Annotated[str, Meta(max_length=500)] = ""
    token_file: str = ""
    secret_files: Annotated[list[str], Meta(max_length=SECRETS_MAX)] = []
    location: Annotated[str, Meta(pattern=r"^[0-9]{0,20}\Z")] = ""
    levels: bool = True
    skus: dict[str, str] = {}
    pickup: list[str] = []
    pos: dict[Annotated[str, Meta(pattern=r"^[0-9]{1,20}\Z")], str] = {}
    delivery: Literal["ship_from_store", "home_delivery"] = "ship_from_store"
    points: PointsRule | None = None
    mapping: str = ""
    api_version: Annotated[str, Meta(pattern=r"^20[0-9]{2}-(01|04|07|10)\Z")] = SHOPIFY_VERSION
    every_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 10.0
    requests_per_s: Annotated[float, Meta(gt=0, le=1000)] = 2.0
    reconcile_hour_utc: Annotated[int, Meta(ge=0, le=23)] = 18
    keep_days: Annotated[int, Meta(ge=1, le=3660)] = 400


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as configured and checked."""

    name: str
    kind: Kind
    currency: str
    url: str
    location: str
    levels: bool
    skus: Mapping[str, str]
    pickup: frozenset[str]
    pos: Mapping[str, str]
    delivery: OrderKind
    points: PointsRule | None
    mapping: FileMapping | None
    api_version: str
    every_s: float
    requests_per_s: float
    reconcile_hour_utc: int
    keep_days: int
    token: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def channels_of(
    sections: Mapping[str, ChannelSection], *, base: Path, stores: Collection[str] = ()
) -> dict[str, Channel]:
    """Check all channels; raise ConfigError with the key and the remedy. Files are below `base`, `stores` are the cloud's."""
    for name, section in sections.items():
        if unknown := sorted(set(section.pos.values()) - set(stores)):
            raise ConfigError(f"channels.{name}: pos names {unknown[0]!r}; known stores: {', '.join(stores) or 'none'}")
    return {name: _channel(name, section, base) for name, section in sections.items()}


def _channel(name: str, section: ChannelSection, base: Path) -> Channel:
    where = f"channels.{name}"
    if name == STORE:
        raise ConfigError(f"{where}: {STORE} is what tills sell; give the channel another name")
    try:
        minor_digits(section.currency)
    except AmountError as err:
        raise ConfigError(f"{where}: {err}") from err
    secrets = tuple(_secret(base / each, f"{where}: secret_files {each}") for each in section.secret_files)
    if section.kind == "file" and (secrets or section.url):
        raise ConfigError(f"{where}: a marketplace's files need neither url nor secret_files; remove them")
    if section.kind != "file" and not secrets:
        raise ConfigError(f"{where}: write secret_files; without a signature anybody could order")
    if section.url:
        _check_url(where, section)
    return Channel(
        name=name,
        kind=section.kind,
        currency=section.currency,
        url=section.url.rstrip("/"),
        location=section.location,
        levels=section.levels,
        skus=section.skus,
        pickup=frozenset(section.pickup),
        pos=section.pos,
        delivery=OrderKind(section.delivery),
        points=section.points,
        mapping=load_mapping(base / section.mapping) if section.mapping else None,
        api_version=section.api_version,
        every_s=section.every_s,
        requests_per_s=section.requests_per_s,
        reconcile_hour_utc=section.reconcile_hour_utc,
        keep_days=section.keep_days,
        token=_secret(base / section.token_file, f"{where}: token_file") if section.token_file else "",
        secrets=secrets,
    )


def _check_url(where: str, section: ChannelSection) -> None:
    parts = urlsplit(section.url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ConfigError(f"{where}: url {section.url!r}; write https://, the token travels with each request")
    if not section.token_file:
        raise ConfigError(f"{where}: url needs token_file, the key that the shop gave out")
    if section.kind == "shopify" and section.levels and not section.location:
        raise ConfigError(f"{where}: write location, the number of the shop's location, or levels = false")


def _secret(path: Path, where: str) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{where}: {err}") from err
    if len(secret) < SECRET_CHARS_MIN or not secret.isascii() or not secret.isprintable():
        raise ConfigError(f"{where}: a secret has at least {SECRET_CHARS_MIN} printable ASCII characters")
    return secret
