"""Check digits, and the four lengths of a GTIN written as one: GTIN-14. Used by catalogue import and by scans.

No symbology, no application identifier, no store rule here. GS1 General Specifications 3.3 (zero-padding) and 7.9
(check digit). UPC-E is not expanded: scanners send it as UPC-A (GS1 General Specifications 5.2.2.5), and eight digits
are always read as GTIN-8.
"""

from devices.errors import LabelError

GTIN_LENGTHS = (8, 12, 13, 14)


def check_digit(body: str) -> int:
    """Return the modulo-10 digit that goes behind `body` (ASCII digits, any length). GS1 GenSpecs 7.9."""
    assert is_digits(body), "check_digit takes ASCII digits"
    codes = body.encode()
    weighted = 3 * sum(codes[-1::-2]) + sum(codes[-2::-2])
    zeros = ord("0") * (3 * ((len(codes) + 1) // 2) + len(codes) // 2)
    return (zeros - weighted) % 10


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
