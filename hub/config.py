"""The configuration file (TOML): an unknown key, kind or option stops the start with the nearest known one.

[store]     id, names, currency, zone, cut_over_hour, receipt_header, receipt_footer, phone, hours = { mon = ["10:00", "22:00"] }
[api]       host, port (only loopback addresses: there is no TLS yet); [data]   dir, synchronous
[receipt]   printer: the device that prints receipts when a till names none; url: under which customers reach this hub's pages
[tax], [tenders.NAME]: hub.selling_settings; [members]: hub.member_settings; [approvals], [returns]: hub.store.approvals, claims
[[console.pages]] title_zh_hant, title_en, url, height: a device's own web page, shown in the console
[cloud]      see CloudSection: url, token, mode (realtime, scheduled with every_s, pull; left out: the cloud's word counts)
[standby]    follows (the address of the store's other hub), token (storehub pair --scope standby, there), reconnect_max_s
[stock]      safety_stock: what stays on the shelf of each SKU (with [rights]: written there); hold_s: how long goods are held
[rights]     see sync.rights_settings, and policy (physical-first, strict), reclaimed_online: the shop shares rights to its stock
[clock]      rtc: this machine has a battery-backed clock; [mqtt]   port; username, password: the hub's own drivers' at the broker
[devices.NAME]   kind = a file name in devices/drivers, plus that driver's options
"""

import socket
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct, field

from devices.errors import OptionError
from devices.registry import load, options_for
from devices.supervisor import DeviceSpec
from hub.member_settings import MembersSection, member_rules
from hub.selling_settings import TaxSection, TenderSection, tender_types
from hub.store.approvals import ApprovalRules
from hub.store.claims import ReturnRules
from hub.store.model import Shop
from hub.store.rights import Rule
from sync.entities import REGISTRY
from sync.errors import ConfigError
from sync.line import BACKOFF_MAX_S, EVERY_MAX_S, EVERY_MIN_S, Schedule, Transport
from sync.retail.catalogue import Name
from sync.retail.reservations import HOLD_S_MAX
from sync.retail.rights import SpendPolicy
from sync.rights_settings import RightsSection
from sync.settings import convert_settings, is_loopback, load_settings

SCHEDULED_EVERY_S = 900.0
STANDBY_BACKOFF_MAX_S = 30.0  # the two stand in one shop: there is no line to spare
HUB_LOCK = "hub.lock"  # held with flock for the daemon's life

Id = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
Line = Annotated[str, Meta(max_length=200)]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-4]):[0-5][0-9]\Z")]


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
    phone: Annotated[str, Meta(max_length=40)] = ""
    hours: dict[Weekday, tuple[TimeOfDay, TimeOfDay]] = {}


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
    url: Annotated[str, Meta(max_length=200, pattern=r"^https?://[^\s/]+\Z")] | None = None


class PageSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[[console.pages]]: a device's own web page. `height` in pixels; without it the page is given a tall frame."""

    title_zh_hant: Line
    title_en: Line
    url: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\s\"';,]+\Z")]
    height: Annotated[int, Meta(ge=80, le=2000)] | None = None


class ConsoleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[console]"""

    pages: list[PageSection] = []


class ClockSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[clock]; with `rtc` the machine's word is taken when the hub starts, as NTP's is at any time."""

    rtc: bool = False


class MqttSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[mqtt]: an embedded broker on 127.0.0.1. Devices log in as they were paired; `username` is for the hub's own drivers."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 1883
    username: Annotated[str, Meta(max_length=64)] = ""
    password: Annotated[str, Meta(max_length=200)] = ""


class CloudSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[cloud]: the store is joined. The hub dials `url`, all the time or every `every_s`, or waits to be asked (pull).

    Without `mode` it dials when the cloud says. Rows of a stream in `wake_for` break the schedule. `token` is the store's own at
    the cloud. `import_token` is head office's, for imports made on this machine.
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
    reconnect_max_s: Annotated[float, Meta(ge=0.1, le=300)] = STANDBY_BACKOFF_MAX_S


class StockSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[stock]; what is held for a basket or a customer is let go after `hold_s`, unless the till says otherwise."""

    safety_stock: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    hold_s: Annotated[int, Meta(ge=1, le=HOLD_S_MAX)] = 1800


class HubRightsSection(RightsSection, frozen=True, forbid_unknown_fields=True):
    """[rights]; `policy` says what becomes of a sale beyond the shop's right.

    `reclaimed_online`: what a former life of the hub had left may be promised on line before it was counted.
    """

    policy: SpendPolicy = SpendPolicy.PHYSICAL_FIRST
    reclaimed_online: bool = False

    @property
    def rule(self) -> Rule:
        """The same for the store."""
        return Rule(policy=self.declared, spend=self.policy, reclaimed_online=self.reclaimed_online)


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; device sections are checked by their drivers."""

    store: StoreSection
    api: ApiSection = field(default_factory=ApiSection)
    data: DataSection = field(default_factory=DataSection)
    receipt: ReceiptSection = field(default_factory=ReceiptSection)
    tax: TaxSection = field(default_factory=TaxSection)
    tenders: dict[str, TenderSection] = {}
    console: ConsoleSection = field(default_factory=ConsoleSection)
    cloud: CloudSection | None = None
    standby: StandbySection | None = None
    mqtt: MqttSection | None = None
    clock: ClockSection = field(default_factory=ClockSection)
    rights: HubRightsSection | None = None
    approvals: ApprovalRules = field(default_factory=ApprovalRules)
    returns: ReturnRules = field(default_factory=ReturnRules)
    stock: StockSection = field(default_factory=StockSection)
    members: MembersSection = field(default_factory=MembersSection)
    devices: dict[str, dict[str, Any]] = {}  # Any: each driver declares its own options


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


@dataclass(frozen=True, slots=True)
class Follows:
    """The store's other hub, that this one follows."""

    url: str
    reconnect_max_s: float
    token: str = dataclass_field(repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that was checked; `data_dir` is absolute."""

    shop: Shop
    host: str
    port: int
    data_dir: Path
    synchronous: Literal["full", "off"]
    receipt_printer: str | None
    receipt_url: str
    pages: tuple[PageSection, ...]
    devices: tuple[DeviceSpec, ...]
    cloud: CloudLine | None = None
    follows: Follows | None = None
    mqtt: MqttSection | None = None
    has_rtc: bool = False
    rights: Rule | None = None
    approvals: ApprovalRules = dataclass_field(default_factory=ApprovalRules)
    returns: ReturnRules = dataclass_field(default_factory=ReturnRules)
    safety_stock: int = 0
    hold_s: int = 1800

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
        shop=_shop(file),
        host=_loopback(file.api.host),
        port=file.api.port,
        data_dir=(base / file.data.dir).resolve(),
        synchronous=file.data.synchronous,
        receipt_printer=file.receipt.printer,
        receipt_url=file.receipt.url or f"http://{file.api.host}:{file.api.port}",
        pages=tuple(file.console.pages),
        devices=devices,
        cloud=_cloud(file.cloud),
        follows=_follows(file.standby),
        mqtt=_mqtt(file.mqtt),
        has_rtc=file.clock.rtc,
        rights=file.rights.rule if file.rights else None,
        approvals=file.approvals,
        returns=file.returns,
        safety_stock=_safety_stock(file),
        hold_s=file.stock.hold_s,
    )


def _safety_stock(file: File) -> int:
    if file.rights is None:
        return file.stock.safety_stock or 0
    if file.stock.safety_stock is not None:
        raise ConfigError("stock.safety_stock: this shop shares rights, write it in [rights] only, as at the cloud")
    return file.rights.safety_stock


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


def _shop(file: File) -> Shop:
    section = file.store
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
        phone=section.phone,
        hours={str(WEEKDAYS.index(day) + 1): hours for day, hours in section.hours.items()},
        tax=file.tax.rates,
        tenders=tender_types(file.tenders),
        members=member_rules(file.members, section.currency, has_cloud=file.cloud is not None),
    )


def _mqtt(section: MqttSection | None) -> MqttSection | None:
    if section is not None and bool(section.username) != bool(section.password):
        raise ConfigError("mqtt: username and password belong together; give both, or none")
    return section


def _cloud(section: CloudSection | None) -> CloudLine | None:
    if section is None:
        return None
    if section.mode != "pull" and (section.url is None or not section.token):
        raise ConfigError('cloud: a store that dials needs url and token; one that the cloud asks has mode = "pull"')
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
    )


def _follows(section: StandbySection | None) -> Follows | None:
    if section is None:
        return None
    _check_encrypted("standby.follows", section.follows)
    return Follows(section.follows, section.reconnect_max_s, section.token)


def _check_encrypted(key: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(f"{key} {url!r}: the line leaves this machine; write https://")


def _schedule(section: CloudSection) -> Schedule | None:
    if section.mode is None or section.mode == "pull":
        return None
    return Schedule(section.mode, (section.every_s or SCHEDULED_EVERY_S) if section.mode == "scheduled" else 0.0)


def _loopback(host: str) -> str:
    if not is_loopback(host):
        raise ConfigError(f"api.host {host!r}: without TLS the hub listens on loopback only; write 127.0.0.1 or ::1")
    return host
