"""What an independent reader finds in a hub's database: plain sqlite3, json and hashlib, no code of the store's."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any


@dataclass
class Verdict:
    """What an independent reader finds in a copy of the database file."""

    integrity: str
    sales: list[tuple[int, int, str, str, str, str]]  # replica, seq, sale_id, receipt_no, body, told
    replicas: dict[int, str]
    returns: list[tuple[int, int, str, str, str]]  # replica, seq, return_id, body, told
    movements: list[tuple[int, int, str, str]]  # replica, seq, movement_id, body
    results: list[tuple[int, int, str]]  # replica, seq, body
    streams: list[tuple[int, str, int, bytes]]
    stock: dict[str, int]
    jobs: list[tuple[str, str | None, str, int]]  # job_id, sale_id, state, attempts
    members: list[tuple[str, int]]  # member_id, how many identities it has
    entered: dict[str, int]  # by entrance

    @property
    def answers(self) -> dict[str, Any]:
        """Sale by sale, what its till was told; a sale that is there twice is told as a list."""
        told: dict[str, Any] = {}
        for replica, seq, sale_id, receipt_no, body, beside in self.sales:
            fact = json.loads(body)
            said = ("receipt_no", "committed_at", "business_date", "warnings")
            one = {"sale_id": fact["sale"]["sale_id"]} | {key: fact[key] for key in said if key in fact}
            one |= {"dot": {"rep": self.replicas[replica], "stream": "sales", "seq": seq}} | json.loads(beside)
            agrees = (one["sale_id"], one["receipt_no"]) == (sale_id, receipt_no)
            told[sale_id] = one if agrees and sale_id not in told else [told.get(sale_id), one]
        return told

    @property
    def return_answers(self) -> dict[str, Any]:
        """Return by return, what its till was told; a return that is there twice is told as a list."""
        told: dict[str, Any] = {}
        for replica, seq, return_id, body, beside in self.returns:
            fact = json.loads(body)
            said = ("refund", "currency", "lines", "committed_at", "business_date", "warnings")
            one = {key: fact["return"][key] for key in ("return_id", "sale_id")}
            one |= {key: fact[key] for key in said if key in fact}
            one |= {"dot": {"rep": self.replicas[replica], "stream": "returns", "seq": seq}} | json.loads(beside)
            told[return_id] = one if return_id not in told else [told[return_id], one]
        return told

    @property
    def documents(self) -> dict[str, Any]:
        """Document by document of stock, the dot that whoever sent it was told."""
        return {
            movement_id: {"rep": self.replicas[replica], "stream": "stock", "seq": seq}
            for replica, seq, movement_id, _ in self.movements
        }

    @property
    def doubled(self) -> int:
        """How many sales, returns, documents of stock and members stand there more than once."""
        members = [name for name, _ in self.members]
        pairs = (
            (self.sales, self.answers),
            (self.returns, self.return_answers),
            (self.movements, self.documents),
            (members, set(members)),
        )
        return sum(len(rows) - len(ones) for rows, ones in pairs)

    @property
    def prints(self) -> set[str]:
        """The sales whose receipt is in the print ledger."""
        return {sale_id for _, sale_id, _, _ in self.jobs if sale_id is not None}

    def results_that_differ(self) -> list[str]:
        """Return the jobs whose last result is not how the ledger says that they ended, or whose results repeat an attempt."""
        ends: dict[str, list[tuple[str, int]]] = {}
        for _, _, body in sorted(self.results):
            result = json.loads(body)
            ends.setdefault(result["job_id"], []).append((result["state"], result["attempts"]))
        wrong = set(ends) - {job_id for job_id, *_ in self.jobs}
        for job_id, _, state, attempts in self.jobs:
            known = ends.get(job_id, [])
            tried = [attempt for _, attempt in known]
            is_over = state in ("printed", "failed", "unknown")
            agrees = known[-1:] == [(state, attempts)] if is_over else all(end != "printed" for end, _ in known)
            if not agrees or tried != sorted(set(tried)):
                wrong.add(job_id)
        return sorted(wrong)

    def gaps(self) -> list[str]:
        """Return the (till, series) whose numbers are not 1, 2, 3, ..."""
        numbers: dict[str, list[int]] = {}
        for sale in self.sales:
            series, _, n = sale[3].rpartition("-")
            numbers.setdefault(series, []).append(int(n))
        return [series for series, given in numbers.items() if sorted(given) != list(range(1, len(given) + 1))]

    def streams_that_differ(self) -> list[str]:
        """Return the log streams whose seqs are not dense, or whose stored digest is not that of the bodies."""
        bodies = {
            "sales": [(replica, seq, body) for replica, seq, _, _, body, _ in self.sales],
            "returns": [(replica, seq, body) for replica, seq, _, body, _ in self.returns],
            "stock": [(replica, seq, body) for replica, seq, _, body in self.movements],
            "prints": self.results,
        }
        wrong = []
        for replica, name, last, digest in self.streams:
            rows = sorted((seq, body) for owner, seq, body in bodies.get(name, []) if owner == replica)
            rolled = bytes(8)
            for _, body in rows:
                rolled = blake2b(rolled + body.encode(), digest_size=8).digest()
            if name in bodies and ([seq for seq, _ in rows] != list(range(1, last + 1)) or rolled != digest):
                wrong.append(name)
        return wrong

    def wrong_stock(
        self,
        opening: dict[str, int],
        sales: Iterable[Any],
        returns: Iterable[Any] = (),
        deliveries: Iterable[Any] = (),
    ) -> dict[str, tuple[int, int]]:
        """Return sku: (stored, expected) where the figure is not the opening and what came, less what was sold and kept.

        `returns` are what the tills were answered; `sales` and `deliveries` are what was sent.
        """
        sold: Counter[str] = Counter()
        for sale in sales:
            sold.update({line["sku"]: line["qty"] for line in sale["lines"]})
        for back in (*returns, *deliveries):
            sold.subtract({line["sku"]: line["qty"] for line in back["lines"]})
        return {
            sku: (self.stock.get(sku, 0), first - sold[sku])
            for sku, first in opening.items()
            if self.stock.get(sku) != first - sold[sku]
        }


def read_verdict(folder: Path) -> Verdict:
    """Open the file in a folder that is nobody's any more: SQLite recovers its log, and empties it at the end."""
    with closing(sqlite3.connect(folder / "hub.db")) as file:

        def rows(sql: str) -> list[Any]:
            return file.execute(sql).fetchall()

        return Verdict(
            integrity=rows("PRAGMA integrity_check")[0][0],
            sales=rows("SELECT replica, seq, sale_id, receipt_no, body, told FROM sale"),
            replicas=dict(rows("SELECT id, store || ':' || incarnation FROM replica")),
            returns=rows("SELECT replica, seq, return_id, body, told FROM sale_return"),
            results=rows("SELECT replica, seq, body FROM print_result"),
            movements=rows("SELECT replica, seq, movement_id, body FROM stock_movement"),
            streams=rows("SELECT replica, name, seq, digest FROM stream"),
            stock=dict(rows("SELECT sku, on_hand FROM stock")),
            jobs=rows("SELECT job_id, sale_id, state, attempts FROM print_job"),
            members=rows(
                """
                SELECT member.member_id, count(identity_id)
                FROM member LEFT JOIN identity USING (member_id)
                GROUP BY member.id
                """
            ),
            entered=dict(rows("SELECT entrance, sum(entered) FROM footfall GROUP BY entrance")),
        )
