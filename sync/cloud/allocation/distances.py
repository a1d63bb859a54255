"""How far a customer is from a place, as far as anybody knows: by coordinates, by the middle of a district, or as a neighbour.

Pure. Kilometres on a sphere, whole ones: places that are about as far are equally near. Of where a customer lives no more is kept
than a postal district, or a point of about a kilometre (two decimals).
"""

from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from sync.cloud.allocation.settings import District, Latitude, Location, Longitude

EARTH_KM = 6371.0
Postal = Annotated[str, Meta(max_length=10, pattern=r"^[A-Za-z0-9 -]*\Z")]


class Destination(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where an order goes, as little of it as a distance needs."""

    postal: Postal = ""
    lat: Latitude | None = None
    lon: Longitude | None = None

    @property
    def coarse(self) -> "Destination":
        """The same as it may be kept."""
        if self.lat is None or self.lon is None:
            return Destination(self.postal.upper())
        return Destination(self.postal.upper(), round(self.lat, 2), round(self.lon, 2))


def distance_km(to: Destination, location: Location, districts: Mapping[District, tuple[float, float]]) -> int | None:
    """Return the distance, 0 for a district that the place says it is next to; None where nobody knows."""
    if to.postal and location.postal and to.postal.upper().startswith(location.postal):
        return 0
    point = (to.lat, to.lon) if to.lat is not None and to.lon is not None else _middle(to.postal.upper(), districts)
    if point is None or location.point is None:
        return None
    return round(_sphere_km(point, location.point))


def _middle(postal: str, districts: Mapping[District, tuple[float, float]]) -> tuple[float, float] | None:
    known = [district for district in districts if postal.startswith(district)]
    return districts[max(known, key=len)] if known else None


def _sphere_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = (tuple(map(radians, point)) for point in (one, other))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))
