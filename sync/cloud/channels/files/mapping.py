"""How a marketplace's file is read, declared in TOML; an unknown key is refused with the nearest known one.

sheet = "訂單"             of a spreadsheet; the first without it
date_order = "ymd"        ymd | dmy | mdy: of dates written in digits
zone = "Asia/Taipei"      of times
totals = ["合計", …]       rows that begin so and name no goods are sums, not orders
pickup = ["超商取貨"]       what `delivery` says where the customer fetches the goods at a shop of ours

[columns]                 of ours = the file's header, or several of which one is there
order_id, qty             needed, and one of sku, barcode, item
placed_at, changed_at, line, title, amount, total, name, address, postcode, phone, city, status, delivery
buyer_id, buyer_name, buyer_phone, buyer_email      who bought; name and phone are those of who gets the goods. Masked: nobody's

[status]                  what `status` says: cancelled = ["取消"], unpaid = […], fulfilled = […]; all else is open
"""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct, field

from sync.errors import ConfigError
from sync.settings import convert_settings, load_settings, parse_settings

Headers = str | list[str]
NEEDED = ("order_id", "qty")
GOODS = ("sku", "barcode", "item")


class Columns(Struct, frozen=True, forbid_unknown_fields=True):
    """[columns]"""

    order_id: Headers = ""
    placed_at: Headers = ""
    changed_at: Headers = ""
    line: Headers = ""
    sku: Headers = ""
    barcode: Headers = ""
    item: Headers = ""
    title: Headers = ""
    qty: Headers = ""
    amount: Headers = ""
    total: Headers = ""
    name: Headers = ""
    address: Headers = ""
    postcode: Headers = ""
    phone: Headers = ""
    city: Headers = ""
    buyer_id: Headers = ""
    buyer_name: Headers = ""
    buyer_phone: Headers = ""
    buyer_email: Headers = ""
    status: Headers = ""
    delivery: Headers = ""


class Status(Struct, frozen=True, forbid_unknown_fields=True):
    """[status]"""

    cancelled: tuple[str, ...] = (
        "取消",
        "已取消",
        "cancelled",
        "canceled",
    )
    unpaid: tuple[str, ...] = (
        "未付款",
        "待付款",
        "unpaid",
    )
    fulfilled: tuple[str, ...] = (
        "已出貨",
        "已送達",
        "shipped",
        "delivered",
    )


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole mapping."""

    columns: Columns
    status: Status = field(default_factory=Status)
    sheet: str = ""
    date_order: Literal["ymd", "dmy", "mdy"] = "ymd"
    zone: Annotated[str, Meta(max_length=60)] = "Asia/Taipei"
    totals: tuple[str, ...] = (
        "合計",
        "總計",
        "小計",
        "總金額",
        "total",
        "subtotal",
        "grand total",
    )
    pickup: tuple[str, ...] = ()


def load_mapping(path: Path) -> Mapping:
    """Read a mapping's file; raise ConfigError."""
    return load_settings(path, _mapping)


def parse_mapping(text: str) -> Mapping:
    """Read a mapping; raise ConfigError."""
    return parse_settings(text, _mapping)


def headers_of(mapping: Mapping) -> dict[str, tuple[str, ...]]:
    """Return the headers that each of our columns may have; without those that are not mapped."""
    mapped = msgspec.structs.asdict(mapping.columns)
    headers = {name: (said,) if isinstance(said, str) else tuple(said) for name, said in mapped.items()}
    return {name: said for name, said in headers.items() if any(said)}


def _mapping(raw: dict[str, object]) -> Mapping:
    mapping = convert_settings(raw, Mapping)
    mapped = headers_of(mapping)
    missing = [name for name in NEEDED if name not in mapped]
    if missing or not any(name in mapped for name in GOODS):
        raise ConfigError(f"[columns]: {', '.join(missing) or 'one of sku, barcode, item'} is missing")
    try:
        ZoneInfo(mapping.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ConfigError(f"zone {mapping.zone!r}: write a name of the IANA data base, as Asia/Taipei") from err
    return mapping
