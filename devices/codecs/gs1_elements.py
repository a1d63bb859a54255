"""GS1 element strings out of a message, a printed (human readable) line, or a Digital Link URI, by way of biip.

Importing biip costs 15 to 19 MiB, so nothing but `devices.codecs.gs1` imports this file, and that only when the first
structured label is scanned. Reasons of the LabelErrors raised here: `unknown_data`, `value_format`, `date`, `charset`,
`check_digit`, `repeated`, `digital_link`. GS1 General Specifications 3 and 7.8, GS1 Digital Link 1.1 (URI syntax).
"""

import re
from collections.abc import Iterable

from biip import ParseConfig, ParseError
from biip.gs1_application_identifiers import GS1ApplicationIdentifier
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_element_strings import GS1ElementString
from biip.gs1_messages import GS1Message

from devices.errors import LabelError

GROUP_SEPARATOR = "\x1d"

_CHARSET = re.compile(r"[!\"#%&'()*+,\-./0-9:;<=>?A-Z_a-z]*")  # set 82, and `#` of set 39: GenSpecs 7.11
_LINKED_GTIN = re.compile(r"/01/(?:\d{8}|\d{12,14})(?:[/?#]|$)", re.ASCII)
_ANY_DATE = ParseConfig(gs1_element_strings_verify_date=False)
_BIIP_ERRORS = (ParseError, ValueError, ArithmeticError)  # biip 5.2 lets int(), urlsplit() and Decimal() errors out


def read_message(text: str) -> dict[str, str]:
    """Return application identifier -> raw value of a scanned GS1 message (FNC1 sent as GS); raise LabelError."""
    if not _CHARSET.fullmatch(text.replace(GROUP_SEPARATOR, "")):
        raise LabelError("charset", "a character is outside GS1's set 82")
    elements = []
    rest = text.strip(GROUP_SEPARATOR)
    while rest:
        element = _extract(rest)
        elements.append(element)
        rest = rest[len(element) :].lstrip(GROUP_SEPARATOR)
    return _values(elements)


def read_printed(text: str) -> dict[str, str]:
    """Return the identifiers and values of the human readable form `(01)05901234123457(10)AB`; raise LabelError."""
    try:
        return _values(GS1Message.parse_hri(text).element_strings)
    except _BIIP_ERRORS as err:
        raise LabelError("value_format", "no (AI)value pairs that GS1 defines") from err


def read_digital_link(uri: str) -> dict[str, str]:
    """Return the identifiers and values of a GS1 Digital Link URI of any domain; raise LabelError."""
    try:
        ais = _values(GS1DigitalLinkURI.parse(uri).element_strings)
    except _BIIP_ERRORS as err:
        raise LabelError("digital_link", "not a GS1 Digital Link URI") from err
    if "01" in ais and not _LINKED_GTIN.search(uri):
        raise LabelError("digital_link", "the GTIN behind /01/ has 8, 12, 13 or 14 digits")
    return ais


def _extract(rest: str) -> GS1ElementString:
    try:
        GS1ApplicationIdentifier.extract(rest)
    except ParseError as err:
        raise LabelError("unknown_data", "no GS1 application identifier where one should be") from err
    try:
        return GS1ElementString.extract(rest)
    except _BIIP_ERRORS as err:
        raise LabelError(_element_reason(rest), "the value does not fit its application identifier") from err


def _element_reason(element: str) -> str:
    """Tell a day that does not exist from a value of the wrong form."""
    try:
        GS1ElementString.extract(element, config=_ANY_DATE)
    except _BIIP_ERRORS:
        return "value_format"
    return "date"


def _values(elements: Iterable[GS1ElementString]) -> dict[str, str]:
    values: dict[str, str] = {}
    for element in elements:
        ai = element.ai.ai
        if element.gtin_error or element.sscc_error or element.gln_error:
            raise LabelError("check_digit", f"wrong check digit in ({ai})")
        if not _CHARSET.fullmatch(element.value):
            raise LabelError("charset", f"a character in ({ai}) is outside GS1's set 82")
        if values.setdefault(ai, element.value) != element.value:  # GenSpecs 4.13: repeats must agree
            raise LabelError("repeated", f"({ai}) stands there twice with different values")
    return values
