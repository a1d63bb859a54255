"""What a scanned label says: trade item, GS1 data, or just a label (member card, order number, web address).

Plain GTINs, which is nearly every scan, are read here and in gtin.py; structured GS1 data needs biip and is read in
gs1_elements.py, imported when the first such label comes (15 to 19 MiB that most shops never need).

    what comes                                          what the till gets
    8, 12, 13, 14 digits, right check digit             gtin (and measure, if a variable-measure template takes it)
    6 to 8 digits of a scanner set to send UPC-E        gtin of the UPC-A; what is no UPC-E of 8 digits is read as GTIN-8
    the same, wrong check digit                         error check_digit: a misread; scanning again is right
    digits of other lengths                             label: a member card or an order number
    symbology is GS1, or GS inside                      ais and gtin, or an error
    (01)/(00) + right check digit without a symbology   ais and gtin; a plain label if the rest is not GS1
    https://…/01/<gtin>…                                ais and gtin; refused only where GS1 is promised
    another symbology (Code 39, Code 128, plain QR)     label: its digits are nobody's GTIN
"""

import re
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from devices.codecs.gtin import GTIN_LENGTHS, UPC_E_LENGTHS, gtin14, has_check_digit, is_digits, upc_a
from devices.codecs.symbology import Symbology, split_symbology
from devices.codecs.variable_measure import VariableMeasure
from devices.errors import LabelError
from devices.model import Measure, Scan

GROUP_SEPARATOR = "\x1d"

_BLANKS = " \t\r\n"  # not str.strip(): that would also take GS
_URI = re.compile(r"https?://", re.IGNORECASE)
_GS1_RESOLVER = re.compile(r"https?://id\.gs1\.org/", re.IGNORECASE)
_PRINTED = re.compile(r"\([0-9]{2,4}\)")
_NOT_GS1 = re.compile(r"[\x04\x1e]|\[\)>")  # ISO/IEC 15434 envelopes also use GS
_LIKELY_LINK = re.compile(r"/(?:00|01|414)/[0-9]")  # keys with a check digit; an ordinary address does not cost biip
_NET_WEIGHT = re.compile(r"310[0-5]")


def parse_label(
    label: str,
    *,
    variable_measures: Sequence[VariableMeasure] = (),
    sends_upc_e: bool = False,
    gs1_separator: str = GROUP_SEPARATOR,
) -> Scan:
    """Return what `label` says; a label that breaks its own rules comes back with `error` set, never raised.

    `sends_upc_e` and `gs1_separator` say how the scanner is set: UPC-E as printed, another character where GS belongs.
    """
    symbology, text = split_symbology(label.strip(_BLANKS))
    text = text.strip(_BLANKS)
    if symbology.content == "gs1" or (symbology.content == "unknown" and _has_leading_key(text)):
        text = text.replace(gs1_separator, GROUP_SEPARATOR)
    scan = Scan(label=text, symbology=symbology.name)
    if not text.strip(GROUP_SEPARATOR):
        return replace(scan, error="empty")
    if sends_upc_e and symbology.content == "unknown" and is_digits(text) and len(text) in UPC_E_LENGTHS:
        return _upc_e(scan, variable_measures)
    digits = _trade_item_digits(symbology, text)
    if digits is not None:
        return _trade_item(scan, digits, variable_measures)
    return _measured(_other(scan, symbology), variable_measures)


def _other(scan: Scan, symbology: Symbology) -> Scan:
    text = scan.label
    if _URI.match(text):
        return _digital_link(scan, is_promised=symbology.content == "gs1" or _GS1_RESOLVER.match(text) is not None)
    if symbology.content == "gs1":
        return _structured(scan, "message", is_promised=True)
    if GROUP_SEPARATOR in text and not _NOT_GS1.search(text):
        return _structured(scan, "message", is_promised=symbology.content == "unknown")
    if symbology.content == "unknown" and _has_leading_key(text):
        return _structured(scan, "message", is_promised=False)
    if _PRINTED.match(text):
        return _structured(scan, "printed", is_promised=False)
    return scan


def _trade_item_digits(symbology: Symbology, text: str) -> str | None:
    """Return the digits to be read as a GTIN, None where the label is something else."""
    if symbology.name == "EAN-13 with add-on":
        return text[:13]
    if symbology.name == "ITF-14" and len(text) != 14:
        return None
    if symbology.content == "trade_item":
        return text
    if symbology.content == "unknown" and is_digits(text) and len(text) in GTIN_LENGTHS:
        return text
    return None


def _trade_item(scan: Scan, digits: str, variable_measures: Sequence[VariableMeasure]) -> Scan:
    try:
        return _measured(replace(scan, gtin=gtin14(digits)), variable_measures)
    except LabelError as err:
        return replace(scan, error=err.reason)


def _upc_e(scan: Scan, variable_measures: Sequence[VariableMeasure]) -> Scan:
    """Read eight digits that are no UPC-E as the GTIN-8 that they may be."""
    try:
        return replace(scan, gtin=gtin14(upc_a(scan.label)))
    except LabelError as err:
        is_short = len(scan.label) < 8
        return replace(scan, error=err.reason) if is_short else _trade_item(scan, scan.label, variable_measures)


def _measured(scan: Scan, variable_measures: Sequence[VariableMeasure]) -> Scan:
    """Take the measure out of the GTIN where a template says that one is in it; a net weight beside it counts first."""
    if scan.gtin is None or scan.measure is not None:
        return scan
    try:
        found = (reading for each in variable_measures if (reading := each.read(scan.gtin)) is not None)
        gtin, measure = next(found, (scan.gtin, None))
    except LabelError as err:
        return Scan(label=scan.label, symbology=scan.symbology, error=err.reason)
    return replace(scan, gtin=gtin, measure=measure)


def _structured(scan: Scan, form: str, *, is_promised: bool) -> Scan:
    from devices.codecs import gs1_elements  # here: biip's 15 MiB only where a shop has such labels

    read: Callable[[str], dict[str, str]] = {
        "message": gs1_elements.read_message,
        "printed": gs1_elements.read_printed,
        "link": gs1_elements.read_digital_link,
    }[form]
    try:
        ais = read(scan.label)
    except LabelError as err:
        return replace(scan, error=err.reason) if is_promised else scan
    gtin = ais.get("01")
    return replace(scan, ais=ais, gtin=gtin, measure=_net_weight(ais) if gtin else None)


def _digital_link(scan: Scan, *, is_promised: bool) -> Scan:
    if not is_promised and not _LIKELY_LINK.search(scan.label):
        return scan
    return _structured(scan, "link", is_promised=is_promised)


def _has_leading_key(text: str) -> bool:
    """Say whether a label without symbology starts with (01) or (00) and a number whose check digit is right."""
    key = {"01": text[2:16], "00": text[2:20]}.get(text[:2])
    if key is None or len(key) != (14 if text[:2] == "01" else 18):
        return False
    return is_digits(key) and has_check_digit(key)


def _net_weight(ais: dict[str, str]) -> Measure | None:
    """Return AI (310n), net weight in kilograms with n decimals, in grams (half a gram up). GS1 GenSpecs 3.6.2."""
    for ai, value in ais.items():
        if _NET_WEIGHT.fullmatch(ai):
            grams, rest = divmod(int(value) * 1000, 10 ** int(ai[3]))
            return Measure("weight_g", grams + (2 * rest >= 10 ** int(ai[3])))
    return None
