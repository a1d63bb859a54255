"""Dwell: how long somebody or something stayed in a zone of the shop. Facts, each an interval that a hub's radio saw.

Who it was stands in none of them: a visitor is a hash whose key the hub forgets each day (hub.attached.pseudonyms), so that what
one did in a day can be put together there and then, and nobody can be known again, here or at the cloud. Things (trolleys)
keep the names of their beacons. Not here: radio and zones (devices.zones), figures (hub.insights.dwells). Source: the design, 5.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from sync.kinds import Column, Entity, Keep, Kind, Priority, Shape


class DwellRow(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An interval. `visitor` or `thing` is set. `goes_on`: the stay was longer, its next piece begins where this one ends."""

    v: int = 1
    dwell_id: Annotated[str, Meta(min_length=1, max_length=40)]
    zone: str
    visitor: str = ""
    thing: str = ""
    begun: datetime
    ended: datetime
    goes_on: bool = False


DWELL = Entity(
    name="dwell",
    stream="dwells",
    kind=Kind.FACT,
    table="dwell",
    row=DwellRow,
    doc="How long a visitor, known for the day only, or a thing stayed in a zone; long stays are told in pieces.",
    key=(Column("dwell_id", path="dwell_id"),),
    columns=(
        Column("zone", path="zone"),
        Column("begun_ms", "INTEGER", path="begun", shape=Shape.UTC_MS),
        Column("ended_ms", "INTEGER", path="ended", shape=Shape.UTC_MS, is_indexed=True),
    ),
    dated="ended",
    keep=Keep(days=90, is_telemetry=True),  # a season, to compare weeks; hours of years ago are asked of the cloud
    priority=Priority.TELEMETRY,
)
