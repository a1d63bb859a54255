"""How the copy on the second medium is, as others are told. Not here: what makes it so (hub.medium.copying)."""

from datetime import datetime

from msgspec import Struct


class MediumView(Struct, frozen=True, omit_defaults=True):
    """How the copy on the second medium is; `upto` is how many of this life's sales are there, `bytes` what it
    takes."""

    to: str
    up: bool
    since: datetime
    upto: int = 0
    bytes: int = 0
    reason: str = ""
    detail: str = ""
    remedy: str = ""
