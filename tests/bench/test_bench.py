"""The benchmarks' own arithmetic, workload and command line. No time is asserted: figures are for people to judge."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import BENCHMARKS
from bench.figures import Target, median_of_rounds, p50_p99_ms, percentile, rounded_tree
from bench.machine import reference_sha256
from bench.processes import DiskUse
from bench.sales import split_writes
from bench.workload import (
    CURRENCY,
    LINES_MAX,
    LINES_MEAN,
    MEMBER_SHARE,
    PRODUCTS,
    catalogue,
    draw_basket,
    draw_product,
    encode_tail,
    gtin13_of,
    line_count_weights,
    price_of,
)
from devices.codecs.gtin import has_check_digit
from hub.api.selling.sales import SaleRequest
from sync.retail.catalogue.catalogue import check_price, check_product
from sync.retail.selling.sales import check_sums

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE_SHA256 = {
    "fsync.py": "c86095f6283f69d461effb5e5e1ffb0aae076d8663ab789a065f4df5021faa6b",
    "http_floor.py": "cd23f37a668e8268a2941ceaca8da065b0a959bc0e1c2ef2de178b0167942d22",
    "mqtt_flood.py": "c0ba3be3c2335908b260f71993eabc0ca273f36575999966629b8dedb865613f",
    "pty_ws.py": "ae37bb54b9bcfd1d4a746714cdc83473606fe83f2c108a498db5017a41488b79",
}
BASKETS = 3_000


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_reference_loops_are_the_ones_that_were_agreed() -> None:
    assert reference_sha256() == REFERENCE_SHA256


def test_help_lists_the_benchmarks() -> None:
    done = run_bench("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("sales", "scan", "idle"))


def test_unknown_benchmark_is_refused_in_one_sentence() -> None:
    done = run_bench("salse")
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr == f"bench: unknown benchmark 'salse'; known: {', '.join(BENCHMARKS)}\n"


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_percentile_counts_as_the_reference_loops_do(share: float, value: float) -> None:
    assert percentile([float(each) for each in range(1, 101)], share) == value


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_durations_are_sorted_and_become_milliseconds() -> None:
    assert p50_p99_ms([0.003, 0.001, 0.002]) == (2.0, 3.0)


def test_rounds_fold_to_the_median_of_each_key() -> None:
    rounds = [{"a": 1.0, "b": 9.0}, {"a": 5.0, "b": 7.0}, {"a": 3.0, "b": 8.0}]
    assert median_of_rounds(rounds) == {"a": 3.0, "b": 8.0}


def test_target_is_met_at_its_limit() -> None:
    assert Target("x", 0.7, 0.7, "at_least").is_met
    assert Target("x", 12.0, 12.0, "at_most").is_met
    assert not Target("x", 0.69, 0.7, "at_least").is_met
    assert not Target("x", 12.1, 12.0, "at_most").is_met


def test_json_values_are_rounded_wherever_they_stand() -> None:
    assert rounded_tree({"a": [1.23456], "b": {"c": 2}}, 2) == {"a": [1.23], "b": {"c": 2}}


def test_write_calls_split_into_frames_and_checkpointed_pages() -> None:
    frames, pages, page_bytes = 100, 7, 1024
    use = DiskUse(0, frames * (24 + page_bytes) + pages * page_bytes, 2 * frames + pages)
    assert split_writes(use, page_bytes) == (frames, pages)


def test_line_counts_have_the_mean_of_the_design() -> None:
    weights = line_count_weights()
    mean = sum(lines * weight for lines, weight in enumerate(weights, 1)) / sum(weights)
    assert len(weights) == LINES_MAX
    assert mean == pytest.approx(LINES_MEAN)


def test_baskets_are_valid_sales() -> None:
    rng = random.Random(7)
    for number in range(BASKETS):
        body = b'{"sale_id":"s%d","till_id":"t1",' % number + encode_tail(draw_basket(rng), prints=True)
        sale = msgspec.json.decode(body, type=SaleRequest)
        assert sale.print is True
        check_sums(
            msgspec.structs.replace(sale, lines=tuple(msgspec.structs.replace(line, per=1) for line in sale.lines))
        )


def test_baskets_have_the_lines_members_and_cash_of_the_design() -> None:
    rng = random.Random(8)
    baskets = [draw_basket(rng) for _ in range(BASKETS)]
    assert {len(basket.lines) for basket in baskets} <= set(range(1, LINES_MAX + 1))
    assert sum(len(basket.lines) for basket in baskets) / BASKETS == pytest.approx(LINES_MEAN, rel=0.1)
    assert sum(basket.member_id is not None for basket in baskets) / BASKETS == pytest.approx(MEMBER_SHARE, rel=0.1)
    assert all(len({line.sku for line in basket.lines}) == len(basket.lines) for basket in baskets)


def test_products_are_drawn_by_zipfs_law() -> None:
    rng = random.Random(9)
    counts = Counter(draw_product(rng) for _ in range(50_000))
    first, second, tenth = (counts.most_common(10)[place][1] for place in (0, 1, 9))
    assert all(0 <= number < PRODUCTS for number in counts)
    assert first / second == pytest.approx(2, rel=0.15)
    assert first / tenth == pytest.approx(10, rel=0.25)


def test_catalogue_is_what_an_import_takes() -> None:
    entries = list(catalogue())
    assert len({entry.product.sku for entry in entries}) == PRODUCTS
    assert len({gtin for entry in entries for gtin in entry.product.gtins}) == PRODUCTS
    assert not [entry for entry in entries if check_product(entry.product) or check_price(entry.price)]
    assert {entry.price.currency for entry in entries} == {CURRENCY}
    assert entries[5].price.amount == price_of(5)
    assert has_check_digit(gtin13_of(5))
