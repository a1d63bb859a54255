"""The configuration, checked: an unknown key, kind or option stops the start with the nearest known one.

Not here: what a file may say (hub.settings.file and the sections beside it).
"""

import socket
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from devices.driver import PrinterOptions
from devices.errors import OptionError
from devices.registry import load, near_miss, options_for
from devices.supervision.outside import DeviceSpec
from hub.settings.backup import BackupSection, checked
from hub.settings.coupons import CouponsSection
from hub.settings.digests import digests_of
from hub.settings.disk import DiskSection, checked_disk
from hub.settings.file import WEEKDAYS, File, Id, MqttSection, PageSection
from hub.settings.limits import LimitsSection
from hub.settings.lines import CloudLine, Follows, cloud_line, followed
from hub.settings.members import member_rules
from hub.settings.orders import OrdersSection
from hub.settings.selling import tender_types
from hub.settings.tls import listening_host
from hub.store.model import Shop
from hub.store.selling.claims import ReturnRules
from hub.store.staff.approvals import ApprovalRules
from hub.store.stock.rights import Rule
from sync.errors import ConfigError
from sync.retail.names import Name
from sync.settings import convert_settings, is_loopback, load_settings

HUB_LOCK = "hub.lock"  # held with flock for the daemon's life


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
    coupons: CouponsSection = dataclass_field(default_factory=CouponsSection)
    orders: OrdersSection = dataclass_field(default_factory=OrdersSection)
    limits: LimitsSection = dataclass_field(default_factory=LimitsSection)
    backup: BackupSection = dataclass_field(default_factory=BackupSection)
    disk: DiskSection = dataclass_field(default_factory=DiskSection)
    is_announced: bool = False
    safety_stock: int = 0
    hold_s: int = 1800
    tls_names: tuple[str, ...] = ()
    same_at_both: dict[str, str] = dataclass_field(default_factory=dict)  # digests, see hub.settings.digests

    @property
    def is_on_lan(self) -> bool:
        """Whether others than this machine reach the hub; they do so by TLS."""
        return not is_loopback(self.host)

    @property
    def tls_folder(self) -> Path:
        """Where the store's CA and this hub's certificate lie."""
        return self.data_dir / "tls"

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
    _check_stand_ins(devices)
    return Config(
        shop=_shop(file),
        host=listening_host(file.api),
        port=file.api.port,
        data_dir=(base / file.data.dir).resolve(),
        synchronous=file.data.synchronous,
        receipt_printer=file.receipt.printer,
        receipt_url=file.receipt.url or _own_url(file),
        tls_names=tuple(file.tls.names),
        pages=tuple(file.console.pages),
        devices=devices,
        cloud=cloud_line(file.cloud, folder=(base / file.data.dir).resolve() / "cloud"),
        follows=followed(file.standby),
        mqtt=_mqtt(file.mqtt, host=file.api.host),
        has_rtc=file.clock.rtc,
        rights=file.rights.rule if file.rights else None,
        approvals=file.approvals,
        returns=file.returns,
        coupons=file.coupons,
        orders=file.orders,
        limits=file.limits,
        backup=checked(file.backup),
        disk=checked_disk(file.disk),
        is_announced=not is_loopback(file.api.host) if file.mdns.announce is None else file.mdns.announce,
        safety_stock=_safety_stock(file),
        hold_s=file.stock.hold_s,
        same_at_both=digests_of(file),
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


def _check_stand_ins(devices: tuple[DeviceSpec, ...]) -> None:
    """A printer that names another `instead` must name one that prints the same: receipts, or labels."""
    for spec in devices:
        instead = spec.options.instead if isinstance(spec.options, PrinterOptions) else ""
        alike = [
            other.device_id
            for other in devices
            if other.driver.category == spec.driver.category and other.device_id != spec.device_id
        ]
        if instead and instead not in alike:
            raise ConfigError(
                f"{spec.device_id}: instead {instead!r} is no other {spec.driver.category} of this file; "
                f"there are: {', '.join(alike) or 'none'}{near_miss(instead, alike)}"
            )


def _shop(file: File) -> Shop:
    section = file.store
    try:
        zone = ZoneInfo(section.zone)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise ConfigError(f"store.zone {section.zone!r} is no IANA time zone; write one as Asia/Hong_Kong") from err
    tenders = tender_types(file.tenders)
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
        tenders=tenders,
        members=member_rules(file.members, section.currency, has_cloud=file.cloud is not None, tenders=tenders),
    )


def _mqtt(section: MqttSection | None, *, host: str) -> MqttSection | None:
    if section is not None and bool(section.username) != bool(section.password):
        raise ConfigError("mqtt: username and password belong together; give both, or none")
    if section is not None and section.tls_port is not None and is_loopback(host):
        raise ConfigError(
            f'mqtt.tls_port: this hub listens on {host} only and has no certificate; set [api] host = "0.0.0.0"'
        )
    return section


def _own_url(file: File) -> str:
    """Where this hub is reached when nothing else is said."""
    api = file.api
    return f"http://{api.host}:{api.port}" if is_loopback(api.host) else f"https://{file.store.id}.local:{api.port}"
