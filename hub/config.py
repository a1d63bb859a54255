"""The configuration file (TOML): an unknown key, kind or option stops the start with the nearest known one.

[store]     id, name_zh_hant, name_en, zone, currency, cut_over_hour, receipt_header, receipt_footer
[api]       host, port (only loopback addresses: there is no TLS yet)
[data]      dir, synchronous
[receipt]   printer: the device that prints receipts when a till names none
[[console.pages]] title_zh_hant, title_en, url, height: a device's own web page, shown in the console
[cloud]      url and token of the cloud end, mode (realtime, pull), import_token, reconnect_max_s
[mqtt]       port, username, password: the embedded broker, and the account of the hub's own drivers there
[devices.NAME]   kind = a file name in devices/drivers, plus that driver's options
"""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct, field

from devices.errors import OptionError
from devices.registry import load, options_for
from devices.supervisor import DeviceSpec
from hub.store.model import Shop
from sync.errors import ConfigError
from sync.line import BACKOFF_MAX_S
from sync.retail.catalogue import Name
from sync.settings import convert_settings, is_loopback, load_settings

HUB_LOCK = "hub.lock"  # held with flock for the daemon's life

Id = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
Line = Annotated[str, Meta(max_length=200)]


class StoreSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[store]"""

    id: Id
    name_zh_hant: Line
    name_en: Line
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    zone: str = "Asia/Taipei"
    cut_over_hour: Annotated[int, Meta(ge=0, le=12)] = 0
    receipt_header: list[Line] = []
    receipt_footer: list[Line] = []


class ApiSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[api]"""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080


class DataSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[data]; `synchronous = "off"` loses sales at a power cut and is for measurements only."""

    dir: str = "."
    synchronous: Literal["full", "off"] = "full"


class ReceiptSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[receipt]"""

    printer: str | None = None


class PageSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[[console.pages]]: a device's own web page. `height` in pixels; without it the page is given a tall frame."""

    title_zh_hant: Line
    title_en: Line
    url: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\s\"';,]+\Z")]
    height: Annotated[int, Meta(ge=80, le=2000)] | None = None


class ConsoleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[console]"""

    pages: list[PageSection] = []


class MqttSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[mqtt]: an embedded broker on 127.0.0.1. Devices log in as they were paired; `username` is for the hub's own drivers."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 1883
    username: Annotated[str, Meta(max_length=64)] = ""
    password: Annotated[str, Meta(max_length=200)] = ""


class CloudSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[cloud]: the store is joined. The hub dials `url` (realtime), or waits for the cloud to ask (pull).

    `token` is the store's own at the cloud. `import_token` is head office's, for imports made on this machine.
    """

    token: Annotated[str, Meta(max_length=200, pattern=r"^[^\s]*\Z")] = ""
    url: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\s]+\Z")] | None = None
    mode: Literal["realtime", "pull"] = "realtime"
    import_token: Annotated[str, Meta(max_length=200, pattern=r"^[^\s]*\Z")] = ""
    reconnect_max_s: Annotated[float, Meta(ge=0.1, le=300)] = BACKOFF_MAX_S


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; device sections are checked by their drivers."""

    store: StoreSection
    api: ApiSection = field(default_factory=ApiSection)
    data: DataSection = field(default_factory=DataSection)
    receipt: ReceiptSection = field(default_factory=ReceiptSection)
    console: ConsoleSection = field(default_factory=ConsoleSection)
    cloud: CloudSection | None = None
    mqtt: MqttSection | None = None
    devices: dict[str, dict[str, Any]] = {}  # Any: each driver declares its own options


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that was checked; `data_dir` is absolute."""

    shop: Shop
    host: str
    port: int
    data_dir: Path
    synchronous: Literal["full", "off"]
    receipt_printer: str | None
    pages: tuple[PageSection, ...]
    devices: tuple[DeviceSpec, ...]
    cloud: CloudSection | None = None
    mqtt: MqttSection | None = None

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "hub.db"

    @property
    def control_socket(self) -> Path:
        """Where commands of this machine reach a running hub."""
        return self.data_dir / "hub.sock"

    def is_running(self) -> bool:
        """Whether a hub answers on the control socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.control_socket))
            except OSError:
                return False
        return True


def load_config(path: Path) -> Config:
    """Read and check a configuration file; raise ConfigError with the key, the value and the remedy."""
    return load_settings(path, lambda raw: parse_config(raw, base=path.parent))


def parse_config(raw: dict[str, Any], *, base: Path) -> Config:
    """Check a configuration; relative folders are below `base`. Any: TOML."""
    file = convert_settings(raw, File)
    devices = tuple(_device(name, section) for name, section in file.devices.items())
    _check_receipt_printer(file.receipt.printer, devices)
    return Config(
        shop=_shop(file.store),
        host=_loopback(file.api.host),
        port=file.api.port,
        data_dir=(base / file.data.dir).resolve(),
        synchronous=file.data.synchronous,
        receipt_printer=file.receipt.printer,
        pages=tuple(file.console.pages),
        devices=devices,
        cloud=_cloud(file.cloud),
        mqtt=_mqtt(file.mqtt),
    )


def _device(name: str, section: dict[str, Any]) -> DeviceSpec:
    try:
        msgspec.convert(name, Id)
    except msgspec.ValidationError as err:
        raise ConfigError(f"devices.{name}: a device's name has small letters, digits and hyphens") from err
    options = dict(section)
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        raise ConfigError(f'devices.{name}: say what it is with kind = "..."')
    try:
        driver = load(kind)
    except OptionError as err:
        raise ConfigError(f"{name}: {err}") from err
    try:
        return DeviceSpec(name, kind, driver, options_for(kind, options, device_id=name))
    except OptionError as err:
        raise ConfigError(str(err)) from err


def _check_receipt_printer(printer: str | None, devices: tuple[DeviceSpec, ...]) -> None:
    printers = [spec.device_id for spec in devices if spec.driver.category == "POSPrinter"]
    if printer is not None and printer not in printers:
        raise ConfigError(
            f"receipt.printer {printer!r} is no printer of this file; printers: {', '.join(printers) or 'none'}"
        )


def _shop(section: StoreSection) -> Shop:
    try:
        zone = ZoneInfo(section.zone)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise ConfigError(f"store.zone {section.zone!r} is no IANA time zone; write one as Asia/Hong_Kong") from err
    return Shop(
        store_id=section.id,
        name=Name(zh_hant=section.name_zh_hant, en=section.name_en),
        zone=zone,
        currency=section.currency,
        cut_over_hour=section.cut_over_hour,
        header=tuple(section.receipt_header),
        footer=tuple(section.receipt_footer),
    )


def _mqtt(section: MqttSection | None) -> MqttSection | None:
    if section is not None and bool(section.username) != bool(section.password):
        raise ConfigError("mqtt: username and password belong together; give both, or none")
    return section


def _cloud(section: CloudSection | None) -> CloudSection | None:
    if section is None or section.mode == "pull":
        return section
    if section.url is None or not section.token:
        raise ConfigError('cloud: a store that dials needs url and token; one that the cloud asks has mode = "pull"')
    parts = urlsplit(section.url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(f"cloud.url {section.url!r}: the line leaves this machine; write https://")
    return section


def _loopback(host: str) -> str:
    if not is_loopback(host):
        raise ConfigError(f"api.host {host!r}: without TLS the hub listens on loopback only; write 127.0.0.1 or ::1")
    return host
