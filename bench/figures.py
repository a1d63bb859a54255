"""Figures: percentiles, medians of rounds, targets and the table that shows them. Pure; no clock, no I/O.

Keys end in their unit. A round is a dict of figures with the same keys; rounds are folded by the median of each key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Figures = dict[str, float]


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of sorted values lie, as the reference loops count it."""
    if not sorted_values:
        raise ValueError("no values were measured")
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)]


def p50_p99_ms(took_s: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and 99th percentile of unsorted durations in seconds, as milliseconds."""
    ordered = sorted(took_s)
    return percentile(ordered, 0.5) * 1e3, percentile(ordered, 0.99) * 1e3


def median_of_rounds(rounds: Sequence[Figures]) -> Figures:
    """Return the median of every key; all rounds have the same keys."""
    return {key: median(each[key] for each in rounds) for key in rounds[0]}


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must reach: `figure` against `limit`, both in the unit the name ends in."""

    name: str
    figure: float
    limit: float
    sense: Literal["at_least", "at_most"]

    @property
    def is_met(self) -> bool:
        """Whether the figure reaches the target."""
        return self.figure >= self.limit if self.sense == "at_least" else self.figure <= self.limit


def target_lines(targets: Sequence[Target]) -> list[str]:
    """Return one line a target: name, figure, limit, verdict."""
    return [
        f"  {target.name:<36} {rounded(target.figure):>10}   {'≥' if target.sense == 'at_least' else '≤'} "
        f"{rounded(target.limit):<10} {'met' if target.is_met else 'MISSED'}"
        for target in targets
    ]


def table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> list[str]:
    """Return a table with right-aligned columns; each row is a name and its values."""
    lines = [f"  {'':<28}" + "".join(f"{column:>12}" for column in columns)]
    lines += [f"  {name:<28}" + "".join(f"{rounded(value):>12}" for value in values) for name, values in rows]
    return lines


def rounded(value: float) -> str:
    """Return a value with three significant digits at least, thousands grouped."""
    for limit, digits in ((1000, 0), (100, 1), (10, 2)):
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"


def rounded_tree(value: object, digits: int = 4) -> object:
    """Return JSON values with floats rounded to `digits` decimals."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {key: rounded_tree(each, digits) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded_tree(each, digits) for each in value]
    return value


Say = Callable[[str], None]
