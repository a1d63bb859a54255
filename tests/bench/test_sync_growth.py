"""The years of one shop: twice as many days leave the same file, and a shop that forgets nothing does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import sync_growth
from bench.sync_growth import figures, grow
from bench.sync_workload import Delta
from hub.store.upkeep.retention import Step

DAYS, BASKETS = 860, 1


def deltas(days: int) -> Iterator[tuple[Delta, ...]]:
    for day in range(days):
        yield tuple((n % 7, -1 if (n + day) % 11 else 5) for n in range(3 * BASKETS))


def bytes_after(path: Path, days: int) -> int:
    grow(path, deltas(days), baskets_a_day=BASKETS)
    return figures(path)["bytes"]


def test_twice_as_many_days_leave_the_same_file(tmp_path: Path) -> None:
    few, many = bytes_after(tmp_path / "few.db", DAYS), bytes_after(tmp_path / "many.db", 2 * DAYS)

    assert many <= few * 1.1


def test_mutant_a_shop_that_forgets_nothing_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_growth, "prune", lambda *_, **__: Step())
    few, many = bytes_after(tmp_path / "few.db", DAYS), bytes_after(tmp_path / "many.db", 2 * DAYS)

    assert many > few * 1.4
