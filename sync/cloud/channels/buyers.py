"""Customers as channels tell of them, whatever the fields hold: what is not of its shape is left out, and no order with it. Pure.

A masked telephone or e-mail (09******12, w***@example.org) is nobody's, as is one that a shop has overwritten (0000-000-000,
deleted@site.invalid). Not here: who that is (sync.cloud.channels.buying).
"""

import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from sync.cloud.channels.reading import ms_of, one_line
from sync.cloud.channels.said import Buyer
from sync.json_errors import NOT_JSON

CONTACT_CHARS_MAX = 200
_NUMBER = re.compile(r"[0-9+()./\s‐-―-]+")  # a letter dials a digit, too: 09xxxxxx12 would be somebody's number
_MASKED = re.compile(r"[*•●○×…]")
_DIGIT = re.compile(r"[1-9]")
_COUNTRY = re.compile(r"[A-Z]{2}")


def loosely(body: bytes) -> Mapping[str, Any]:
    """Return a JSON object as it is, an empty one for what is none. Any: JSON."""
    try:
        said = msgspec.json.decode(body)
    except NOT_JSON:
        return {}
    return part(said)


def part(said: object) -> Mapping[str, Any]:
    """Return an object of JSON; an empty one for anything else. Any: JSON."""
    return said if isinstance(said, dict) else {}


def text(said: object, chars_max: int = CONTACT_CHARS_MAX) -> str:
    """Return a text, or a whole number as one; empty for anything else."""
    if isinstance(said, int) and not isinstance(said, bool):
        return str(said)[:chars_max]
    return one_line(said, chars_max) if isinstance(said, str) else ""


def phone(*said: object) -> str:
    """Return the first telephone number that is not masked; empty where there is none."""
    told = (text(each) for each in said)
    return next((each for each in told if _NUMBER.fullmatch(form := _form(each)) and _DIGIT.search(form)), "")


def email(*said: object) -> str:
    """Return the first e-mail address that is not masked; empty where there is none."""
    told = (text(each) for each in said)
    return next((each for each in told if "@" in each and not _MASKED.search(_form(each)) and not is_nowhere(each)), "")


def is_nowhere(address: object) -> bool:
    """Whether an e-mail address is one that can be nobody's (RFC 2606): what a shop writes over a customer's."""
    return _form(text(address)).casefold().endswith(".invalid")


def country(*said: object) -> str:
    """Return the first code of a country, as TW; empty where there is none."""
    return next((code for each in said if _COUNTRY.fullmatch(code := text(each).upper())), "")


def full_name(given: object, family: object) -> str:
    """Return a name: the family's first where it is Chinese."""
    first, last = text(given), text(family)
    return one_line(f"{first} {last}" if (first + last).isascii() else f"{last}{first}")


def moment_ms(*said: object) -> int:
    """Return milliseconds of the first moment that is one; 0 where there is none."""
    for each in said:
        with suppress(msgspec.ValidationError, OverflowError):
            return ms_of(msgspec.convert(each, datetime))
    return 0


def known(buyer: Buyer) -> Buyer | None:
    """Return a buyer who is known by something; None for a guest who has left nothing."""
    return buyer if buyer.customer_id or buyer.phone or buyer.email else None


def _form(said: str) -> str:
    return unicodedata.normalize("NFKC", said)
