"""What the books must say, worked out from the CSV alone: own reading, own sums (Decimal, SQLite), no code of the product.

Of tests.replay.plan it takes who sold what, and the documents of deliveries as they were written. The rules are those of the
table in tests.replay.script, told a second time in SQL.
"""

import csv
import gzip
import io
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tests.replay.plan import LINES_MAX, SHIFT, Plan

NO_GOODS = ("AMAZONFEE", "B", "BANK CHARGES", "C2", "CRUK", "D", "DOT", "M", "PADS", "POST", "S")
BACK = "'returned', 'no_receipt'"
_TABLE = """
CREATE TABLE line (
  n INTEGER PRIMARY KEY, invoice TEXT, code TEXT, description TEXT, qty INTEGER, price TEXT, pence INTEGER, day TEXT,
  customer TEXT, place TEXT, fate TEXT, left_over INTEGER
);
CREATE INDEX line_found ON line (customer, code, pence, n);
"""
Key = tuple[str, str]


@dataclass
class Expected:
    """By (place, SKU) or (place, day): units, pence."""

    sold: dict[Key, tuple[int, int]] = field(default_factory=dict)
    returned: dict[Key, tuple[int, int]] = field(default_factory=dict)
    on_hand: Counter[Key] = field(default_factory=Counter)
    sold_on: dict[Key, int] = field(default_factory=dict)
    returned_on: dict[Key, int] = field(default_factory=dict)
    sales: dict[str, int] = field(default_factory=dict)
    fates: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    """What became of the rows that take part: how many, and quantity times price."""
    refused: dict[str, int] = field(default_factory=dict)
    """Rows of the whole file that are no goods, by reason."""
    rows: int = 0


def judge(path: Path, plan: Plan, deliveries: Path) -> Expected:
    """Work out what the books of a replay of a file must say."""
    with sqlite3.connect(":memory:") as db:
        db.executescript(_TABLE)
        db.executemany("INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)", _read(path, plan))
        _give_fates(db)
        return _sum_up(db, json.loads(deliveries.read_text()))


def text_of(path: Path) -> str:
    """Return what is in a file, packed or not."""
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")


def _read(path: Path, plan: Plan) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    lines = csv.reader(io.StringIO(text_of(path), newline=""))
    next(lines)  # the names
    for n, (invoice, code, description, qty, at, price, customer, _country) in enumerate(lines, 1):
        place = plan.place_of(invoice, customer) if plan.takes_part(invoice, customer) else None
        day = str((datetime.strptime(at[:10], "%Y-%m-%d") + SHIFT).date())
        pence = Decimal(price) * 100
        whole = int(pence) if pence == int(pence) else None
        rows.append((n, invoice, code.strip(), description.strip(), int(qty), price, whole, day, customer, place))
    return rows


def _give_fates(db: sqlite3.Connection) -> None:
    marks = ", ".join("?" * len(NO_GOODS))
    db.execute(
        f"UPDATE line SET fate = 'not_goods' WHERE upper(code) IN ({marks}) OR upper(code) GLOB 'GIFT_*'", NO_GOODS
    )
    db.execute(
        """
        UPDATE line SET fate = 'no_priced_row' WHERE fate = '' AND code NOT IN (
          SELECT code FROM line WHERE description <> '' AND CAST(price AS REAL) > 0
        )
        """
    )
    db.execute(
        """
        UPDATE line SET fate = CASE WHEN invoice GLOB 'C*' THEN 'no_receipt' WHEN qty > 0 THEN 'sold' ELSE 'damage' END,
          left_over = max(qty, 0) WHERE fate = ''
        """
    )
    back = db.execute(
        "SELECT n, customer, code, pence, -qty FROM line WHERE fate = 'no_receipt' AND place IS NOT NULL ORDER BY n"
    )
    for n, customer, code, pence, qty in back.fetchall():
        sale = db.execute(
            """
            SELECT n FROM line WHERE customer = ? AND customer <> '' AND code = ? AND pence = ? AND n < ?
              AND fate = 'sold' AND left_over >= ? ORDER BY n DESC LIMIT 1
            """,
            (customer, code, pence, n, qty),
        ).fetchone()
        if sale is not None:
            db.execute("UPDATE line SET left_over = left_over - ? WHERE n = ?", (qty, *sale))
            db.execute("UPDATE line SET fate = 'returned' WHERE n = ?", (n,))


def _sum_up(db: sqlite3.Connection, deliveries: list[tuple[str, str, int]]) -> Expected:
    found = Expected(rows=db.execute("SELECT count(*) FROM line WHERE place IS NOT NULL").fetchone()[0])

    def by(column: str, fates: str) -> dict[Key, tuple[int, int]]:
        rows = db.execute(
            f"""
            SELECT place, {column}, sum(abs(qty)), sum(abs(qty) * pence) FROM line
            WHERE fate IN ({fates}) AND place IS NOT NULL GROUP BY place, {column}
            """
        )
        return {(place, key): (units, pence) for place, key, units, pence in rows}

    found.sold, found.returned = by("code", "'sold'"), by("code", BACK)
    found.sold_on = {key: pence for key, (_, pence) in by("day", "'sold'").items()}
    found.returned_on = {key: pence for key, (_, pence) in by("day", BACK).items()}
    for place, sku, qty in deliveries:
        found.on_hand[place, sku] += qty
    for fates, sign in (("'sold', 'damage'", -1), (BACK, 1)):
        for key, (units, _) in by("code", fates).items():
            found.on_hand[key] += sign * units
    found.sales = dict(
        db.execute(
            """
            SELECT place, sum((lines + ? - 1) / ?) FROM (
              SELECT place, count(*) AS lines FROM line WHERE fate = 'sold' AND place IS NOT NULL GROUP BY place, invoice
            ) GROUP BY place
            """,
            (LINES_MAX, LINES_MAX),
        ).fetchall()
    )
    money: dict[str, Decimal] = {}
    count: Counter[str] = Counter()
    for fate, qty, price in db.execute("SELECT fate, qty, price FROM line WHERE place IS NOT NULL"):
        money[fate] = money.get(fate, Decimal(0)) + qty * Decimal(price)
        count[fate] += 1
    found.fates = {fate: (count[fate], money[fate]) for fate in sorted(count)}
    found.refused = dict(
        db.execute(
            "SELECT fate, count(*) FROM line WHERE fate IN ('not_goods', 'no_priced_row') GROUP BY fate"
        ).fetchall()
    )
    return found
