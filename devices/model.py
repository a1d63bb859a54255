"""What devices say: data events, status updates. Words are UnifiedPOS's; units come last in a name."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

Category = Literal["Scanner", "POSPrinter", "CashDrawer", "LineDisplay", "Scale", "PeopleCounter", "Beacon"]


class Health(StrEnum):
    """How a device is: `ready` works; `degraded` is attached but cannot do its job now; `offline` is not attached."""

    READY = "ready"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class Scan(Struct, frozen=True, omit_defaults=True):
    """One DataEvent of a Scanner: the label as scanned, and what GS1 says of it.

    `gtin` has 14 digits; `ais` maps GS1 application identifiers to raw values; `measure` is set for a
    variable-measure label; `error` says why the label was refused (then gtin, ais and measure are empty).
    """

    label: str
    symbology: str | None = None
    gtin: str | None = None
    ais: dict[str, str] | None = None
    measure: "Measure | None" = None
    error: str | None = None


class Measure(Struct, frozen=True):
    """The variable part of a label: weight in grams or price in minor units of the store's currency."""

    kind: Literal["weight_g", "price_minor"]
    value: int


class StatusUpdate(Struct, frozen=True):
    """A device's health with a stable reason word (`paper_out`, `cover_open`, `not_attached`, ...)."""

    health: Health
    reason: str = ""
    detail: str = ""
