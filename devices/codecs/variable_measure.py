"""Templates for in-store labels that carry a weight, a price or a count: `21IIIIIWWWWWC`.

In Taiwan and Hong Kong each store sets its scale as it likes, so the store declares what its scale prints. Thirteen places (an
EAN-13; a UPC-A has a leading 0), GS1 GenSpecs 2.1.12:

    digits   as they stand; the first is 2, or 02      W   weight in grams
    I        item                                       P   price in minor units of the store's currency
    C        check digit of the label                   N   number of pieces
    V        check digit of the measure (GenSpecs 7.9.2 to 7.9.4): verified; X: such a place used otherwise
    x10, x100 behind it: the scale prints tens, hundreds (kilograms with two or one decimals)

Where a country has one rule for all, its name stands for its templates: `se`; `de-unverified` leaves V unread.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from devices.codecs.gtin import check_digit, measure_check_digit
from devices.errors import LabelError, OptionError
from devices.model import Measure

PLACES = 13
_TEMPLATE = re.compile(r"(?=(?:2|02)\d*I)\d+I+(?P<check>[VX]?)\d*(?P<measure>W+|P+|N+)\d*C(?P<times>x100?)?", re.ASCII)
_KINDS: dict[str, Literal["weight_g", "price_minor", "count"]] = {"W": "weight_g", "P": "price_minor", "N": "count"}
_UNVERIFIED = "-unverified"
_REMEDY = "write 13 places such as '21IIIIIWWWWWC': digits from 2 or 02 on, I item, W grams or P price, C check digit"

# GS1's national rules as biip 5.2 (`biip.rcn`) carries them with their sources; Norway's is what its products show.
_BALTIC = ("23IIIIIIWWWWC", "24IIIIIIWWWWCx10", "25IIIIIIWWWWCx100")
_SCANDINAVIAN = ("20IIIIIIPPPPC", "21IIIIIIPPPPCx10", "22IIIIIIPPPPCx100", *_BALTIC)
REGIONS: dict[str, tuple[str, ...]] = {
    "de": tuple(
        f"{prefix}IIIIV{measure * 5}C"
        for measure, prefixes in (("P", ("22", "23")), ("N", ("25", "26")), ("W", ("28", "29")))
        for prefix in prefixes
    ),
    "dk": (
        *(f"{prefix}IIIIPPPPPPC" for prefix in ("21", "22", "23", "24")),
        *("26IIIIWWWWWWC", "27IIIIIWWWWWC", "28IIIIWWWWWWC"),
    ),
    "gb": ("20IIIIIVPPPPC",),
    "no": _SCANDINAVIAN,
    "se": _SCANDINAVIAN,
    **dict.fromkeys(("ee", "fi", "lt", "lv"), _BALTIC),
}


@dataclass(frozen=True, slots=True)
class VariableMeasure:
    """One checked template: which labels it takes (`pattern` on 13 digits), where the measure stands, and its check digit."""

    template: str
    pattern: re.Pattern[str]
    start: int
    end: int
    check: int | None
    is_verified: bool
    factor: int

    def read(self, gtin: str) -> tuple[str, Measure] | None:
        """Return the item's GTIN-14 and the measure of a GTIN-14 of this form, else None.

        The item's GTIN, which the catalogue holds, is the label with the measure set to zeros and the check digits
        computed anew: 2302148210869 (1.086 kg) is 2302148200006. The label's own check digit is already verified.
        Raise LabelError `measure_check_digit` where the measure's is wrong.
        """
        label = gtin[1:]
        if gtin[0] != "0" or not self.pattern.fullmatch(label):
            return None
        digits = label[self.start : self.end]
        if self.check is not None and self.is_verified and int(label[self.check]) != measure_check_digit(digits):
            raise LabelError("measure_check_digit", "the check digit of the weight or price is wrong")
        zeros = "0" * len(digits)
        body = label[: self.start] + zeros + label[self.end : -1]
        if self.check is not None:
            body = f"{body[: self.check]}{measure_check_digit(zeros)}{body[self.check + 1 :]}"
        return f"0{body}{check_digit(body)}", Measure(_KINDS[self.template[self.start]], int(digits) * self.factor)


def variable_measures(templates: Iterable[str]) -> tuple[VariableMeasure, ...]:
    """Check all templates of a store; raise OptionError for a wrong one and for two that take the same label."""
    measures = tuple(_variable_measure(template) for said in templates for template in _templates_of(said))
    for one, other in combinations(measures, 2):
        if _overlaps(one.template, other.template):
            raise OptionError(
                f"variable_measures: {one.template!r} and {other.template!r} take the same labels; "
                "make their digits differ"
            )
    return measures


def _templates_of(said: str) -> Iterator[str]:
    region = REGIONS.get(said.removesuffix(_UNVERIFIED))
    if region is None:
        yield said
        return
    for template in region:
        yield template.replace("V", "X") if said.endswith(_UNVERIFIED) else template


def _variable_measure(template: str) -> VariableMeasure:
    match = _TEMPLATE.fullmatch(template)
    places, _, times = template.partition("x")
    if match is None or len(places) != PLACES:
        words = [word for region in REGIONS for word in (region, region + _UNVERIFIED)]
        close = difflib.get_close_matches(template, words, n=1)
        near = f"; did you mean {close[0]!r}?" if close else ""
        raise OptionError(
            f"variable_measures: {template!r} is no template; {_REMEDY}; or a country's rule: {', '.join(REGIONS)}{near}"
        )
    start, end = match.span("measure")
    if match["check"] and end - start not in (4, 5):
        raise OptionError(f"variable_measures: {template!r}: a measure of 4 or 5 digits has a check digit of its own")
    return VariableMeasure(
        template=template,
        pattern=re.compile(re.sub("[IWPNCVX]", "[0-9]", places)),
        start=start,
        end=end,
        check=match.start("check") if match["check"] else None,
        is_verified=match["check"] == "V",
        factor=int(times or 1),
    )


def _overlaps(one: str, other: str) -> bool:
    pairs = zip(one[:PLACES], other[:PLACES], strict=True)
    return all(a == b or not (a.isdigit() and b.isdigit()) for a, b in pairs)
