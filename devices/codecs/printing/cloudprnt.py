"""The words of Star CloudPRNT: what a printer says when it polls, and what it is answered.

Source: Star CloudPRNT Protocol Guide 2.4 (polling POST, job GET, confirmation DELETE, printer status codes). Pure; the order
of the calls is devices.drivers.star_cloudprnt's.
"""

from collections.abc import Sequence
from typing import Literal
from urllib.parse import unquote

import msgspec
from msgspec import Struct

STATUS_LENGTH_MAX = 200  # of a printer's own words, kept in health

Outcome = Literal["printed", "failed", "unknown"]

_TROUBLES = {"410": "paper_out", "411": "paper_jam", "420": "cover_open"}
_PAPER_LOW = ("210", "211")


class CloudPrntError(ValueError):
    """A poll that is none: nothing is known of the printer by it."""


class Poll(Struct, frozen=True, rename="camel"):
    """What a printer says of itself; what else it says is left out."""

    status_code: str = ""
    printing_in_progress: bool = False
    job_token: str | None = None


class JobOffer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer to a poll. `media_types` in the order that the hub prefers."""

    job_ready: bool
    media_types: Sequence[str] = ()
    job_token: str = ""


class CloudStatus(Struct, frozen=True):
    """What a status code says: `trouble` keeps the printer from printing (a reason word of health), else it is empty."""

    trouble: str = ""
    paper_near_end: bool = False
    words: str = ""


def decode_poll(body: bytes) -> Poll:
    """Return what a printer polls with; raise CloudPrntError for what is no poll."""
    try:
        return msgspec.json.decode(body, type=Poll)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise CloudPrntError(str(err)) from err


def encode_offer(offer: JobOffer) -> bytes:
    """Return the answer to a poll; `jobReady` is always in it."""
    return msgspec.json.encode(offer)


def decode_status(status_code: str) -> CloudStatus:
    """Return what a code such as "200%20OK" or "410 Paper out" says; codes nobody knows count by their first digit."""
    words = unquote(status_code, errors="replace").strip()[:STATUS_LENGTH_MAX]
    code = words[:3]
    if not code or code.startswith(("2", "OK")):
        return CloudStatus(paper_near_end=code in _PAPER_LOW, words=words)
    family = {"41": "paper_out", "42": "cover_open"}.get(code[:2], "printer_error")
    return CloudStatus(trouble=_TROUBLES.get(code, family), words=words)


def decode_outcome(status_code: str) -> tuple[Outcome, str]:
    """Return how a job ended, and the reason word, by the `code` of its DELETE.

    51x: the printer could not read it; 52x: it never got it. Anything else in between may have printed some of it.
    """
    status = decode_status(status_code)
    if not status.trouble:
        return "printed", ""
    if status.words.startswith(("51", "52")):
        return "failed", "job_refused"
    return "unknown", status.trouble
