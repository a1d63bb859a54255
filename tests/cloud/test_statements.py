"""Write jobs of many rows: how often the database is asked, and that a job sees what it has written.

A server answers each statement over a line, and what is being sold waits for the writer meanwhile.
"""

import json
import sqlite3
from contextlib import closing
from typing import Any

from sync.cloud.catalogue import Entry, hand_over, import_entries
from sync.cloud.persons.purchases import STORE, Purchase, enter, enter_all, enter_backs, enter_return
from sync.migrate import migrate
from sync.model import Replica
from sync.retail.catalogue.catalogue import Price, Product
from sync.retail.names import Name
from sync.store.replicas import identify, replica_id

ASKED_MAX = 20  # statements of a job, of however many rows


class Counting(sqlite3.Connection):
    """SQLite, and how many statements it was asked; those of many rows of values count once."""

    asked = 0

    def execute(self, *said: Any) -> sqlite3.Cursor:
        self.asked += 1
        return super().execute(*said)

    def executemany(self, *said: Any) -> sqlite3.Cursor:
        self.asked += 1
        return super().executemany(*said)


def opened() -> tuple[Counting, Replica]:
    tx = sqlite3.connect(":memory:", isolation_level=None, factory=Counting)
    migrate(tx, "sync.cloud.migrations")
    return tx, identify(tx, "cloud", incarnation="a" * 16, now_ms=1)


def entry(sku: str, *gtins: str) -> Entry:
    return Entry(Product(sku=sku, name=Name(en=sku), gtins=list(gtins)), Price(1000, "HKD"))


def test_rows_are_handed_over_and_imported_in_as_many_statements_as_a_few(rows_of: Any) -> None:
    product, price = rows_of
    told = [
        json.dumps(row(f"S{n}", *more)).encode() for n in range(300) for row, more in ((product, ()), (price, (9,)))
    ]
    tx, own = opened()
    with closing(tx):
        origin = replica_id(tx, "hk01:bbbbbbbbbbbbbbbb", now_ms=1)
        before = tx.asked
        over = hand_over(tx, own, origin, list(enumerate(told, 1)), now_ms=2)
        handing, before = tx.asked - before, tx.asked
        put = import_entries(tx, own, [entry(f"T{n}", f"{n:014}") for n in range(500)], now_ms=3)

        assert (over.adopted, put.created) == (600, 500)
        assert (handing <= ASKED_MAX, tx.asked - before <= ASKED_MAX) == (True, True)


def test_sales_to_members_are_entered_in_as_many_statements_as_a_few() -> None:
    said = {"channel": STORE, "member_id": "m1", "currency": "HKD", "bought_ms": 1}
    bought = [Purchase(**said, purchase_id=f"s{n}", lines=((1, "TEA", 1, n), (1, "TEA", 9, 9))) for n in range(300)]
    tx, _ = opened()
    with closing(tx):
        enter_return(tx, STORE, "s7", "r1", [(1, 1, 7)])
        enter(tx, bought[5])
        before = tx.asked
        new = enter_all(tx, STORE, [*bought, Purchase(**said, purchase_id="s9", lines=())])

        assert (new, tx.asked - before <= ASKED_MAX) == (299, True)
        kept = tx.execute("SELECT count(*), sum(amount), sum(refunded), sum(is_kept) FROM purchase").fetchall()
        assert kept == [(300, sum(range(300)) + 300 * 9, 7, 299)]
        assert tx.execute("SELECT count(*), sum(amount), sum(back_qty) FROM purchase_line").fetchall() == [
            (300, sum(range(300)), 1)
        ]


def test_returns_of_a_backlog_are_entered_in_as_many_statements_as_a_few() -> None:
    said = {"channel": STORE, "member_id": "m1", "currency": "HKD", "bought_ms": 1}
    bought = [
        Purchase(**said, purchase_id=f"s{n:03}", lines=((1, "TEA", 2, 200), (2, "RICE", 1, 50))) for n in range(300)
    ]
    whole = [(f"s{n:03}", ("r1", *line)) for n in range(100) for line in ((1, 2, 200), (2, 1, 50))]
    part = [(f"s{n:03}", ("r2", 1, 1, 100)) for n in range(100, 200)]
    tx, _ = opened()
    with closing(tx):
        enter_all(tx, STORE, bought[:250])
        before = tx.asked
        new = enter_backs(
            tx, STORE, [*whole, *part, *part[:5], ("s299", ("r3", 2, 1, 50)), ("unknown", ("r4", 1, 1, 1))]
        )
        asked, again = tx.asked - before, enter_backs(tx, STORE, whole)
        enter_all(tx, STORE, bought)  # the last was given back before it was known here

        assert (new, again, asked <= ASKED_MAX) == (True, False, True)
        refunded = dict.fromkeys(range(100), (250, 0)) | dict.fromkeys(range(100, 200), (100, 1)) | {299: (50, 1)}
        assert tx.execute("SELECT purchase_id, refunded, is_kept FROM purchase ORDER BY purchase_id").fetchall() == [
            (f"s{n:03}", *refunded.get(n, (0, 1))) for n in range(300)
        ]
        lines = "SELECT line, sum(back_qty), sum(back_amount) FROM purchase_line GROUP BY line ORDER BY line"
        assert tx.execute(lines).fetchall() == [(1, 300, 30_000), (2, 101, 5_050)]


def test_a_gtin_goes_from_one_product_to_another_within_one_request() -> None:
    first, second = "04890000000010", "04890000000027"
    tx, own = opened()
    with closing(tx):
        import_entries(tx, own, [entry("A", first), entry("B", second)], now_ms=2)
        put = import_entries(tx, own, [entry("A"), entry("B", first), entry("A", second), entry("C", first)], now_ms=3)

        assert put.gtins_taken == ((first, "C", "B"),)
        assert tx.execute("SELECT gtin, sku FROM gtin ORDER BY gtin").fetchall() == [(first, "B"), (second, "A")]
        versions = tx.execute("SELECT sku, n FROM register WHERE kind = 'product' ORDER BY seq").fetchall()
        assert versions == [("B", 2), ("A", 3), ("C", 1)]


def test_a_handed_over_row_meets_the_one_before_it_in_the_same_batch(rows_of: Any) -> None:
    product, _ = rows_of
    told = [product("A", 1, gtins=("04890000000010",)), product("B", 1, gtins=("04890000000010",)), product("A", 2)]
    tx, own = opened()
    with closing(tx):
        origin = replica_id(tx, "hk01:bbbbbbbbbbbbbbbb", now_ms=1)
        rows = [(seq, json.dumps(row).encode()) for seq, row in enumerate(told, 1)]
        over = hand_over(tx, own, origin, rows, now_ms=2)

        assert (over.adopted, over.gtins_dropped) == (2, (("04890000000010", "B", "A"),))
        assert tx.execute("SELECT sku, n, seq FROM register ORDER BY seq").fetchall() == [("B", 1, 2), ("A", 2, 3)]
        assert tx.execute("SELECT gtin, sku FROM gtin").fetchall() == []
