"""Which places fulfil an order, and why: a pure function of what each place holds and of the declared rules.

    1. rights      a place gives what is held there as a right, never more; a barred one gives nothing
    2. parcels     one parcel where any place has all of it; else as few as there can be, `parcels_max` at most
    3. order       of equally many parcels the places that stand first by the criteria, in their declared order, then by name:

    priority   the smaller number                 age     goods that have lain longest
    distance   the nearer, in steps of so many km cover   days that the goods left there would last the place itself
    load       fewer orders that are being picked

What nobody knows of a place (no coordinates, no sales) stands behind what is known. All or nothing: an order that cannot be sent
whole is not sent in part, and the plan says what is missing. Laws (tests): never more than held; the order of the input does not
matter; more goods never make an order unallocatable; no more parcels than allowed.

Not here: what is held (sync.cloud.allocation.sites), the words (sync.cloud.allocation.words), writing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct

from sync.retail.orders.order_rows import OrderLine

Criterion = Literal["priority", "distance", "age", "cover", "load"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
_UNKNOWN = 10**9  # behind all that is known


class Site(Struct, frozen=True, kw_only=True):
    """A place as it stands for one order; by SKU what it holds, how long that has lain, how long it would last there.

    `asks` is what its hub may be asked for beside. `barred`: a reason for which it is not considered, empty where it is.
    """

    name: str
    held: Mapping[str, int] = {}
    asks: Mapping[str, int] = {}
    priority: int = 100
    distance_km: int | None = None
    age_days: Mapping[str, int] = {}
    cover_days: Mapping[str, int] = {}
    load: int = 0
    barred: str = ""


class Rules(Struct, frozen=True, kw_only=True):
    """What is declared. `distance_step_km`: places that are about as far are equally near."""

    criteria: tuple[Criterion, ...] = ("priority", "distance", "load", "age")
    parcels_max: int = 1
    distance_step_km: int = 5


class Parcel(Struct, frozen=True):
    """What one place is to send."""

    site: str
    lines: tuple[OrderLine, ...]


class Reason(Struct, frozen=True):
    """Why, as a code and what is put into its words."""

    code: str
    parts: dict[str, str | int] = {}


class Verdict(Struct, frozen=True):
    """What became of a candidate; `rank` counts from 1, 0 for a barred one."""

    site: str
    is_chosen: bool
    rank: int
    reason: Reason


class Plan(Struct, frozen=True):
    """Parcels, none where it cannot be done; `missing` is SKU -> what all places together lack."""

    parcels: tuple[Parcel, ...]
    verdicts: tuple[Verdict, ...]
    missing: dict[str, int] = {}


def plan(lines: Iterable[OrderLine], sites: Iterable[Site], rules: Rules) -> Plan:
    """Return who sends what, and why."""
    wanted = sorted(lines, key=lambda line: line.line)
    need = _need(wanted)
    everybody = sorted(sites, key=lambda site: site.name)
    ranked = sorted((site for site in everybody if not site.barred), key=lambda site: _rank(site, need, rules))
    chosen = _choose(ranked, need, rules.parcels_max)
    verdicts = [
        Verdict(site.name, site in chosen, n, _reason(site, chosen, need, rules)) for n, site in enumerate(ranked, 1)
    ]
    verdicts += [Verdict(site.name, False, 0, Reason(site.barred)) for site in everybody if site.barred]
    together = {sku: sum(site.held.get(sku, 0) for site in ranked) for sku in need}
    missing = {sku: qty - together[sku] for sku, qty in need.items() if qty > together[sku]}
    return Plan(_share(wanted, chosen), tuple(verdicts), {} if chosen else missing)


def with_asking(sites: Iterable[Site]) -> list[Site]:
    """Return the places as they would be if each had granted what it may be asked for."""
    return [
        Site(
            **{name: getattr(site, name) for name in Site.__struct_fields__ if name != "held"},
            held={sku: site.held.get(sku, 0) + site.asks.get(sku, 0) for sku in {*site.held, *site.asks}},
        )
        for site in sites
    ]


def value_of(site: Site, criterion: Criterion, skus: Iterable[str]) -> int | None:
    """Return what a criterion compares, None where nobody knows it. Of several SKUs the oldest, and the scarcest."""
    match criterion:
        case "priority":
            return site.priority
        case "distance":
            return site.distance_km
        case "age":
            return max((site.age_days[sku] for sku in skus if sku in site.age_days), default=None)
        case "cover":
            return min((site.cover_days[sku] for sku in skus if sku in site.cover_days), default=None)
    return site.load


def _need(lines: Iterable[OrderLine]) -> dict[str, int]:
    need: dict[str, int] = {}
    for line in lines:
        need[line.sku] = need.get(line.sku, 0) + line.qty
    return need


def _rank(site: Site, need: Mapping[str, int], rules: Rules) -> tuple[object, ...]:
    return *(_key(site, criterion, need, rules) for criterion in rules.criteria), site.name


def _key(site: Site, criterion: Criterion, need: Mapping[str, int], rules: Rules) -> int:
    value = value_of(site, criterion, need)
    if value is None:
        return _UNKNOWN
    if criterion == "distance":
        return value // rules.distance_step_km
    return -value if criterion in ("age", "cover") else value


def _choose(ranked: Sequence[Site], need: Mapping[str, int], parcels_max: int) -> list[Site]:
    """Return as few places as can send all of it, the first by rank; none where no so many can."""
    useful = [site for site in ranked if any(site.held.get(sku, 0) > 0 for sku in need)]
    most = _most_behind(useful, need, parcels_max)
    for parcels in range(1, parcels_max + 1):
        found = _search(useful, most, 0, dict(need), parcels)
        if found is not None:
            return found
    return []


def _search(
    sites: Sequence[Site], most: Mapping[str, list[list[int]]], start: int, left: dict[str, int], parcels: int
) -> list[Site] | None:
    """Return the first places from `start` on that have what is left, `parcels` of them at most."""
    if not left:
        return []
    if any(qty > most[sku][parcels][start] for sku, qty in left.items()):
        return None  # not even those with most of it have enough
    for at in range(start, len(sites)):
        rest = {sku: more for sku, qty in left.items() if (more := qty - max(0, sites[at].held.get(sku, 0))) > 0}
        if rest == left:
            continue
        behind = _search(sites, most, at + 1, rest, parcels - 1)
        if behind is not None:
            return [sites[at], *behind]
    return None


def _most_behind(sites: Sequence[Site], skus: Iterable[str], parcels_max: int) -> dict[str, list[list[int]]]:
    """Return SKU -> parcels -> place -> what the so many places that have most of it have, from that place on."""
    most: dict[str, list[list[int]]] = {}
    for sku in skus:
        table = [[0] * (len(sites) + 1) for _ in range(parcels_max + 1)]
        best: list[int] = []
        for at in range(len(sites) - 1, -1, -1):
            best = sorted((*best, max(0, sites[at].held.get(sku, 0))), reverse=True)[:parcels_max]
            for parcels in range(1, parcels_max + 1):
                table[parcels][at] = sum(best[:parcels])
        most[sku] = table
    return most


def _share(lines: Iterable[OrderLine], chosen: Sequence[Site]) -> tuple[Parcel, ...]:
    """Give each chosen place its part, the first as much as it has."""
    left = {site.name: dict(site.held) for site in chosen}
    parts: dict[str, list[OrderLine]] = {site.name: [] for site in chosen}
    for line in lines if chosen else ():
        open_qty = line.qty
        for site in chosen:
            qty = min(open_qty, max(0, left[site.name].get(line.sku, 0)))
            if qty:
                parts[site.name].append(OrderLine(line=line.line, sku=line.sku, qty=qty))
                left[site.name][line.sku] -= qty
                open_qty -= qty
    return tuple(Parcel(site.name, tuple(parts[site.name])) for site in chosen)


def _reason(site: Site, chosen: Sequence[Site], need: Mapping[str, int], rules: Rules) -> Reason:
    if site in chosen:
        return Reason("chosen" if len(chosen) == 1 else "chosen_part", {"parcels": len(chosen)})
    short = [sku for sku, qty in need.items() if site.held.get(sku, 0) < qty]
    if len(short) == len(need) and not any(site.held.get(sku, 0) > 0 for sku in need):
        return Reason("holds_nothing")
    if short and (not chosen or len(chosen) == 1):
        sku = short[0]
        held = max(0, site.held.get(sku, 0))
        return Reason("holds_too_little", {"sku": sku, "held": held, "wanted": need[sku], "others": len(short) - 1})
    return _behind(site, chosen[-1], need, rules)


def _behind(site: Site, other: Site, need: Mapping[str, int], rules: Rules) -> Reason:
    """Say by which criterion a place stands behind a chosen one, or that its part was not needed."""
    for criterion in rules.criteria:
        mine, its = _key(site, criterion, need, rules), _key(other, criterion, need, rules)
        if mine > its:
            known, best = value_of(site, criterion, need), value_of(other, criterion, need)
            return Reason(
                f"behind_{criterion}" if known is not None else "behind_unknown",
                {
                    "criterion": criterion,
                    "value": known if known is not None else "",
                    "other": other.name,
                    "best": best or 0,
                },
            )
        if mine < its:
            return Reason("not_needed", {"other": other.name})
    return Reason("behind_name", {"other": other.name})
