"""What the store files pass around: the shop's own facts and the shapes that both routes and clients see."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from hub.store.member_rules import MemberRules
from sync.model import Dot
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.catalogue.pricing import Source
from sync.retail.catalogue.promotions import PromotionKind
from sync.retail.names import Name
from sync.retail.selling.sales import Warned
from sync.retail.selling.tax import TaxRates
from sync.retail.selling.tenders import USUAL_TENDERS, TenderType
from sync.retail.stock.stock import Component


class Shop(Struct, frozen=True):
    """The shop this hub serves: identity, money, trading day, what stands on its receipts, what it takes and is taxed."""

    store_id: str
    name: Name
    zone: ZoneInfo
    currency: str
    cut_over_hour: int = 0
    location: str = "shop"
    header: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
    phone: str = ""
    hours: dict[str, tuple[str, str]] = {}
    tax: TaxRates = TaxRates()
    tenders: tuple[TenderType, ...] = USUAL_TENDERS
    members: MemberRules = MemberRules()


class Entry(Struct, frozen=True):
    """One product with its price and, for a product that is new here, its opening stock."""

    product: Product
    price: Price
    stock: int | None = None


class PriceView(Struct, frozen=True):
    """The catalogue's price: `amount` minor units for `per` units; `version` is the price register's."""

    amount: int
    currency: str
    per: int
    version: int


class PriceNow(Struct, frozen=True, omit_defaults=True):
    """What a SKU costs in this shop at this moment, promotions aside, and who says so.

    `reference` names the list. `version` is the catalogue's price's, 0 where it has none. `by_grace`: the clock is not sure.
    """

    amount: int
    currency: str
    per: int
    version: int
    source: Source
    reference: str | None = None
    by_grace: bool = False


class PromotionView(Struct, frozen=True, omit_defaults=True):
    """A promotion that is open for these goods at this moment; what it takes off a basket, POST /v1/quotes says."""

    promotion_id: str
    name: Name
    does: PromotionKind
    count: int = 0
    pay_for: int = 0
    amount: int = 0
    rate_bp: int = 0
    members_only: bool = False
    by_grace: bool = False


class StockView(Struct, frozen=True):
    """Stock at this shop in the product's unit: on the shelf; what a till may promise; promised to orders, baskets, customers."""

    on_hand: int
    available: int
    promised: int


class MeasureView(Struct, frozen=True):
    """What a variable-measure label said of this item: `qty` in the product's unit, or `amount` in minor units."""

    qty: int | None = None
    amount: int | None = None


class Item(Struct, frozen=True, omit_defaults=True):
    """A product as tills see it. `catalogue_price` is there where the shop sells at another one."""

    sku: str
    name: Name
    unit: str
    gtins: list[str]
    attributes: dict[str, str] = field(default_factory=dict)
    style: str | None = None
    category: str | None = None
    price: PriceNow | None = None
    stock: StockView | None = None
    measure: MeasureView | None = None
    parts: list[Component] = field(default_factory=list)
    catalogue_price: PriceView | None = None
    promotions: list[PromotionView] = field(default_factory=list)


class SaleAnswer(Struct, frozen=True, omit_defaults=True):
    """What a till is told of a durable sale, and is told again when it repeats it; `training`: it is in no book."""

    sale_id: str
    receipt_no: str
    committed_at: datetime
    business_date: str
    dot: Dot
    stock: dict[str, int]
    points: int = 0
    warnings: tuple[Warned, ...] = ()
    print_job: str | None = None
    training: bool = False


def utc(now_ms: int) -> datetime:
    """Return milliseconds since 1970 as an aware datetime in UTC."""
    return datetime.fromtimestamp(now_ms / 1000, UTC)
