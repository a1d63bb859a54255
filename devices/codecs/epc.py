"""EPC memory of a retail tag: SGTIN-96 gives the GTIN and the serial number; other schemes stay hex.

Source: GS1 EPC Tag Data Standard 2.0, SGTIN-96 (header 0x30) and its partition table.
"""

from msgspec import Struct

from devices.codecs.gtin import check_digit
from devices.errors import LabelError

EPC_DIGITS_MAX = 128  # 512 bits of EPC memory, in hex: no tag of a shop has more

_SGTIN_96 = 0x30
_PREFIX_BITS_AND_DIGITS = ((40, 12), (37, 11), (34, 10), (30, 9), (27, 8), (24, 7), (20, 6))
_COMPANY_AND_ITEM_BITS = 44
_GTIN_BODY_DIGITS = 13
_SERIAL_BITS = 38


class Sgtin(Struct, frozen=True):
    """A trade item and its own number; `gtin` has 14 digits."""

    gtin: str
    serial: str


def read_epc(text: str) -> tuple[str, Sgtin | None]:
    """Return EPC memory as upper-case hex, and what an SGTIN-96 names; raise LabelError for what is no EPC."""
    digits = text.replace(" ", "").upper()
    if (
        not digits
        or len(digits) % 4
        or len(digits) > EPC_DIGITS_MAX
        or any(c not in "0123456789ABCDEF" for c in digits)
    ):
        raise LabelError(
            "bad_epc", "a tag is read as whole 16-bit words in hex: check the reader's format and `pattern`"
        )
    return digits, _sgtin(int(digits, 16)) if len(digits) == 24 and digits.startswith(f"{_SGTIN_96:02X}") else None


def _sgtin(memory: int) -> Sgtin | None:
    """Return the trade item of 96 bits; None where the partition or a number in it is out of the standard's range."""
    partition = memory >> 82 & 0b111
    if partition >= len(_PREFIX_BITS_AND_DIGITS):
        return None
    prefix_bits, prefix_digits = _PREFIX_BITS_AND_DIGITS[partition]
    item_bits, item_digits = _COMPANY_AND_ITEM_BITS - prefix_bits, _GTIN_BODY_DIGITS - prefix_digits
    company_and_item = memory >> _SERIAL_BITS & (1 << _COMPANY_AND_ITEM_BITS) - 1
    prefix = f"{company_and_item >> item_bits:0{prefix_digits}}"
    item = f"{company_and_item & (1 << item_bits) - 1:0{item_digits}}"
    if len(prefix) != prefix_digits or len(item) != item_digits:
        return None
    body = item[0] + prefix + item[1:]
    return Sgtin(f"{body}{check_digit(body)}", str(memory & (1 << _SERIAL_BITS) - 1))
