"""Benchmark `sync`: its workload, that our engine agrees with the trace, its auditor of rights. No time is asserted."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from bench.sync import PEERS, REMEDY, columns, targets, worst
from bench.sync_child import ENGINES, Wire
from bench.sync_own import ENGINE
from bench.sync_rights import HUB, SHOPS, Case, Outcome, Shop, draw_case, simulate
from bench.sync_workload import (
    COLD_PRODUCTS,
    REPLICAS,
    Edit,
    Trace,
    cold_catalogue,
    draw_trace,
    fold,
    sale_rows,
    stream_deltas,
)
from sync.retail.selling.sales import SaleFact
from sync.retail.stock.rebalance import Policy
from sync.retail.stock.rights import Row, on_hand_of

BASKETS, DELTAS, EDITS = 300, 900, 200
SMALL = Shop(products=150, walk_in_a_day=600)


def small_trace(seed: int) -> Trace:
    return draw_trace(seed, baskets=BASKETS, deltas=DELTAS, edits=EDITS)


def test_a_trace_has_exactly_the_baskets_the_deltas_and_the_edits() -> None:
    trace = small_trace(1)
    baskets = [basket for each in trace.baskets for basket in each]
    assert (len(trace.baskets), len(baskets)) == (REPLICAS, BASKETS)
    assert sum(map(len, baskets)) == DELTAS
    assert sum(map(len, trace.edits)) == EDITS
    assert all(baskets)


def test_a_seed_draws_one_trace_and_another_seed_another() -> None:
    assert small_trace(1) == small_trace(1) != small_trace(2)


def test_folds_keep_the_sums_and_are_sorted() -> None:
    trace = small_trace(1)
    folds = fold(trace.baskets[0], facts_max=7)
    received, issued = Counter[int](), Counter[int]()
    for each in folds:
        assert [product for product, _, _ in each] == sorted({product for product, _, _ in each})
        for product, came, went in each:
            received[product] += came
            issued[product] += went
    deltas = [delta for basket in trace.baskets[0] for delta in basket]
    assert sum(received.values()) == sum(qty for _, qty in deltas if qty > 0)
    assert sum(issued.values()) == -sum(qty for _, qty in deltas if qty < 0)


def test_the_price_that_stands_is_of_the_most_edits_then_of_the_last_replica() -> None:
    twice = (Edit(1, 100), Edit(1, 110))
    assert Trace(((), (), ()), (twice, (Edit(1, 200),), ())).prices == {1: 110}
    assert Trace(((), (), ()), ((Edit(1, 100),), (Edit(1, 200),), ())).prices == {1: 200}


def test_our_engine_agrees_with_the_trace_after_all_pairs_have_met(tmp_path: Path) -> None:
    trace = small_trace(3)
    ENGINE.write(tmp_path, trace)
    replicas, wire = ENGINE.open(tmp_path), Wire()
    for one, other in combinations(replicas, 2):
        ENGINE.send(one, other, wire)
        ENGINE.send(other, one, wire)
    held = [replica.held() for replica in replicas]
    assert [each.on_hand for each in held] == [trace.on_hand] * REPLICAS
    assert [each.prices for each in held] == [trace.prices] * REPLICAS
    assert 0 < wire.zstd_bytes < wire.raw_bytes
    before = wire.zstd_bytes
    ENGINE.send(replicas[0], replicas[1], wire)
    assert wire.zstd_bytes == before, "what is held is not sent again"
    for replica in replicas:
        replica.close()


def test_sales_of_the_workload_are_facts_and_ship_small() -> None:
    rows = sale_rows(1, 100)
    assert len({msgspec.json.decode(row, type=SaleFact).sale.sale_id for row in rows}) == 100
    assert ENGINE.sales_bytes(rows, 100) < sum(map(len, rows)) / 5


def test_a_growing_store_gets_the_deltas_it_was_promised() -> None:
    steps = list(stream_deltas(1, 2_500))
    assert [len(step) for step in steps] == [1000, 1000, 500]


def test_the_cold_catalogue_has_every_sku_and_gtin_once() -> None:
    skus, gtins = set(), set()
    for entry in cold_catalogue():
        skus.add(entry.product.sku)
        gtins.update(entry.product.gtins)
    assert len(skus) == len(gtins) == COLD_PRODUCTS


@pytest.mark.parametrize("every_s", [None, 3600, 600])
@pytest.mark.parametrize("may_wait", [True, False])
def test_nothing_is_oversold_whatever_the_contact(every_s: int | None, may_wait: bool) -> None:
    for seed in range(3):
        outcome = simulate(draw_case(seed, SMALL), Policy(), every_s, may_wait=may_wait)
        assert outcome.oversold == 0, f"seed {seed}, contact every {every_s}, may_wait {may_wait}"
        assert outcome.demanded > outcome.refused >= 0


def test_the_auditor_sees_rights_to_goods_that_are_not_there() -> None:
    """The planted fault: rights to twice what lies on the shelf. The cloud promises on them; no till has noted an overdraw."""
    case = draw_case(1, replace(SMALL, web_share=0.5, cover_days=2.0))
    doubled = tuple({**state, HUB: _with_more(state[HUB], on_hand_of(state))} for state in case.start)
    assert simulate(case, Policy(), 3600).oversold == 0
    assert simulate(Case(doubled, case.shelf, case.demand), Policy(), 3600).oversold > 0


def test_extra_refusals_are_those_beyond_one_counter() -> None:
    outcome = Outcome(demanded=200, refused=7, overdrawn=2, refused_by_one_counter=5)
    assert outcome.extra_refused_pct == 2.0
    assert (outcome + outcome).extra_refused_pct == 2.0


def test_shops_are_drawn_with_goods_and_with_web_orders() -> None:
    case = draw_case(1, SMALL)
    assert all(on_hand_of(state) >= 1 for state in case.start)
    web = sum(each.qty for each in case.demand if each.is_web) / sum(each.qty for each in case.demand)
    assert 0.05 < web < 0.5
    assert [each.at_s for each in case.demand] == sorted(each.at_s for each in case.demand)
    assert "usual" in SHOPS


def test_a_figure_is_the_worst_of_the_traces() -> None:
    assert worst({"1": {"a": 1.0, "b": 5.0}, "2": {"a": 2.0, "b": 4.0}}) == {"a": 2.0, "b": 5.0}


def test_a_peer_that_is_missing_has_no_column_and_names_the_remedy() -> None:
    result = _result()
    assert list(columns(result)) == ["own", "loro"]
    assert REMEDY in result["peers"]["pycrdt"]["remedy"]
    assert set(PEERS) == set(ENGINES) - {"own"}


def test_a_figure_that_there_is_none_of_meets_no_target() -> None:
    verdicts = {target.name: target for target in targets(_result())}
    assert math.isnan(verdicts["growth file_ratio_2m, off by"].figure)
    assert not verdicts["growth file_ratio_2m, off by"].is_met
    assert verdicts["growth rss_ratio_2m, off by"].is_met
    assert verdicts["merge_cpu_s"].is_met
    assert not verdicts["oversold, contact hourly"].is_met


def _with_more(hub: Row, qty: int) -> Row:
    return msgspec.structs.replace(hub, received=hub.received + qty)


def _result() -> dict[str, object]:
    figures = {
        "wire_zstd_bytes": 1.0,
        "wire_raw_bytes": 1.0,
        "merge_cpu_s": 1.0,
        "rss_over_imports_mib": 1.0,
        "write_cpu_s": 1.0,
        "bytes_per_sale_batch100": 1.0,
        "cold_resync_cpu_s": 1.0,
    }
    return {
        **figures,
        "oversold": {"never": 0, "hourly": 1, "minutely": 0},
        "extra_refused_pct": {"never": 1.0, "hourly": 0.1, "minutely": 0.1},
        "growth": {"file_ratio_2m": None, "rss_ratio_2m": 0.95},
        "peers": {"pycrdt": {"error": "not installed", "remedy": REMEDY}, "loro": figures},
    }
