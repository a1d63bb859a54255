"""Templates for in-store labels that carry a weight or a price: `21IIIIIWWWWWC`.

The national rules biip knows end in Europe; in Taiwan and Hong Kong each store sets its scale as it likes, so the
store declares what its scale prints. Thirteen places (an EAN-13; a UPC-A has a leading 0): literal digits, `I` item,
`W` weight in grams, `P` price in minor units of the store's currency, `C` check digit. GS1 GenSpecs 2.1.12.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from devices.codecs.gtin import check_digit
from devices.errors import OptionError
from devices.model import Measure

_TEMPLATE = re.compile(r"(?=(?:2|02)\d*I)\d+I+\d*(?P<measure>W+|P+)\d*C")
_REMEDY = "write 13 places such as '21IIIIIWWWWWC': digits from 2 or 02 on, I item, W grams or P price, C check digit"


@dataclass(frozen=True, slots=True)
class VariableMeasure:
    """One checked template: which labels it takes (`pattern` on 13 digits) and where the measure stands."""

    template: str
    pattern: re.Pattern[str]
    start: int
    end: int

    def read(self, gtin: str) -> tuple[str, Measure] | None:
        """Return the item's GTIN-14 and the measure of a GTIN-14 of this form, else None.

        The item's GTIN, which the catalogue holds, is the label with the measure set to zeros and the check digit
        computed anew: 2302148210869 (1.086 kg) is 2302148200006. The label's own check digit is already verified.
        """
        label = gtin[1:]
        if gtin[0] != "0" or not self.pattern.fullmatch(label):
            return None
        body = label[: self.start] + "0" * (self.end - self.start) + label[self.end : -1]
        value = int(label[self.start : self.end])
        measure = Measure("weight_g" if "W" in self.template else "price_minor", value)
        return f"0{body}{check_digit(body)}", measure


def variable_measures(templates: Iterable[str]) -> tuple[VariableMeasure, ...]:
    """Check all templates of a store; raise OptionError for a wrong one and for two that take the same label."""
    measures = tuple(_variable_measure(template) for template in templates)
    for one, other in combinations(measures, 2):
        if _overlaps(one.template, other.template):
            raise OptionError(
                f"variable_measures: {one.template!r} and {other.template!r} take the same labels; "
                "make their digits differ"
            )
    return measures


def _variable_measure(template: str) -> VariableMeasure:
    match = _TEMPLATE.fullmatch(template)
    if match is None or len(template) != 13 or not template.isascii():
        raise OptionError(f"variable_measures: {template!r} is no template; {_REMEDY}")
    pattern = re.compile(re.sub("[IWPC]", "[0-9]", template))
    return VariableMeasure(template, pattern, match.start("measure"), match.end("measure"))


def _overlaps(one: str, other: str) -> bool:
    return all(a == b or not (a.isdigit() and b.isdigit()) for a, b in zip(one, other, strict=True))
