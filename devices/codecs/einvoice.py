"""Taiwan's uniform invoice as its codes say it: left and right QR, the Code 39 above them, a business number. Pure.

Ministry of Finance, 電子發票證明聯一維及二維條碼規格說明 1.8 (2018). The encrypted field can be checked by nobody but who has
the issuer's key. Read leniently, as shops' printers and scanners need it: codes in either order, a lost `**`, small letters, a
seller's area that is too short, base64 cut anywhere, text that a scanner passed on byte by byte (Latin-1).
"""

import base64
import re
from contextlib import suppress
from datetime import date

from msgspec import Struct

from devices.errors import LabelError

HEADER_CHARS = 77
BARCODE_CHARS = 19
RIGHT_MARK = "**"
ROC_YEAR_0 = 1911
NO_BUYER = "00000000"
ITEMS_MAX = 200  # a version 40 QR code holds fewer

_HEADER = re.compile(
    r"(?P<number>.{10})(?P<date>.{7})(?P<random>.{4})(?P<sales>.{8})(?P<total>.{8})(?P<buyer>.{8})(?P<seller>.{8})"
    r"(?P<encrypt>.{24})",
    re.DOTALL,
)
_BODY = re.compile(
    r":(?P<area>.{10}|[^:]*):(?P<here>\d*):(?P<total>\d*):(?P<encoding>\d)(?::(?P<items>.*))?", re.DOTALL | re.ASCII
)
_NUMBER = re.compile(r"[A-Z]{2}[0-9]{8}")
_DIGITS = re.compile(r"[0-9]+")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_LOOKS_LEFT = re.compile(r"[A-Za-z]{2}[0-9]{19}[0-9A-Fa-f]{16}[0-9]{16}.{24}", re.DOTALL)
_LOOKS_BARCODE = re.compile(r"\*?[0-9]{5}[A-Za-z]{2}[0-9]{12}\*?")
_ENCODINGS = {"0": "big5", "1": "utf-8", "2": "base64", "3": "utf-8"}
_CROSS_BORDER = "3"
_CODECS = {"big5": "cp950", "utf-8": "utf-8"}
_UBN_WEIGHTS = (1, 2, 1, 2, 1, 2, 4, 1)


class InvoiceItem(Struct, frozen=True, omit_defaults=True):
    """A line; quantity and price as decimals, None where they are none (`raw` has what stood there)."""

    name: str
    quantity: str | None
    unit_price: str | None
    raw: tuple[str, ...] = ()


class Invoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the codes of an invoice say; amounts in whole dollars. `complete`: all its lines were in what was read."""

    number: str
    date: str
    period: str
    random_code: str
    sales_amount: int
    total_amount: int
    tax_amount: int | None
    buyer_ubn: str | None
    seller_ubn: str
    encrypt: str
    encoding: str | None = None
    cross_border: bool = False
    seller_area: str = ""
    items_in_qr: int = 0
    items_total: int = 0
    items: tuple[InvoiceItem, ...] = ()
    complete: bool = False

    @property
    def barcode(self) -> str:
        """What the Code 39 above the QR codes says."""
        return self.period + self.number + self.random_code


class InvoiceBarcode(Struct, frozen=True):
    """What the Code 39 says: the last month of the period (ROC year and month), the number, the random code."""

    period: str
    number: str
    random_code: str


def looks_left(text: str) -> bool:
    """Say whether a label is formed as the left QR is."""
    return _LOOKS_LEFT.match(_clean(text)) is not None


def looks_right(text: str) -> bool:
    """Say whether a label begins as the right QR does."""
    return _clean(text).startswith(RIGHT_MARK)


def looks_barcode(text: str) -> bool:
    """Say whether a label is formed as the Code 39 is."""
    return _LOOKS_BARCODE.fullmatch(text) is not None


def read_invoice(left: str, right: str | None = None) -> Invoice:
    """Return the invoice of one or both QR codes, whichever was scanned first.

    Raise LabelError `header_length`, `number`, `date`, `amount` or `two_invoices`.
    """
    one, other = _clean(left), _clean(right or "")
    if one.startswith(RIGHT_MARK) and not other.startswith(RIGHT_MARK):
        one, other = other, one
    if other == one:
        other = ""
    if looks_left(other):
        raise LabelError("two_invoices", "two left codes of different invoices")
    return _invoice(one, other.removeprefix(RIGHT_MARK))


def read_barcode(text: str) -> InvoiceBarcode:
    """Return what the Code 39 of an invoice says; raise LabelError `length`, `period` or `number`."""
    code = text.strip().strip("*").upper()
    if len(code) != BARCODE_CHARS:
        raise LabelError("length", f"{BARCODE_CHARS} characters, not {len(code)}")
    period, number, random_code = code[:5], code[5:15], code[15:]
    if not _DIGITS.fullmatch(period) or not 2 <= int(period[3:]) <= 12 or int(period[3:]) % 2:
        raise LabelError("period", "a period ends in an even month")
    if not _NUMBER.fullmatch(number) or not _DIGITS.fullmatch(random_code):
        raise LabelError("number", "two letters and eight digits, then four digits")
    return InvoiceBarcode(period, number, random_code)


def is_business_number(text: str) -> bool:
    """Say whether this is a business number (統一編號) by the rule of 2023: the weighted digits' sum is divisible by 5."""
    if len(text) != len(_UBN_WEIGHTS) or not _DIGITS.fullmatch(text) or text == NO_BUYER:
        return False
    total = sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(text, _UBN_WEIGHTS, strict=True))
    return total % 5 == 0 or (text[6] == "7" and (total + 1) % 5 == 0)


def _clean(text: str) -> str:
    return text.strip("\ufeff \t\r\n")


def _invoice(left: str, right: str) -> Invoice:
    header = _HEADER.match(left)
    if header is None:
        raise LabelError("header_length", f"the first {HEADER_CHARS} characters are always there, not {len(left)}")
    number = header["number"].upper()
    if not _NUMBER.fullmatch(number) or not _DIGITS.fullmatch(header["random"]):
        raise LabelError("number", "two letters and eight digits, and a random code of four digits")
    if not _HEX.fullmatch(header["sales"] + header["total"]):
        raise LabelError("amount", "amounts are eight hexadecimal digits")
    day = _day(header["date"])
    sales, total = int(header["sales"], 16), int(header["total"], 16)
    body = _BODY.fullmatch(left[HEADER_CHARS:])
    encoding = _ENCODINGS.get(body["encoding"]) if body else None
    items = _items(body["items"] or "", right, encoding) if body else ()
    items_total = int(body["total"] or 0) if body else 0
    return Invoice(
        number=number,
        date=day.isoformat(),
        period=f"{header['date'][:3]}{day.month + day.month % 2:02}",
        random_code=header["random"],
        sales_amount=sales,
        total_amount=total,
        tax_amount=total - sales if sales else None,
        buyer_ubn=header["buyer"] if header["buyer"] != NO_BUYER else None,
        seller_ubn=header["seller"],
        encrypt=header["encrypt"],
        encoding=encoding,
        cross_border=body is not None and body["encoding"] == _CROSS_BORDER,
        seller_area=body["area"].strip("*") if body else "",
        items_in_qr=int(body["here"] or 0) if body else 0,
        items_total=items_total,
        items=items,
        complete=body is not None and len(items) == items_total,
    )


def _day(roc: str) -> date:
    if not _DIGITS.fullmatch(roc):
        raise LabelError("date", "a date has seven digits: year of the Republic, month, day")
    try:
        return date(int(roc[:3]) + ROC_YEAR_0, int(roc[3:5]), int(roc[5:]))
    except ValueError as err:
        raise LabelError("date", "there is no such day") from err


def _items(left: str, right: str, encoding: str | None) -> tuple[InvoiceItem, ...]:
    if encoding == "base64":
        text = _from_base64(left, right)
    else:
        joint = ":" if left and right and not left.endswith(":") else ""
        text = _repaired(left + joint + right, encoding)
    fields = text.removesuffix(":").split(":") if text else []
    threes = zip(fields[0::3], fields[1::3], fields[2::3], strict=False)
    return tuple(_item(*three) for three, _ in zip(threes, range(ITEMS_MAX), strict=False))


def _item(name: str, quantity: str, unit_price: str) -> InvoiceItem:
    numbers = [value.replace(",", "") for value in (quantity, unit_price)]
    count, price = (value if _DECIMAL.fullmatch(value) else None for value in numbers)
    return InvoiceItem(name, count, price, () if count and price else (name, quantity, unit_price))


def _repaired(text: str, encoding: str | None) -> str:
    """Return text that a scanner passed on byte by byte as Latin-1 in its own encoding; any other as it is."""
    if encoding is None or text.isascii():
        return text
    try:
        return text.encode("latin-1").decode(_CODECS[encoding])
    except UnicodeError:
        return text


def _from_base64(left: str, right: str) -> str:
    """Return the text of two codes, encoded once and then cut, or each by itself; "" where it is neither."""
    for parts in ((left + right,), (left, right)):
        with suppress(ValueError):  # binascii's and Unicode's errors are ones
            return b"".join(map(_base64, parts)).decode()
    return ""


def _base64(text: str) -> bytes:
    plain = re.sub(r"\s", "", text).rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
