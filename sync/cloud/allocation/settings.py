"""[allocation], [allocation.districts] and [locations.NAME] of the cloud's file: who may fulfil orders, and by which rules.

[allocation]            with this section an order is allocated as it comes in; without it only where somebody asks for it
[allocation.districts]  the middle of a postal district: "100" = [25.04, 121.51]; the longest that a code begins with counts
[locations.NAME]        a shop, a counter of a department store, or a warehouse. With `store` its hub keeps the goods; without,
                        figures come by POST /cloud/v1/locations/NAME/stock and this cloud keeps them

A store that shares rights and that no section names is a location under its own name. Not here: what follows (the other files of
this room).
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sync.cloud.allocation.rules import Criterion, Rules
from sync.errors import ConfigError

MS_OF_HOUR, MS_OF_MINUTE = 3_600_000, 60_000
LocationId = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*\Z")]
LocationKind = Literal["store", "counter", "warehouse"]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
District = Annotated[str, Meta(min_length=1, max_length=10, pattern=r"^[A-Z0-9 -]+\Z")]


class AllocationSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[allocation]; 0 for a time: never."""

    criteria: tuple[Criterion, ...] = ("priority", "distance", "load", "age")
    split: bool = False
    parcels_max: Annotated[int, Meta(ge=1, le=4)] = 2
    distance_step_km: Annotated[int, Meta(ge=1, le=1000)] = 5
    ask: bool = True
    ask_within_min: Annotated[int, Meta(ge=1, le=1440)] = 10
    pick_within_h: Annotated[int, Meta(ge=0, le=720)] = 24
    tries_max: Annotated[int, Meta(ge=1, le=20)] = 3
    days: Annotated[int, Meta(ge=1, le=90)] = 28
    cover_days: Annotated[int, Meta(ge=1, le=365)] = 14
    districts: dict[District, tuple[Latitude, Longitude]] = {}


class LocationSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[locations.NAME]; `postal`: districts that it is next to, by how they begin."""

    kind: LocationKind = "store"
    store: Annotated[str, Meta(max_length=40)] = ""
    location: Annotated[str, Meta(max_length=40)] = "shop"
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    lat: Latitude | None = None
    lon: Longitude | None = None
    postal: tuple[District, ...] = ()
    safety_stock: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    online: bool = True
    collect: bool | None = None


class Location(Struct, frozen=True, kw_only=True):
    """A place as it is passed on. `store` is empty where no hub is: this cloud keeps the goods, at a location of this name."""

    name: str
    kind: LocationKind = "store"
    store: str = ""
    location: str = "shop"
    priority: int = 100
    point: tuple[float, float] | None = None
    postal: tuple[str, ...] = ()
    safety_stock: int = 0
    is_online: bool = True
    is_for_collect: bool = True


class Settings(Struct, frozen=True, kw_only=True):
    """All of it, checked. `is_automatic`: orders are allocated as they come in."""

    section: AllocationSection = AllocationSection()
    is_automatic: bool = False
    locations: tuple[Location, ...] = ()

    @property
    def rules(self) -> Rules:
        """The same for the rules."""
        said = self.section
        return Rules(
            criteria=said.criteria,
            parcels_max=said.parcels_max if said.split else 1,
            distance_step_km=said.distance_step_km,
        )


def settings_of(
    section: AllocationSection | None, locations: dict[str, LocationSection], *, stores: list[str], sharing: list[str]
) -> Settings:
    """Return the settings; raise ConfigError for a place that cannot be. `sharing`: stores that share rights."""
    found = [_location(name, said, stores) for name, said in sorted(locations.items())]
    named = {each.store for each in found}
    found += [Location(name=store, store=store) for store in sorted(sharing) if store not in named]
    by_place: dict[tuple[str, str], str] = {}
    for each in found:
        other = by_place.setdefault((each.store, each.location), each.name)
        if other != each.name:
            raise ConfigError(f"locations.{each.name} is the same place as {other}; give it another location, or none")
    if len({each.name for each in found}) < len(found):
        raise ConfigError("a location has the name of a store that is another place: rename it, or write its store")
    return Settings(
        section=section or AllocationSection(),
        is_automatic=section is not None,
        locations=tuple(sorted(found, key=_name)),
    )


def _name(location: Location) -> str:
    return location.name


def _location(name: str, said: LocationSection, stores: list[str]) -> Location:
    if said.store and said.store not in stores:
        raise ConfigError(f"locations.{name}: no store {said.store!r}; known: {', '.join(stores)}")
    if (said.lat is None) != (said.lon is None):
        raise ConfigError(f"locations.{name}: write lat and lon, or neither")
    return Location(
        name=name,
        kind=said.kind,
        store=said.store,
        location=said.location if said.store else name,
        priority=said.priority,
        point=(said.lat, said.lon) if said.lat is not None and said.lon is not None else None,
        postal=said.postal,
        safety_stock=said.safety_stock,
        is_online=said.online,
        is_for_collect=said.collect if said.collect is not None else bool(said.store) and said.kind != "warehouse",
    )
