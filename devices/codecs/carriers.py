"""Where an electronic invoice goes: the phone's bar code, the citizen's certificate, a charity. Forms: there are no check digits.

Ministry of Finance, carriers of the e-invoice platform: 3J0002 is eight characters in Code 39, CQ0001 is sixteen, a donation code
(愛心碼) is three to seven digits. Start and stop characters (`*`), which some scanners send, are taken off.
"""

import re
from typing import Final, Literal

from msgspec import Struct

MOBILE_BARCODE: Final = "3J0002"
CERTIFICATE: Final = "CQ0001"

_MOBILE = re.compile(r"/[0-9A-Z.+-]{7}")
_CERTIFICATE = re.compile(r"[A-Z]{2}[0-9]{14}")
_DONATION = re.compile(r"[0-9]{3,7}")


class Carrier(Struct, frozen=True):
    """A carrier as an invoice names it: its type and the customer's id in it."""

    type: Literal["3J0002", "CQ0001"]
    id: str


def read_carrier(label: str) -> Carrier | None:
    """Return the carrier that a label is, None where it is none. Small letters, as of Caps Lock, are read as capitals."""
    code = label.strip("*").upper()
    if _MOBILE.fullmatch(code):
        return Carrier(MOBILE_BARCODE, code)
    return Carrier(CERTIFICATE, code) if _CERTIFICATE.fullmatch(code) else None


def read_donation_code(label: str) -> str | None:
    """Return the donation code that a label may be: many other labels have so few digits, so ask what else it is first."""
    code = label.strip("*")
    return code if _DONATION.fullmatch(code) else None
