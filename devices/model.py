"""What devices say: data events, status updates. Words are UnifiedPOS's; units come last in a name."""

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

Category = Literal[
    "Scanner",
    "POSPrinter",
    "LabelPrinter",
    "CashDrawer",
    "LineDisplay",
    "Scale",
    "PeopleCounter",
    "Beacon",
    "RFIDScanner",
    "WifiProbe",
    "Announcer",
]

Carrier = Literal["visitor", "thing"]


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


WeighingState = Literal["stable", "unstable", "zero", "overweight", "under_zero", "not_ready"]


class Weight(Struct, frozen=True, omit_defaults=True):
    """What a Scale shows, in UnifiedPOS's states. `weight_g` (whole grams, from 0) is set when it is `stable` or `zero`."""

    state: WeighingState
    weight_g: int | None = None


class DrawerStatus(Struct, frozen=True):
    """A CashDrawer was opened, or closed."""

    is_open: bool


class TagRead(Struct, frozen=True, omit_defaults=True):
    """A tag that an RFIDScanner has read. `epc` is its memory in hex; of an SGTIN-96 also the `gtin` (14 digits) and serial."""

    epc: str
    gtin: str | None = None
    serial: str | None = None
    antenna: str | None = None
    rssi_dbm: int | None = None


class Measure(Struct, frozen=True):
    """The variable part of a label: weight in grams, price in minor units of the store's currency, or number of pieces."""

    kind: Literal["weight_g", "price_minor", "count"]
    value: int


class CounterReading(Struct, frozen=True):
    """What a people counter said once: running totals, or what came since its last message, with the message's id.

    `sensor` is the device's name on its wire, `entrance` where it hangs. Either the totals are set or the deltas. `at_ms` is
    the sensor's own clock and `boot` names its life since it was switched on; both may be missing or wrong. `redelivered`
    (MQTT: DUP) says that the wire may have brought it before, under the same `packet_id`; `retained`, that it is the last
    known state and no news. Totals with `wraps_at` go on from 0 there.
    `is_in_order`: the wire brings nothing late, so totals that fall began again.
    """

    sensor: str
    entrance: str
    at_ms: int | None = None
    boot: str | None = None
    in_total: int | None = None
    out_total: int | None = None
    in_delta: int | None = None
    out_delta: int | None = None
    delta_id: str | None = None
    packet_id: int = 0
    redelivered: bool = False
    retained: bool = False
    wraps_at: int | None = None
    is_in_order: bool = False

    def again(self) -> "CounterReading":
        """The same, handed in once more: it may have been recorded already."""
        return replace(self, redelivered=True, is_in_order=False)


class ZoneChange(Struct, frozen=True):
    """A beacon left a zone, entered one, or both. Of a visitor nobody may see `beacon` who cannot hash it."""

    beacon: str
    carrier: Carrier
    left: str | None = None
    entered: str | None = None


class Dwell(Struct, frozen=True):
    """A beacon was in a zone for `lasted_ms`, until `ended_ago_ms` ago. `goes_on`: the next piece begins where this one ends.

    `dwell_id` is the same when it is handed in again. Of a visitor nobody may see `beacon` who cannot hash it.
    """

    dwell_id: str
    zone: str
    beacon: str
    carrier: Carrier
    lasted_ms: int
    ended_ago_ms: int
    goes_on: bool = False


class Addresses(frozenset[bytes]):
    """Radio addresses, six bytes each. They are somebody's: shown as a number, and kept by nobody."""

    def __repr__(self) -> str:
        return f"<{len(self)} addresses>"


class ProbeReport(Struct, frozen=True):
    """Whom a Wi-Fi probe heard since its last report; none is a report, too. `at_ms` is the probe's own clock."""

    place: str
    addresses: Addresses
    at_ms: int | None = None


Event: TypeAlias = Scan | Weight | TagRead | DrawerStatus | ZoneChange
"""What `ctx.emit` takes: data events, handed on at once and not durable."""
Reading: TypeAlias = CounterReading | Dwell | ProbeReport
"""What `ctx.record` takes: durable before it returns."""


class StatusUpdate(Struct, frozen=True):
    """A device's health with a stable reason word (`paper_out`, `cover_open`, `not_attached`, ...)."""

    health: Health
    reason: str = ""
    detail: str = ""
