"""Check digits, and the four lengths of a GTIN written as one: GTIN-14. Used by catalogue import and by scans.

No symbology, no application identifier, no store rule here. GS1 General Specifications 3.3 (zero-padding) and 7.9
(check digits, of a number and of a price or weight within it). Scanners send UPC-E as UPC-A (5.2.2.5); eight digits are read as
GTIN-8 unless a scanner is known to send UPC-E as it is printed (`upc_a`).
"""

from devices.errors import LabelError

GTIN_LENGTHS = (8, 12, 13, 14)
UPC_E_LENGTHS = (6, 7, 8)  # the six digits; with the number system; with the check digit

# Weighted products of a digit by place, GenSpecs 7.9.1: what a digit counts where the factor is 2-, 3, 5+, 5-.
_TWO_MINUS = (0, 2, 4, 6, 8, 9, 1, 3, 5, 7)
_THREE = (0, 3, 6, 9, 2, 5, 8, 1, 4, 7)
_FIVE_PLUS = (0, 5, 1, 6, 2, 7, 3, 8, 4, 9)
_FIVE_MINUS = (0, 5, 9, 4, 8, 3, 7, 2, 6, 1)
_FOUR_DIGITS = (_TWO_MINUS, _TWO_MINUS, _THREE, _FIVE_MINUS)
_FIVE_DIGITS = (_FIVE_PLUS, _TWO_MINUS, _FIVE_MINUS, _FIVE_PLUS, _TWO_MINUS)


def check_digit(body: str) -> int:
    """Return the modulo-10 digit that goes behind `body` (ASCII digits, any length). GS1 GenSpecs 7.9."""
    assert is_digits(body), "check_digit takes ASCII digits"
    codes = body.encode()
    weighted = 3 * sum(codes[-1::-2]) + sum(codes[-2::-2])
    zeros = ord("0") * (3 * ((len(codes) + 1) // 2) + len(codes) // 2)
    return (zeros - weighted) % 10


def measure_check_digit(digits: str) -> int:
    """Return the check digit that stands before a price or weight of four or five digits. GS1 GenSpecs 7.9.2 to 7.9.4."""
    places = {4: _FOUR_DIGITS, 5: _FIVE_DIGITS}[len(digits)]
    total = sum(place[int(digit)] for place, digit in zip(places, digits, strict=True))
    return total * 3 % 10 if len(digits) == 4 else _FIVE_MINUS.index(-total % 10)


def upc_a(text: str) -> str:
    """Return the UPC-A that a UPC-E of 6, 7 or 8 digits stands for. GS1 GenSpecs 5.2.2.

    Raise LabelError `upce_number_system` (neither 0 nor 1) or `check_digit`.
    """
    assert is_digits(text) and len(text) in UPC_E_LENGTHS, "upc_a takes 6, 7 or 8 ASCII digits"
    system, six, given = ("0", text, "") if len(text) == 6 else (text[0], text[1:7], text[7:])
    if system not in "01":
        raise LabelError("upce_number_system", f"a UPC-E begins with 0 or 1, not {system}")
    match six[5]:
        case "0" | "1" | "2":
            body = f"{system}{six[:2]}{six[5]}0000{six[2:5]}"
        case "3":
            body = f"{system}{six[:3]}00000{six[3:5]}"
        case "4":
            body = f"{system}{six[:4]}00000{six[4]}"
        case last:
            body = f"{system}{six[:5]}0000{last}"
    last_digit = str(check_digit(body))
    if given not in ("", last_digit):
        raise LabelError("check_digit", f"the check digit should be {last_digit}, not {given}")
    return body + last_digit


def gtin14(text: str) -> str:
    """Return the GTIN-14 of EAN-8/12/13/14 digits; raise LabelError `not_numeric`, `length` or `check_digit`."""
    if not is_digits(text):
        raise LabelError("not_numeric", "a GTIN has digits only")
    if len(text) not in GTIN_LENGTHS:
        raise LabelError("length", f"a GTIN has 8, 12, 13 or 14 digits, not {len(text)}")
    if not has_check_digit(text):
        raise LabelError("check_digit", f"the check digit should be {check_digit(text[:-1])}, not {text[-1]}")
    return text.zfill(14)


def has_check_digit(digits: str) -> bool:
    """Say whether the last of these ASCII digits is the check digit of the others."""
    return int(digits[-1]) == check_digit(digits[:-1])


def is_digits(text: str) -> bool:
    """Say whether `text` is one or more of 0-9 (str.isdigit alone also takes superscripts and other scripts)."""
    return text.isascii() and text.isdigit()
