"""A fleet of stores against one cloud end: small here; a thousand of them, and two hundred on sockets, with STOREHUB_FULL=1."""

import json
import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hub.cli import main
from sync.testing.fleet.balance import unbalanced
from sync.testing.fleet.figures import Cost, LiveRun, VirtualRun, lags_of, report, said, spread_of
from sync.testing.fleet.live import run_live
from sync.testing.fleet.running import cost_per_row, fleet_config, make_shops, run_backlog, run_virtual, store_names
from sync.testing.fleet.virtual import Fleet, Store
from sync.testing.sim_database import run_now

only_in_full = pytest.mark.skipif(not os.environ.get("STOREHUB_FULL"), reason="it takes minutes: ./test --full")
LAG_MAX_MS = 2000.0
BACKLOG_LINES = 180_000


def silent(_: str) -> None:
    """Nobody watches."""


def test_hours_of_stores_with_cut_lines_come_in_whole_and_the_same_again(tmp_path: Path) -> None:
    runs = [run_virtual(tmp_path, stores=6, hours=0.5, seed=7, say=silent) for _ in range(2)]

    assert runs[0].unbalanced == () and runs[0].sales > 30 and runs[0].rows > runs[0].sales
    assert runs[0].contacts > 6, "no line was cut"
    assert (runs[0].sales, runs[0].contacts) == (runs[1].sales, runs[1].contacts)
    assert list(tmp_path.iterdir()) == []


def test_a_judge_of_the_balance_finds_what_is_missing(tmp_path: Path) -> None:
    """One shop sells what never reaches the cloud, another's sum at the cloud is off by one."""
    fleet = Fleet(fleet_config(tmp_path, store_names(3)))
    lines = [Store(fleet, shop) for shop in make_shops(3, Random(1))]
    for line in lines:
        line.connect()
        fleet.at(fleet.now_ms + 1000, line.sell_one)
    fleet.run(fleet.now_ms + 60_000)
    assert run_now(unbalanced(fleet.db, [line.shop for line in lines])) == ()

    lines[0].shop.sell(fleet.now_ms, is_up=False)
    fleet.db.read.execute("UPDATE store_sum SET amount = amount + 1 WHERE store = 's00002' AND measure = 'sales'")

    assert run_now(unbalanced(fleet.db, [line.shop for line in lines])) == ("s00001", "s00002")
    fleet.close()


def test_what_one_store_sends_costs_the_others_nothing(tmp_path: Path) -> None:
    """Levels of a store were told to every connection: the cost of a row grew with the number of stores."""
    fleet = Fleet(fleet_config(tmp_path, store_names(5)))
    lines = [Store(fleet, shop) for shop in make_shops(5, Random(1))]
    for line in lines:
        line.connect()
    fleet.run(fleet.now_ms + 10_000)
    told: list[str] = []
    for connection in fleet.cloud.line.connections:
        connection.grown = lambda store=connection.store: told.append(store)  # type: ignore[misc]

    lines[0].sell_one()
    fleet.run(fleet.now_ms + 60_000)

    assert lines[0].shop.is_safe and set(told) <= {"s00001"}
    fleet.close()


async def test_a_backlog_comes_in_beside_live_stores_on_real_sockets(tmp_path: Path, engine: Any) -> None:
    database = engine.settings(tmp_path).get("database", "")
    run = await run_live(tmp_path, stores=3, seconds=0.3, backlog_lines=400, seed=1, now_ms=clock_ms, database=database)

    assert run.unbalanced == () and run.backlog_lines >= 400 and run.backlog_s > 0
    assert run.sales > 200 and run.lags.max_ms > 0


def test_figures_say_what_was_measured_and_what_was_not() -> None:
    lags = lags_of([float(n) for n in range(1, 101)])
    run = VirtualRun(10, 2.0, 400, 1000, 12, 1.0, 1000.0, lags, 2.0**20, ("s00007",))
    costs = [Cost(10, 90.0), Cost(100, 100.0), Cost(1000, 110.0)]
    live = LiveRun(3, 50, 100.0, lags, 400, 1.5, ())

    found = report(3, run, costs, live)
    text = "\n".join(said(found))

    assert (lags.p50_ms, lags.p99_ms, lags.max_ms, lags_of([]).max_ms) == (51.0, 100.0, 100.0, 0.0)
    assert spread_of(costs) == pytest.approx(0.1) and "flat" in text and "NOT" not in text
    assert found.load_at_10000 == pytest.approx(10_000 * 50 / 3600 * 110e-6)
    assert found.ends_at_stores == int(0.7 / (50 / 3600 * 110e-6))
    assert "extrapolated, not run" in text and "THE BOOKS OF 1 OF 10 DIFFER: s00007" in text
    assert "NOT flat" in "\n".join(said(report(3, run, [Cost(10, 50.0), Cost(100, 100.0)], None)))


def test_wrong_words_are_refused_with_the_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "--stores", "0"]) == 78 and "1 to 5000" in capsys.readouterr().err
    assert main(["fleet", "--backlog", "5"]) == 78 and "--live 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    "lines", [3000, pytest.param(BACKLOG_LINES, marks=only_in_full)], ids=["small", "180,000 lines"]
)
def test_others_notice_little_of_one_stores_backlog(tmp_path: Path, lines: int) -> None:
    found = run_backlog(tmp_path, stores=20 if lines < BACKLOG_LINES else 200, lines=lines, seed=1)

    assert found.is_in and found.lines >= lines and found.took_s <= 60
    assert 0 < found.lags.max_ms <= LAG_MAX_MS, found


@only_in_full
def test_a_thousand_stores_on_virtual_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "--stores", "1000", "--hours", "1", "--folder", str(tmp_path), "--json"]) == 0
    found: Any = json.loads(capsys.readouterr().out)

    assert found["virtual"]["unbalanced"] == [] and found["virtual"]["sales"] > 15_000
    assert found["virtual"]["lags"]["p99_ms"] <= LAG_MAX_MS
    assert [cost["stores"] for cost in found["costs"]] == [10, 100, 1000]  # flat or not: the command says it


@only_in_full
async def test_two_hundred_live_stores_come_in_whole_beside_a_backlog(tmp_path: Path, engine: Any) -> None:
    """Both ends are in this process and share its processor: what others notice is judged on virtual time, above."""
    database = engine.settings(tmp_path).get("database", "")
    run = await run_live(
        tmp_path,
        stores=200,
        seconds=20.0,
        backlog_lines=BACKLOG_LINES,
        seed=1,
        now_ms=clock_ms,
        database=database,
    )

    assert run.unbalanced == () and run.backlog_lines >= BACKLOG_LINES
    assert run.lags.p50_ms <= LAG_MAX_MS, run


def test_cost_of_a_row_is_measured_at_any_size(tmp_path: Path) -> None:
    cost = cost_per_row(tmp_path, stores=5, seed=1, sales=20)

    assert cost.stores == 5 and 1.0 < cost.row_us < 1e6


def clock_ms() -> int:
    """The real time: these are real sockets."""
    return time.time_ns() // 1_000_000
