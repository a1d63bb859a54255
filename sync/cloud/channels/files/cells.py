"""Cells as people leave them: full-width digits, barcodes that Excel has damaged, amounts with signs of money, dates. Pure.

barcode     4.71E+12 is lost for good. A leading zero that is gone is put back: check digits count from the right
amount      NT$ 1,280   HK$12.80   1,280元: minor units, never through a float
date        year first, or as the mapping declares: 31/12/2026 (dmy), 12/31/2026 (mdy); years of the Republic (115/11/23);
            an ISO date of a spreadsheet's cell
"""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from sync.cloud.channels.reading import minor_of
from sync.cloud.channels.said import ChannelError
from sync.retail.selling.sales import QTY_MAX

GTIN_DIGITS = 14
GTIN_LENGTHS = (8, 12, 13, 14)
MINGUO_YEAR_MAX = 199  # a year of the Republic of China, 1911 less than ours
_MONEY = re.compile(r"NT\$|HK\$|US\$|TWD|HKD|JPY|[$¥￥元圓]|,|\s")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]+")
_NUMERIC_DATE = re.compile(r"([0-9]{1,4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,4})日?(?:[T ]+(.+))?")
_TIME = re.compile(
    r"(上午|下午|AM|PM)?\s*([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*(AM|PM)?", re.IGNORECASE
)


class CellError(ChannelError):
    """A cell cannot be what its column is for. `code` is a reason of the report."""


def plain(text: str) -> str:
    """Return a cell's text with full-width characters made narrow, without what cannot be seen around it."""
    narrow = unicodedata.normalize("NFKC", text).replace("\u200b", "").replace("\ufeff", "")
    return narrow.strip().strip("'").strip()


def gtin_of(text: str) -> tuple[str, bool]:
    """Return the GTIN-14, and whether leading zeros were put back; raise CellError."""
    code = plain(text).removeprefix('="').removesuffix('"').replace(" ", "").replace("-", "")
    if _SCIENTIFIC.fullmatch(code):
        raise CellError("row_barcode_excel", text[:40])
    code = code.removesuffix(".0")
    if not code.isascii() or not code.isdecimal() or not 6 <= len(code) <= GTIN_DIGITS:
        raise CellError("row_barcode", text[:40])
    full = code.zfill(GTIN_DIGITS)
    if sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(full)) % 10:
        raise CellError("row_barcode_check", text[:40])
    return full, len(code) not in GTIN_LENGTHS


def qty_of(text: str) -> int:
    """Return a quantity; raise CellError for anything but a whole number above zero."""
    code = re.sub(r"\.0+\Z", "", plain(text).replace(",", ""))
    if not code.isascii() or not code.isdecimal() or len(code) > 9 or not 1 <= int(code) <= QTY_MAX:
        raise CellError("row_qty", text[:40])
    return int(code)


def amount_of(text: str, currency: str) -> int:
    """Return minor units; raise CellError."""
    code = _MONEY.sub("", plain(text))
    try:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", code):
            raise CellError("row_amount", text[:40])
        return minor_of(Decimal(code), currency)
    except (InvalidOperation, ChannelError) as err:
        raise CellError("row_amount", text[:40]) from err


def moment_of(text: str, *, order: str, zone: ZoneInfo) -> datetime:
    """Return a moment, of a text without an offset in this zone; raise CellError. `order`: ymd, dmy or mdy."""
    said = plain(text)
    match = _NUMERIC_DATE.fullmatch(said)
    if match is None:
        raise CellError("row_date", text[:40])
    try:
        year, month, day = _date(match.group(1), match.group(2), match.group(3), order)
        hour, minute, second = _time(match.group(4) or "")
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise CellError("row_date", text[:40]) from err


def _date(one: str, two: str, three: str, order: str) -> tuple[int, int, int]:
    """Return year, month and day. A first part of three digits or more is a year whatever was declared."""
    if len(one) >= 3 or order == "ymd":
        if len(three) > 2:
            raise ValueError("the year stands last; declare date_order")
        year = int(one)
        if len(one) <= 2:
            raise ValueError("a year of two digits")
        return (year + 1911 if year <= MINGUO_YEAR_MAX else year), int(two), int(three)
    if len(three) < 3:
        raise ValueError("a year of two digits")
    day, month = (one, two) if order == "dmy" else (two, one)
    return int(three), int(month), int(day)


def _time(text: str) -> tuple[int, int, int]:
    if not text:
        return 0, 0, 0
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError("no time")
    half = (match.group(1) or match.group(5) or "").upper()
    hour = int(match.group(2))
    if half:
        hour = hour % 12 + (12 if half in ("下午", "PM") else 0)
    return hour, int(match.group(3)), int(match.group(4) or 0)
