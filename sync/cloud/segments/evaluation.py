"""Who a filter finds: each condition is one statement over all persons, and sets of persons are combined. Reads only.

The answer follows from the rows and `now_ms` alone: the same rows in whatever order they came give the same persons.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec import Struct

from sync.cloud.persons.people import all_words
from sync.cloud.persons.tags import persons_with
from sync.cloud.segments.filters import Consent, Filter, Purchases, Range
from sync.json_errors import NOT_JSON
from sync.retail.catalogue.registers import ProductRow

_OF = "COALESCE(person_member.person_id, purchase.member_id)"
_PERSON = "LEFT JOIN person_member ON person_member.member_id = purchase.member_id"


class Scene(Struct, frozen=True):
    """What an evaluation looks at beside the rows: the moment, and the city of each store."""

    now_ms: int
    cities: Mapping[str, str] = {}


def evaluate(read: Connection, wanted: Filter, scene: Scene) -> list[str]:
    """Return the persons that a filter finds, by their ids in order."""
    return sorted(_found(read, wanted, scene, everybody(read)))


def everybody(read: Connection) -> frozenset[str]:
    """Return all persons that are known and not erased."""
    rows = read.execute("SELECT DISTINCT person_id FROM person_member WHERE is_known = 1")
    return frozenset(person for (person,) in rows)


def _found(read: Connection, wanted: Filter, scene: Scene, all_of: frozenset[str]) -> frozenset[str]:
    if wanted.all is not None:
        found = all_of
        for part in wanted.all:
            found &= _found(read, part, scene, all_of)
        return found
    if wanted.any is not None:
        return frozenset().union(*(_found(read, part, scene, all_of) for part in wanted.any))
    if wanted.not_ is not None:
        return all_of - _found(read, wanted.not_, scene, all_of)
    return all_of & frozenset(_LEAVES[_said(wanted)](read, getattr(wanted, _said(wanted)), scene, all_of))


def _said(wanted: Filter) -> str:
    return next(name for name in _LEAVES if getattr(wanted, name) is not None)


def _by_purchases(read: Connection, wanted: Purchases, scene: Scene, all_of: frozenset[str]) -> set[str]:
    """Purchases that fit, counted and summed by person; who has none has 0 of both."""
    clauses, values = _where(read, wanted, scene)
    if wanted.skus is None and wanted.categories is None:
        table, kept, is_kept = "purchase", "purchase.amount - purchase.refunded", "purchase.is_kept = 1"
    else:
        table = """
            (SELECT channel, purchase_id, SUM(amount - back_amount) AS kept FROM purchase_line
             WHERE qty > back_qty AND sku IN (SELECT value FROM json_each(?)) GROUP BY channel, purchase_id) AS goods
            JOIN purchase ON purchase.channel = goods.channel AND purchase.purchase_id = goods.purchase_id
        """
        kept, is_kept = "goods.kept", "1 = 1"
        values = [json.dumps(sorted(_skus(read, wanted))), *values]
    rows = read.execute(
        f"""
        SELECT {_OF}, COUNT(*), SUM({kept}) FROM {table} {_PERSON}
        WHERE purchase.member_id <> '' AND {is_kept} {clauses} GROUP BY {_OF}
        """,
        values,
    )
    sums = {person: (int(count), int(amount)) for person, count, amount in rows}
    amounts = wanted.amount or Range(min=-(2**53))
    return {
        person
        for person in (all_of if wanted.count.has(0) else sums.keys())
        if wanted.count.has(sums.get(person, (0, 0))[0]) and amounts.has(sums.get(person, (0, 0))[1])
    }


def _where(read: Connection, wanted: Purchases, scene: Scene) -> tuple[str, list[Any]]:
    """Return what is asked of a purchase as further conditions, and their values. Any: SQL values."""
    clauses: list[str] = []
    values: list[Any] = []

    def ask(clause: str, *parameters: Any) -> None:
        clauses.append(f"AND {clause}")
        values.extend(parameters)

    if wanted.where is not None:
        ask("purchase.in_shop = ?", int(wanted.where == "store"))
    if wanted.channels is not None:
        ask("purchase.channel IN (SELECT value FROM json_each(?))", _list(wanted.channels))
    if wanted.stores is not None:
        ask("purchase.store IN (SELECT value FROM json_each(?))", _list(wanted.stores))
    if wanted.cities is not None:
        cities = {city.casefold() for city in wanted.cities}
        stores = [store for store, city in scene.cities.items() if city.casefold() in cities]
        sent_to = [city for city in _cities(read) if city.casefold() in cities]
        ask(
            "(purchase.store IN (SELECT value FROM json_each(?)) OR purchase.city IN (SELECT value FROM json_each(?)))",
            *(_list(stores), _list(sent_to)),
        )
    if wanted.currency is not None:
        ask("purchase.currency = ?", wanted.currency)
    if wanted.since is not None:
        ask("purchase.bought_ms >= ?", _ms(datetime.combine(wanted.since, time(), UTC)))
    if wanted.until is not None:
        ask("purchase.bought_ms < ?", _ms(datetime.combine(wanted.until, time(), UTC) + timedelta(days=1)))
    if wanted.within_days is not None:
        ask("purchase.bought_ms >= ?", scene.now_ms - wanted.within_days * 86_400_000)
    return " ".join(clauses), values


def _cities(read: Connection) -> list[str]:
    return [city for (city,) in read.execute("SELECT DISTINCT city FROM purchase WHERE city <> '' ORDER BY city")]


def _skus(read: Connection, wanted: Purchases) -> set[str]:
    """Return the SKUs that are asked for, those of categories as the catalogue stands."""
    if wanted.categories is None:
        return set(wanted.skus or ())
    found = set()
    for sku, body in read.execute("SELECT sku, body FROM register WHERE kind = 'product' ORDER BY sku"):
        try:
            product = _product(body)
        except NOT_JSON:
            continue
        if product.category in wanted.categories and (wanted.skus is None or sku in wanted.skus):
            found.add(sku)
    return found


def _by_points(read: Connection, wanted: Range, _scene: Scene, all_of: frozenset[str]) -> set[str]:
    rows = read.execute(
        """
        SELECT COALESCE(person_member.person_id, member_points.member_id), SUM(member_points.points) FROM member_points
        LEFT JOIN person_member ON person_member.member_id = member_points.member_id
        GROUP BY COALESCE(person_member.person_id, member_points.member_id)
        """
    )
    sums = {person: int(points) for person, points in rows}
    return {person for person in all_of if wanted.has(sums.get(person, 0))}


def _by_tier(read: Connection, wanted: tuple[str, ...], _scene: Scene, _all: frozenset[str]) -> set[str]:
    rows = read.execute(
        "SELECT person_id FROM person_member WHERE tier IN (SELECT value FROM json_each(?))", (_list(wanted),)
    )
    return {person for (person,) in rows}


def _by_consent(read: Connection, wanted: Consent, _scene: Scene, all_of: frozenset[str]) -> set[str]:
    words = all_words(read, wanted.purpose)
    return {person for person in all_of if words.get(person, "unknown") == wanted.word}


def _by_tags(read: Connection, wanted: tuple[str, ...], _scene: Scene, _all: frozenset[str]) -> set[str]:
    return persons_with(read, wanted)


def _by_month(read: Connection, wanted: tuple[int, ...], _scene: Scene, _all: frozenset[str]) -> set[str]:
    rows = read.execute("SELECT person_id, birth_month FROM person_member WHERE birth_month > 0")
    return {person for person, month in rows if month in wanted}


_LEAVES: dict[str, Callable[[Connection, Any, Scene, frozenset[str]], set[str]]] = {
    "purchases": _by_purchases,
    "points": _by_points,
    "tier": _by_tier,
    "consent": _by_consent,
    "tags": _by_tags,
    "birth_month": _by_month,
}
_product = msgspec.json.Decoder(ProductRow).decode


def _list(names: Any) -> str:
    """Return names as the text that json_each reads. Any: an iterable of str."""
    return json.dumps(sorted(names))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
