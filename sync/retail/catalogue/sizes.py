"""The order in which sizes are shown: S before M before L, 22-24 before 25-27; X repeated or counted (XXL is 2XL) goes further.

Not here: which sizes there are (hub.store.catalogue.styles).
"""

import re
from collections.abc import Sequence

FREE_SIZE = frozenset({"F", "FREE", "ONE SIZE", "均碼"})
_LETTERS = re.compile(r"(?:(\d{1,2})X|(X*))([SML])")
_NUMBERS = re.compile(r"(\d{1,4}(?:\.\d)?)(?: ?[-~/] ?\d{1,4}(?:\.\d)?)?[^\d]{0,8}")


def in_order_of_size(values: Sequence[str]) -> list[str]:
    """Return sizes from small to large; values of which one is no size stay as they are."""
    ranks = [_rank(value.strip().upper()) for value in values]
    if any(rank is None for rank in ranks):
        return list(values)
    return [value for _, value in sorted(zip(ranks, values, strict=True), key=lambda each: each[0] or (0, 0.0))]


def _rank(size: str) -> tuple[int, float] | None:
    """Return where a size stands: letters before numbers before one size for all."""
    if size in FREE_SIZE:
        return 2, 0.0
    if letters := _LETTERS.fullmatch(size):
        counted, repeated, letter = letters.groups()
        extra = int(counted) if counted else len(repeated)
        if letter == "M":
            return (0, 0.0) if extra == 0 else None
        return 0, float(1 + extra if letter == "L" else -1 - extra)
    numbers = _NUMBERS.fullmatch(size)
    return (1, float(numbers[1])) if numbers else None
