"""GET /v1/shop: what a till must know of the shop before it sells."""

from msgspec import Struct

from hub.api.catalogue.catalogue import STAFF
from hub.api.routing import Call, Reply, Route
from sync.retail.money import display_digits, minor_digits
from sync.retail.names import Name
from sync.retail.people.points_worth import PointsWorth
from sync.retail.selling.tax import TaxRates
from sync.retail.selling.tenders import TenderType


class PageView(Struct, frozen=True, omit_defaults=True):
    """A device's own web page, shown in the console, `height` pixels high."""

    title: Name
    url: str
    height: int | None = None


class ShopView(Struct, frozen=True):
    """Identity, money and time of the shop. Amounts have `minor_digits` decimals, customers see `display_digits`.

    `tenders` are what a tender's type may be; `tax` is contained in all prices; `points_worth`: what a sale takes off for the
    points that it burns, null where the till itself knows.
    """

    store_id: str
    name: Name
    currency: str
    minor_digits: int
    display_digits: int
    zone: str
    receipt_printer: str | None
    pages: list[PageView]
    tenders: list[TenderType]
    tax: TaxRates
    points_worth: PointsWorth | None


async def get_shop(call: Call) -> Reply:
    """GET /v1/shop"""
    shop, config = call.hub.shop, call.hub.config
    return Reply(
        ShopView(
            store_id=shop.store_id,
            name=shop.name,
            currency=shop.currency,
            minor_digits=minor_digits(shop.currency),
            display_digits=display_digits(shop.currency),
            zone=shop.zone.key,
            receipt_printer=config.receipt_printer,
            pages=[
                PageView(Name(zh_hant=page.title_zh_hant, en=page.title_en), page.url, page.height)
                for page in config.pages
            ],
            tenders=list(shop.tenders),
            tax=shop.tax,
            points_worth=shop.members.points_worth,
        )
    )


ROUTES = (Route("GET", "/v1/shop", get_shop, "The shop: identity, money, time, tenders, tax", STAFF, ShopView),)
