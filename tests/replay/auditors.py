"""The books of a replay as they lie on disk, held against what they must say. Plain SQL over closed files, no product.

sold       each place's sales by SKU, in units and pence
returned   each place's returns, voids and returns without a receipt by SKU, in units and pence
shelves    on hand by place and SKU = received - sold + returned - written off
days       takings and refunds by place and trading day
receipts   numbers of a till run from 1 without a gap, one a sale
once       nothing twice: ids at the shops, keys and dots at the cloud
cloud      the cloud's sales, returns, levels and totals are the sum of the shops'
rows       each row of the file has one fate, the same in the importer's report and by the judge's reading
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.replay.judge import Expected
from tests.replay.plan import PLACES

EXAMPLES_MAX = 5
_SOLD = """
SELECT line.value ->> 'sku', sum(line.value ->> 'qty'),
  sum((line.value ->> 'qty') * (line.value ->> 'unit_price') - coalesce(line.value ->> 'discount', 0))
FROM {facts}, json_each({facts}.body, '$.sale.lines') AS line GROUP BY 1
"""
_RETURNED = """
SELECT line.value ->> 'sku', sum(line.value ->> 'qty'), sum(line.value ->> 'amount')
FROM {facts}, json_each({facts}.body, '$.lines') AS line GROUP BY 1
"""
_CLOUDS = """
WITH held AS (
  SELECT CAST(fact.body AS TEXT) AS body FROM fact JOIN feed ON feed.id = fact.stream JOIN replica ON replica.id = fact.replica
  WHERE feed.stream = '{stream}' AND replica.store = ? AND fact.n IN (SELECT n FROM fact_key WHERE stream = feed.id)
)
"""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be."""

    auditor: str
    detail: str


def audit(folder: Path, expected: Expected) -> list[Finding]:
    """Hold the books in a folder against what they must say."""
    return [Finding(name, detail) for name, look in AUDITORS.items() for detail in look(folder, expected)]


def sold(folder: Path, expected: Expected) -> Iterator[str]:
    """Sales by SKU."""
    yield from _differ(expected.sold, _by_sku(folder, _SOLD.format(facts="sale")))


def returned(folder: Path, expected: Expected) -> Iterator[str]:
    """Returns by SKU."""
    yield from _differ(expected.returned, _by_sku(folder, _RETURNED.format(facts="sale_return")))


def shelves(folder: Path, expected: Expected) -> Iterator[str]:
    """Stock on hand; a shelf of 0 may have no row."""
    found = {
        (place, sku): on_hand
        for place in PLACES
        for sku, on_hand in _ask(folder / place / "hub.db", "SELECT sku, sum(on_hand) FROM stock GROUP BY sku")
    }
    yield from _differ({**dict.fromkeys(found, 0), **expected.on_hand}, {**dict.fromkeys(expected.on_hand, 0), **found})


def days(folder: Path, expected: Expected) -> Iterator[str]:
    """Takings and refunds by trading day."""
    for table, amount, wanted in (
        ("sale", "$.sale.total", expected.sold_on),
        ("sale_return", "$.refund", expected.returned_on),
    ):
        sql = f"SELECT body ->> '$.business_date', sum(body ->> '{amount}') FROM {table} GROUP BY 1"
        found = {(place, day): pence for place in PLACES for day, pence in _ask(folder / place / "hub.db", sql)}
        yield from _differ(wanted, found)


def receipts(folder: Path, expected: Expected) -> Iterator[str]:
    """Receipt numbers."""
    for place in PLACES:
        numbers: dict[str, list[int]] = {}
        for (receipt_no,) in _ask(folder / place / "hub.db", "SELECT receipt_no FROM sale"):
            series, _, n = receipt_no.rpartition("-")
            numbers.setdefault(series, []).append(int(n) if n.isdecimal() else 0)
        for series, taken in numbers.items():
            if sorted(taken) != list(range(1, len(taken) + 1)):
                yield f"{place} {series}: {len(taken)} receipts, {min(taken)} to {max(taken)}"
        count = sum(map(len, numbers.values()))
        if count != expected.sales.get(place, 0):
            yield f"{place}: {count} receipts, {expected.sales.get(place, 0)} sales"


def once(folder: Path, expected: Expected) -> Iterator[str]:
    """Nothing twice, at the shops and at the cloud."""
    ids: Counter[str] = Counter()
    for place in PLACES:
        for table, path in (("sale", "$.sale.sale_id"), ("sale_return", "$.return.return_id")):
            ids.update(each for (each,) in _ask(folder / place / "hub.db", f"SELECT body ->> '{path}' FROM {table}"))
    yield from (f"{each} is in the shops' books {n} times" for each, n in ids.items() if n > 1)
    for what, sql in (
        ("keys that came twice", "SELECT key, count(*) FROM duplicate GROUP BY key"),
        (
            "dots that are held twice",
            """
            SELECT stream || ' ' || replica || ' ' || seq, count(*) FROM fact
            WHERE stream IN (SELECT id FROM feed WHERE kind = 'log') GROUP BY 1 HAVING count(*) > 1
            """,
        ),
        (
            "sales that are held twice",
            """
            SELECT CAST(body AS TEXT) ->> '$.sale.sale_id', count(*) FROM fact
            WHERE stream = (SELECT id FROM feed WHERE stream = 'sales') GROUP BY 1 HAVING count(*) > 1
            """,
        ),
    ):
        if found := _ask(folder / "cloud.db", sql):
            yield f"cloud: {what}: {found[:EXAMPLES_MAX]}"


def cloud(folder: Path, expected: Expected) -> Iterator[str]:
    """What the cloud has is the sum of what the shops have, fact by fact, level by level, total by total."""
    file = folder / "cloud.db"
    told = {item["store"]: item for item in json.loads((folder / "stores.json").read_text())["items"]}
    for stream, sums, wanted in (("sales", _SOLD, expected.sold), ("returns", _RETURNED, expected.returned)):
        sql = _CLOUDS.format(stream=stream) + sums.format(facts="held")
        found = {(place, sku): (units, pence) for place in PLACES for sku, units, pence in _ask(file, sql, place)}
        yield from _differ(wanted, found)
    levels = """
    SELECT CAST(body AS TEXT) ->> 'sku', sum((CAST(body AS TEXT) ->> 'received') - (CAST(body AS TEXT) ->> 'issued'))
    FROM tally JOIN replica ON replica.id = tally.replica
    WHERE stream = (SELECT id FROM feed WHERE stream = 'levels') AND replica.store = ? GROUP BY 1
    """
    lie = {(place, sku): n for place in PLACES for sku, n in _ask(file, levels, place)}
    yield from _differ({**dict.fromkeys(lie, 0), **expected.on_hand}, {**dict.fromkeys(expected.on_hand, 0), **lie})
    for place in PLACES:
        wanted_sums = (
            expected.sales.get(place, 0),
            sum(pence for (at, _), (_, pence) in expected.sold.items() if at == place),
            sum(pence for (at, _), (_, pence) in expected.returned.items() if at == place),
        )
        sales = told[place]["sales"]
        found_sums = (sales["count"], sales["total"].get("GBP", 0), sales["refunded"].get("GBP", 0))
        if found_sums != wanted_sums:
            yield f"{place}: head office is told {found_sums} (sales, total, refunded), the set says {wanted_sums}"


def rows(folder: Path, expected: Expected) -> Iterator[str]:
    """Every row has one fate."""
    told = json.loads((folder / "told.json").read_text())
    yield from _differ(expected.refused, told["refused"])
    wanted = {fate: expected.fates.get(fate, (0, 0))[0] for fate in ("sold", "returned", "no_receipt", "damage")}
    yield from _differ(wanted, {fate: told["counts"].get(f"rows {fate}", 0) for fate in wanted})
    if (total := sum(n for n, _ in expected.fates.values())) != expected.rows:
        yield f"{total} rows have a fate, {expected.rows} take part"


Auditor = Callable[[Path, Expected], Iterator[str]]
AUDITORS: dict[str, Auditor] = {
    each.__name__: each for each in (sold, returned, shelves, days, receipts, once, cloud, rows)
}


def _by_sku(folder: Path, sql: str) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (place, sku): (units, pence) for place in PLACES for sku, units, pence in _ask(folder / place / "hub.db", sql)
    }


def _ask(file: Path, sql: str, *values: str) -> list[Any]:
    """Ask a file. Any: rows."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return db.execute(sql, values).fetchall()


def _differ(wanted: Any, found: Any) -> Iterator[str]:
    """Yield examples of keys at which two maps differ, and how many there are. Any: maps of one kind."""
    keys = sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key))
    yield from (f"{key}: {found.get(key)} in the books, {wanted.get(key)} by the set" for key in keys[:EXAMPLES_MAX])
    if len(keys) > EXAMPLES_MAX:
        yield f"and {len(keys) - EXAMPLES_MAX} more"
