"""A year of real sales at four shops and a web channel balances to the unit and the penny; each auditor finds a planted fault.

The twin is made up, with the oddities of the set. Where the set is there, `./test` replays some weeks of it as well, at a drawn
seed; STOREHUB_FULL=1 all of it.
"""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.replay.auditors import AUDITORS, audit
from tests.replay.plan import PLACES, Plan
from tests.replay.run import TWIN, Replayed, replay

MATERIAL = Path(os.environ.get("STOREHUB_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))
ONLINE_RETAIL = MATERIAL / "retail/online-retail.csv.gz"
SEED = int(os.environ.get("STOREHUB_SEED", random.SystemRandom().randrange(10**6)))
IS_FULL = bool(os.environ.get("STOREHUB_FULL"))
CUT_WEEKS = 3
Fault = Callable[[Path], None]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Replayed]:
    """The books of a replay of the twin, closed."""
    folder = tmp_path_factory.mktemp("twin")
    return folder, replay(TWIN, Plan(SEED), folder)


def test_the_twin_balances_and_has_seen_everything(twin: tuple[Path, Replayed]) -> None:
    _, ran = twin

    print(ran.said)
    assert ran.findings == []
    assert set(ran.expected.fates) == {"sold", "returned", "no_receipt", "damage", "not_goods", "no_priced_row"}
    assert ran.counts["facts that waited"] > 0
    assert ran.counts["broken while sending"] == len(PLACES)
    assert ran.counts["sent twice"] >= len(PLACES)
    assert ran.counts["stock_below_zero"] > 0
    assert ran.counts["of kind void"] > 0


@pytest.mark.skipif(not ONLINE_RETAIL.exists(), reason="material is absent")
def test_the_set_balances(tmp_path: Path) -> None:
    ran = replay(ONLINE_RETAIL, Plan(SEED), tmp_path, weeks=0 if IS_FULL else CUT_WEEKS)

    print(ran.said)
    assert ran.findings == []
    assert ran.counts["broken while sending"] == len(PLACES)
    if IS_FULL:
        assert ran.expected.rows == 541_909
        assert sum(money for _, money in ran.expected.fates.values()) == Decimal("9747747.934")


def at_shops(sql: str) -> Fault:
    """Change the books of each place that has such rows; some place has."""
    return lambda folder: _execute(sql, *(folder / place / "hub.db" for place in PLACES))


def at_cloud(sql: str) -> Fault:
    return lambda folder: _execute(sql, folder / "cloud.db")


def _execute(sql: str, *files: Path) -> None:
    changed = 0
    for file in files:
        with closing(sqlite3.connect(file)) as db, db:
            changed += db.execute(sql).rowcount
    assert changed > 0, "the fault was not planted"


def told_less(folder: Path) -> None:
    path = folder / "stores.json"
    told = json.loads(path.read_text())
    next(each["sales"]["refunded"] for each in told["items"] if each["sales"]["refunded"])["GBP"] -= 1
    path.write_text(json.dumps(told))


def row_left_out(folder: Path) -> None:
    path = folder / "told.json"
    told = json.loads(path.read_text())
    told["refused"]["not_goods"] -= 1
    path.write_text(json.dumps(told))


FIRST = "(SELECT min(id) FROM {})"
OF_SALES = "stream = (SELECT id FROM feed WHERE stream = '{}')"
FAULTS: list[tuple[str, str, Fault]] = [
    (
        "sold",
        "one piece more on a line",
        at_shops(f"UPDATE sale SET body = json_set(body, '$.sale.lines[0].qty', 77) WHERE id = {FIRST.format('sale')}"),
    ),
    (
        "sold",
        "a penny more on a line",
        at_shops(
            "UPDATE sale SET body = json_set(body, '$.sale.lines[0].unit_price',"
            f" (body ->> '$.sale.lines[0].unit_price') + 1) WHERE id = {FIRST.format('sale')}"
        ),
    ),
    ("sold", "a sale is lost", at_shops(f"DELETE FROM sale WHERE id = {FIRST.format('sale')}")),
    ("returned", "a return is lost", at_shops(f"DELETE FROM sale_return WHERE id = {FIRST.format('sale_return')}")),
    (
        "returned",
        "a penny too much is refunded",
        at_shops(
            "UPDATE sale_return SET body = json_set(body, '$.lines[0].amount', (body ->> '$.lines[0].amount') + 1)"
            f" WHERE id = {FIRST.format('sale_return')}"
        ),
    ),
    ("shelves", "a piece more on a shelf", at_shops("UPDATE stock SET on_hand = on_hand + 1 WHERE sku LIKE '90101%'")),
    (
        "days",
        "a sale on another day",
        at_shops(
            f"UPDATE sale SET body = json_set(body, '$.business_date', '2026-01-01') WHERE id = {FIRST.format('sale')}"
        ),
    ),
    (
        "receipts",
        "a number is left out",
        at_shops("UPDATE sale SET receipt_no = receipt_no || '9' WHERE id = (SELECT max(id) FROM sale)"),
    ),
    (
        "once",
        "a sale stands twice at a shop",
        at_shops(
            "INSERT INTO sale (replica, seq, sale_id, receipt_no, content_hash, body, told)"
            " SELECT replica, seq + 1000000, sale_id || 'x', receipt_no || '1', content_hash, body, told FROM sale LIMIT 1"
        ),
    ),
    (
        "once",
        "a fact came twice to the cloud",
        at_cloud(
            "INSERT INTO fact (stream, n, replica, seq, received_ms, body)"
            f" SELECT stream, n + 1000000, replica, seq, received_ms, body FROM fact WHERE {OF_SALES.format('sales')} LIMIT 1"
        ),
    ),
    (
        "once",
        "another sale under a known id",
        at_cloud(f"INSERT INTO duplicate SELECT * FROM fact_key WHERE {OF_SALES.format('sales')} LIMIT 1"),
    ),
    ("cloud", "a sale never came", at_cloud(f"DELETE FROM fact_key WHERE {OF_SALES.format('sales')} AND n = 1")),
    ("cloud", "a return never came", at_cloud(f"DELETE FROM fact_key WHERE {OF_SALES.format('returns')} AND n = 1")),
    (
        "cloud",
        "a level is behind",
        at_cloud(
            "UPDATE tally SET body = CAST(json_set(CAST(body AS TEXT), '$.issued', 12345) AS BLOB)"
            f" WHERE {OF_SALES.format('levels')} AND n = (SELECT max(n) FROM tally WHERE {OF_SALES.format('levels')})"
        ),
    ),
    ("cloud", "head office is told a penny less", told_less),
    ("rows", "a row without a fate", row_left_out),
]


@pytest.mark.parametrize(("auditor", "what", "plant"), FAULTS, ids=[what for _, what, _ in FAULTS])
def test_a_planted_fault_is_found(
    auditor: str, what: str, plant: Fault, twin: tuple[Path, Replayed], tmp_path: Path
) -> None:
    folder, ran = twin
    books = tmp_path / "books"
    shutil.copytree(folder, books, ignore=shutil.ignore_patterns("*.sock", "*.lock"))

    plant(books)

    assert auditor in {finding.auditor for finding in audit(books, ran.expected)}, what


def test_every_auditor_has_a_planted_fault() -> None:
    assert {auditor for auditor, _, _ in FAULTS} == set(AUDITORS)
