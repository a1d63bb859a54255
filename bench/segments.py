"""Benchmark `segments`: the three segments that are asked for most, among 100,000 made-up members with three purchases each.

Purchases are entered as the cloud enters those of channels; each filter is then evaluated over all persons, on the cloud's own
kind of file. There is no reference loop: figures are processor time of this machine, and the
target is what a person waits for who tries a filter.
"""

import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.figures import Figures, Target
from bench.processes import working_folder
from sync.cloud.migrations import MIGRATIONS
from sync.cloud.persons.purchases import STORE, Purchase, enter
from sync.cloud.segments.evaluation import Scene, evaluate
from sync.cloud.segments.filters import Filter
from sync.connections import connect_writer

MEMBERS = 100_000
PURCHASES_OF_EACH = 3
SKUS = 2_000
EVALUATED_MAX_S = 3.0
CITIES = ("Taipei", "Taichung", "Tainan", "Kaohsiung")
NOW_MS = 1_790_000_000_000
CASES = {
    "on line only, by city": {
        "all": [
            {"purchases": {"where": "online", "cities": ["Taichung"]}},
            {"not": {"purchases": {"where": "store"}}},
        ]
    },
    "A not B": {"all": [{"purchases": {"skus": ["SKU-1"]}}, {"not": {"purchases": {"skus": ["SKU-2"]}}}]},
    "A and B": {"all": [{"purchases": {"skus": ["SKU-1"]}}, {"purchases": {"skus": ["SKU-2"]}}]},
}


async def measure(folder: Path, *, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Return seconds and rates, medians of rounds. Any: JSON."""
    del seconds
    with working_folder(folder) as work, closing(connect_writer(work / "cloud.db", MIGRATIONS, "off")) as tx:
        began_s = time.process_time()
        _fill(tx)
        entered_s = time.process_time() - began_s
        say(f"{MEMBERS * PURCHASES_OF_EACH:,} purchases were entered in {entered_s:.1f} s")
        result: dict[str, Any] = {"purchases_per_s": MEMBERS * PURCHASES_OF_EACH / entered_s, "cases": {}}
        for name, said in CASES.items():
            wanted, took_s, found = msgspec.convert(said, Filter), [], 0
            for _ in range(rounds):
                began_s = time.process_time()
                found = len(evaluate(tx, wanted, Scene(NOW_MS)))
                took_s.append(time.process_time() - began_s)
            evaluated_s = median(took_s)
            rate = MEMBERS * PURCHASES_OF_EACH / evaluated_s
            result["cases"][name] = {"found": found, "evaluated_s": evaluated_s, "purchases_per_s": rate}
            say(f"{name}: {found:,} of {MEMBERS:,} in {evaluated_s:.2f} s")
    return result


def targets(result: dict[str, Any]) -> list[Target]:
    """Return what an evaluation may take. Any: what `measure` returned."""
    slowest = max(each["evaluated_s"] for each in result["cases"].values())
    return [Target("slowest segment, seconds of processor time", slowest, EVALUATED_MAX_S, "at_most")]


def columns(result: dict[str, Any]) -> dict[str, Figures]:
    """Return the columns of the table. Any: what `measure` returned."""
    found: dict[str, Figures] = dict(result["cases"])
    return found


def _fill(tx: Any) -> None:
    """Enter members and their purchases. Any: sqlite3.Connection."""
    rng = random.Random(1)
    tx.execute("BEGIN")
    tx.executemany(
        "INSERT INTO person_member (member_id, person_id, is_known, tier, birth_month, language) VALUES (?, ?, 1, '', 0, '')",
        [(f"m{n}", f"m{n}") for n in range(MEMBERS)],
    )
    for n in range(MEMBERS * PURCHASES_OF_EACH):
        is_store = rng.random() < 0.6
        bought = Purchase(
            channel=STORE if is_store else "web",
            purchase_id=f"p{n}",
            member_id=f"m{rng.randrange(MEMBERS)}",
            store="tpe01" if is_store else "",
            city="" if is_store else rng.choice(CITIES),
            currency="TWD",
            lines=tuple((line, f"SKU-{int(rng.paretovariate(1.0)) % SKUS}", 1, 500) for line in (1, 2)),
            bought_ms=NOW_MS - rng.randrange(400) * 86_400_000,
        )
        enter(tx, bought)
    tx.execute("COMMIT")
