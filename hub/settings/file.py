"""The shape of the configuration file (TOML): its sections and their options.

[store]     id, names, currency, zone, cut_over_hour, receipt_header, receipt_footer, phone, hours = { mon = ["10:00", "22:00"] }
[api], [tls]: hub.settings.tls; [data]   dir, synchronous
[receipt]   printer: the device that prints receipts when a till names none; url: under which customers reach this hub's pages
[tax], [tenders.NAME]: hub.settings.selling; [members]: hub.settings.members; [approvals], [returns]: hub.store.staff.approvals,
claims [[console.pages]] title_zh_hant, title_en, url, height: a device's own web page, shown in the console
[cloud], [standby]: hub.settings.lines; [coupons]: hub.settings.coupons; [orders]: hub.settings.orders
[stock]      safety_stock: what stays on the shelf of each SKU (with [rights]: written there); hold_s: how long goods are held
[rights]     see sync.rights_settings, and policy (physical-first, strict), reclaimed_online: the shop shares rights to its stock
[limits], [backup], [disk]: hub.settings.limits, backup, disk; [mdns] announce: this hub is announced on the local network
[clock]      rtc: this machine has a battery-backed clock
[mqtt]       port, tls_port; username, password: the hub's own drivers' at the broker
[devices.NAME]   kind = a file name in devices/drivers, plus that driver's options
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from hub.settings.backup import BackupSection
from hub.settings.coupons import CouponsSection
from hub.settings.disk import DiskSection
from hub.settings.limits import LimitsSection
from hub.settings.lines import CloudSection, StandbySection
from hub.settings.members import MembersSection
from hub.settings.orders import OrdersSection
from hub.settings.selling import TaxSection, TenderSection
from hub.settings.tls import ApiSection, TlsSection
from hub.store.selling.claims import ReturnRules
from hub.store.staff.approvals import ApprovalRules
from hub.store.stock.rights import Rule
from sync.retail.stock.reservations import HOLD_S_MAX
from sync.retail.stock.rights import SpendPolicy
from sync.rights_settings import RightsSection

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
    """[mqtt]: an embedded broker on 127.0.0.1. Devices log in as they were paired; `username` is for the hub's own drivers.

    `tls_port` (8883): on the LAN too, with TLS and this hub's certificate.
    """

    port: Annotated[int, Meta(ge=0, le=65535)] = 1883
    username: Annotated[str, Meta(max_length=64)] = ""
    password: Annotated[str, Meta(max_length=200)] = ""
    tls_port: Annotated[int, Meta(ge=0, le=65535)] | None = None


class MdnsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[mdns]; without `announce` a hub is announced where it listens beyond this machine."""

    announce: bool | None = None


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
    tls: TlsSection = field(default_factory=TlsSection)
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
    coupons: CouponsSection = field(default_factory=CouponsSection)
    orders: OrdersSection = field(default_factory=OrdersSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    backup: BackupSection = field(default_factory=BackupSection)
    disk: DiskSection = field(default_factory=DiskSection)
    mdns: MdnsSection = field(default_factory=MdnsSection)
    stock: StockSection = field(default_factory=StockSection)
    members: MembersSection = field(default_factory=MembersSection)
    devices: dict[str, dict[str, Any]] = {}  # Any: each driver declares its own options
