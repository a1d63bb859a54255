"""Weights in grams from what a scale shows. Factors: the international avoirdupois pound of 1959 is 0.45359237 kg."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from devices.errors import WeightError

Unit = Literal["kg", "g", "lb", "oz"]

WEIGHT_MAX_G = 1_000_000  # a thousand kilograms: no counter scale says more, and no line of a sale takes more

_GRAMS: dict[str, Decimal] = {
    "kg": Decimal(1000),
    "g": Decimal(1),
    "lb": Decimal("453.59237"),
    "oz": Decimal("28.349523125"),
}
_NUMBER = re.compile(r"(?P<sign>[+-]?)\s*(?P<value>[0-9]{1,7}(?:\.[0-9]{1,5})?)")


def grams(shown: str, unit: str) -> int:
    """Return whole grams (nearest, halves to even) of a shown number such as ` 1.234` or `- 0.002`; raise WeightError."""
    match = _NUMBER.fullmatch(shown.strip())
    if match is None:
        raise WeightError("bad_number", "the weight is no number: check baudrate, parity and the scale's protocol")
    factor = _GRAMS.get(unit.strip().lower())
    if factor is None:
        raise WeightError("bad_unit", f"the scale weighs in an unknown unit; known: {', '.join(_GRAMS)}")
    weight_g = int((Decimal(match["value"]) * factor).quantize(Decimal(1), ROUND_HALF_EVEN))
    if weight_g > WEIGHT_MAX_G:
        raise WeightError("bad_number", f"more than {WEIGHT_MAX_G // 1000} kg: check `unit`")
    return -weight_g if match["sign"] == "-" else weight_g
