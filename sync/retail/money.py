"""Money: integer minor units of ISO 4217, exact reading and writing, line amounts, cash rounding.

Pure, no floats, no locale, no exchange rates. Hub, till and cloud share these functions so that a line costs the
same everywhere. Minor digits are ISO 4217's (list one); display digits and cash steps are what shops do: Taiwan has
no coin under TWD 1, Hong Kong none under HKD 0.10.
"""

import re
from decimal import Decimal
from functools import lru_cache

from sync.errors import SyncError

DEFAULT_MINOR_DIGITS = 2
MINOR_DIGITS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
DISPLAY_DIGITS = {"TWD": 0}
"""Decimals on paper and screen where they differ from the minor digits."""
CASH_STEP_MINOR = {"HKD": 10, "TWD": 100}
"""The smallest amount that cash can pay, in minor units; currencies not named pay to the minor unit."""
AMOUNT_MINOR_MAX = 10**15
"""Largest magnitude that is read: below 2**53, so JSON readers with floats keep it exact; above it is refused."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"(-?)([0-9]{1,16})(?:\.([0-9]{1,16}))?")


class AmountError(SyncError, ValueError):
    """An amount or currency is refused; nothing changed, the same text will be refused again.

    `reason` is `format`, `decimals`, `negative`, `range` or `currency`.
    """

    code = "amount"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@lru_cache(maxsize=64)  # a receipt asks a dozen times for the same one
def minor_digits(currency: str) -> int:
    """Return how many decimals the currency's minor unit has (HKD 2, TWD 2, JPY 0); AmountError on a malformed code."""
    return MINOR_DIGITS.get(_checked(currency), DEFAULT_MINOR_DIGITS)


@lru_cache(maxsize=64)
def display_digits(currency: str) -> int:
    """Return how many decimals a customer is shown (HKD 2, TWD 0, JPY 0); AmountError on a malformed code."""
    return DISPLAY_DIGITS.get(currency, minor_digits(currency))


def parse_amount(text: str, currency: str, *, negative: bool = False) -> int:
    """Return the minor units of a plain decimal ("10.90" in HKD is 1090); a sign is read only with `negative`.

    Raises AmountError: `format` (anything but ASCII digits and one point: signs +, exponents, NaN, separators),
    `decimals` (more than the currency has), `negative`, `range` (above AMOUNT_MINOR_MAX).
    """
    digits = minor_digits(currency)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise AmountError("format", f"amount {text[:40]!r}: write digits and one point, such as 10.90")
    sign, _, fraction = match.groups()
    if fraction is not None and len(fraction) > digits:
        raise AmountError("decimals", f"amount {text!r}: {currency} has {digits} decimals")
    if sign and not negative:
        raise AmountError("negative", f"amount {text!r}: must not be negative")
    minor = int(Decimal(text).scaleb(digits))
    if abs(minor) > AMOUNT_MINOR_MAX:
        raise AmountError("range", f"amount {text!r}: more than {AMOUNT_MINOR_MAX} minor units")
    return minor


def format_amount(amount_minor: int, currency: str) -> str:
    """Return the decimal text with display digits, no grouping ("35" for TWD 3500); a fraction is never hidden.

    TWD 3550 is "35.50": a rounded display would not be the amount. `parse_amount` reads every result back.
    """
    digits = minor_digits(currency)
    shown = display_digits(currency)
    whole, fraction = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    if fraction:
        shown = digits
    return f"{sign}{whole}.{fraction:0{shown}d}" if shown else f"{sign}{whole}"


def line_amount(unit_price_minor: int, qty: int, per: int = 1) -> int:
    """Return price × qty / per in minor units, halves rounded away from zero.

    For positive quantities that is round-half-up; the rule is symmetric, so a return of the same quantity is exactly
    the negative of the sale. `qty` counts units (`each`) or grams; `per` ≥ 1 is the quantity the price is for.
    """
    if per < 1:
        raise ValueError(f"per {per}: must be at least 1")
    return unit_price_minor * qty if per == 1 else _rounded_ratio(unit_price_minor * qty, per)


def cash_rounding(total_minor: int, currency: str) -> int:
    """Return what to add to the total so that cash can pay it (HKD 10.93 gives -3, 10.95 gives +5), in minor units.

    Nearest step, halves away from zero, so a refund rounds like its sale. Zero for currencies without a step.
    """
    step = CASH_STEP_MINOR.get(_checked(currency), 1)
    return _rounded_ratio(total_minor, step) * step - total_minor


def _checked(currency: str) -> str:
    if _CURRENCY.fullmatch(currency) is None:
        raise AmountError("currency", f"currency {currency[:20]!r}: write three capital letters of ISO 4217, as HKD")
    return currency


def _rounded_ratio(numerator: int, denominator: int) -> int:
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude
