"""A scale that sends a line at a time, by a pattern from the configuration: A&D, CAS, Ohaus, Dibal and many others.

The pattern is a regular expression that has to match the whole line; its groups: `weight` (a number with its sign), and, where
the line has them, `unit` (kg, g, lb, oz) and `state` (a word that the options translate). Source: each scale's own manual.
"""

import re
from collections.abc import Mapping

from devices.codecs.weighing.units import Unit, grams
from devices.errors import WeightError
from devices.model import WeighingState, Weight

AND_PATTERN = r"(?P<state>ST|US|OL),(?:GS|NT|G|N)?,?(?P<weight>[+-]?\s*[0-9.]+)\s*(?P<unit>kg|g|lb|oz)"
AND_STATES: Mapping[str, WeighingState] = {"ST": "stable", "US": "unstable", "OL": "overweight"}
"""What A&D's standard format and the many scales that copied it send: `ST,GS,+  1.234kg`."""


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Return the compiled pattern; raise ValueError with what is wrong with it."""
    try:
        compiled = re.compile(pattern)
    except re.error as err:
        raise ValueError(f"pattern is no regular expression: {err}") from err
    if "weight" not in compiled.groupindex:
        raise ValueError("pattern needs a group for the number: (?P<weight>[0-9.]+)")
    if unknown := sorted(compiled.groupindex.keys() - {"weight", "unit", "state"}):
        raise ValueError(f"pattern has the group {unknown[0]!r}; known: weight, unit, state")
    return compiled


def read_line(line: str, pattern: re.Pattern[str], states: Mapping[str, WeighingState], unit: Unit) -> Weight:
    """Return what a line says; raise WeightError for one that the pattern does not match, or whose state has no meaning."""
    match = pattern.fullmatch(line)
    if match is None:
        raise WeightError("bad_frame", "a line that `pattern` does not match: check it, and the baudrate")
    groups = match.groupdict()
    word = groups.get("state")
    state = "stable" if word is None else states.get(word)
    if state is None:
        raise WeightError("bad_frame", "a state that `states` does not name")
    if state in ("overweight", "not_ready"):
        return Weight(state)
    weight_g = grams(groups["weight"] or "", groups.get("unit") or unit)
    if weight_g < 0 or state == "under_zero":
        return Weight("under_zero")
    if state == "unstable":
        return Weight("unstable")
    return Weight("stable", weight_g) if weight_g else Weight("zero", 0)
