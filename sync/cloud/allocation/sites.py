"""The declared places as they stand for one order: what each holds, may be asked for, and what the rules compare. Reads only.

Not here: the rules (sync.cloud.allocation.rules), what is declared (sync.cloud.allocation.settings).
"""

from collections.abc import Collection, Mapping
from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.allocation.availability import held_at
from sync.cloud.allocation.distances import Destination, distance_km
from sync.cloud.allocation.history import Demand, age_of, demand_of, sent_away
from sync.cloud.allocation.locations import place_at
from sync.cloud.allocation.rules import Site
from sync.cloud.allocation.settings import Location, Settings
from sync.cloud.rights.rights import Place, known_of, living_of
from sync.model import Replica
from sync.retail.orders.order_rows import OrderKind
from sync.retail.stock import rights
from sync.retail.stock.rebalance import Policy


class Wanted(Struct, frozen=True, kw_only=True):
    """What an order asks of a place. `tried`: places that had it; `only_store`: where the customer comes to, empty for any."""

    skus: Collection[str]
    kind: OrderKind
    destination: Destination
    only_store: str = ""
    tried: Collection[str] = ()


def sites_for(
    read: Connection, own: Replica, settings: Settings, policies: Mapping[str, Policy], wanted: Wanted, *, now_ms: int
) -> list[Site]:
    """Return every declared place as a candidate."""
    sent = sent_away(read, days=settings.section.days, now_ms=now_ms) if "cover" in settings.section.criteria else None
    load = _load(read)
    return [
        _site(read, own, settings, policies.get(each.store), wanted, each, load.get(each.name, 0), sent, now_ms)
        for each in settings.locations
    ]


def _site(  # noqa: PLR0917 - what is known of a place
    read: Connection,
    own: Replica,
    settings: Settings,
    policy: Policy | None,
    wanted: Wanted,
    location: Location,
    load: int,
    sent: dict[tuple[str, str], int] | None,
    now_ms: int,
) -> Site:
    barred = _barred(read, wanted, location)
    places = {} if barred else {sku: place_at(own, location, sku) for sku in wanted.skus}
    held = {sku: held_at(read, place) for sku, place in places.items()}
    return Site(
        name=location.name,
        held=held,
        asks={sku: _may_give(read, place, policy) for sku, place in places.items() if policy} if places else {},
        priority=location.priority,
        distance_km=distance_km(wanted.destination, location, settings.section.districts),
        age_days={sku: age for sku, place in places.items() if (age := age_of(read, place, now_ms=now_ms)) is not None},
        cover_days=_cover(read, places, settings, sent, now_ms) if sent is not None else {},
        load=load,
        barred=barred,
    )


def _barred(read: Connection, wanted: Wanted, location: Location) -> str:
    """Return why a place is not considered, empty where it is."""
    if not location.is_online:
        return "not_on_line"
    if wanted.only_store and location.store != wanted.only_store:
        return "not_the_store"
    if wanted.kind is OrderKind.CLICK_AND_COLLECT and not location.is_for_collect:
        return "not_for_collect"
    if location.name in wanted.tried:
        return "tried"
    return "no_hub" if location.store and not living_of(read, location.store) else ""


def _may_give(read: Connection, place: Place, policy: Policy) -> int:
    """Return what the hub there may be asked for: its own right less what stays for who walks in."""
    state = known_of(read, place).state
    hubs = living_of(read, place.store)
    return max(0, rights.right_of(state, hubs[0]) - policy.safety_stock) if hubs else 0


def _cover(
    read: Connection, places: Mapping[str, Place], settings: Settings, sent: dict[tuple[str, str], int], now_ms: int
) -> dict[str, int]:
    """Return SKU -> how many days what lies there would last the place itself."""
    found = {}
    for sku, place in places.items():
        demand: Demand = demand_of(read, place, days=settings.section.days, now_ms=now_ms, sent=sent)
        days = demand.lasts_days(rights.on_hand_of(known_of(read, place).state))
        if days is not None:
            found[sku] = days
    return found


def _load(read: Connection) -> dict[str, int]:
    """Return place -> orders that are to be picked there."""
    rows = read.execute(
        """
        SELECT order_parcel.place, count(*) FROM web_order JOIN order_parcel ON order_parcel.parcel_id = web_order.order_id
        WHERE web_order.state IN ('created', 'allocated', 'picking') GROUP BY order_parcel.place
        """
    )
    return dict(rows.fetchall())
