"""`python -m bench NAME [--json]`: run one benchmark; figures are ratios to the loops in bench/reference, medians of rounds.

Progress goes to standard error, the result to standard output: a table, or exactly one JSON object with --json.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from bench.figures import rounded_tree, table, target_lines
from bench.machine import busy_share, default_folder, describe_machine, reference_sha256

ROUNDS_MIN = 5
QUIET_LOAD = 0.15  # load average a core before the start, above which the figures are said to be disturbed
Measure = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module of this package with `measure`, `targets` and `columns`; `seconds` is the length of one load."""

    summary: str
    seconds: float
    takes: str


BENCHMARKS = {
    "sales": Benchmark("durable sales, 1 and 16 tills, each prints", 1.5, "about 3 min"),
    "scan": Benchmark("label on the wire to the claiming till, 8 scanners busy", 6.0, "about 1 min"),
    "drain": Benchmark("a backlog of 50,000 sales goes to the cloud", 1.0, "about 3 min"),
    "cloud": Benchmark(
        "head office on PostgreSQL: batches beside asyncpg, the feed, 180,000 lines", 10.0, "about 5 min"
    ),
    "wan": Benchmark("sales while the line to the cloud is slow, lossy, cut or a login page", 2.0, "about 2 min"),
    "sync": Benchmark(
        "three replicas merged pairwise, beside other libraries; rights; a cold start", 1.0, "about 6 min"
    ),
    "telemetry": Benchmark("people counters flood a broker; durable messages a second", 2.0, "about 1 min"),
    "beacons": Benchmark("2,000 advertisements a second from 500 beacons: processor time", 5.0, "about 2 min"),
    "lookup": Benchmark("products looked up and searched among 200,000, 16 clients", 3.0, "about 3 min"),
    "members": Benchmark("a member found among 500,000, 16 clients", 3.0, "about 3 min"),
    "segments": Benchmark("three segments of 100,000 members, 300,000 purchases", 1.0, "about 1 min"),
    "failover": Benchmark(
        "a hub is killed under 8 tills: seconds until they sell at the other one", 4.0, "about 4 min"
    ),
    "tablets": Benchmark("32 tablets on sockets, 4 asleep, 2 flooding: what the others notice", 8.0, "about 3 min"),
    "wear": Benchmark("which tables and indexes a sale is written to, at two page sizes", 1.0, "about 1 min"),
    "idle": Benchmark("start-up time and memory, idle and after work of every kind", 20.0, "about 1 min"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark; return 0 when it ran, whatever its figures are, 2 for wrong usage."""
    args = _parser().parse_args(argv)
    if args.name not in BENCHMARKS:
        print(f"bench: unknown benchmark '{args.name}'; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    folder: Path = args.dir or default_folder()
    if args.rounds < 1 or not folder.is_dir():
        print(f"bench: --rounds {args.rounds} must be 1 or more, --dir {folder} an existing folder", file=sys.stderr)
        return 2
    chosen = BENCHMARKS[args.name]
    module: Any = import_module(f"bench.{args.name}")  # Any: one of our own modules, see Benchmark
    seconds = args.seconds or chosen.seconds * (10 if args.long else 1)
    busy, began_s = busy_share(), time.perf_counter()
    if busy > QUIET_LOAD:
        _say(f"others use this machine (load {busy:.2f} a core): figures may be disturbed")
    result: dict[str, Any] = asyncio.run(module.measure(folder, rounds=args.rounds, seconds=seconds, say=_say))
    targets = module.targets(result)
    result |= {
        "targets_met": {target.name: target.is_met for target in targets},
        "machine": describe_machine(),
        "load_before": busy,
        "took_s": time.perf_counter() - began_s,
    }
    if args.json:
        print(orjson.dumps(rounded_tree(result)).decode())
    else:
        print("\n".join(_page(args.name, result, module.columns(result), target_lines(targets))))
    return 0


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<8} {each.summary} ({each.takes})" for name, each in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Benchmarks of the hub against the reference loops of bench/reference.",
        epilog=f"benchmarks:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="which benchmark")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help=f"interleaved rounds (default {ROUNDS_MIN})")
    parser.add_argument("--seconds", type=float, help="length of one load in seconds (default: by benchmark)")
    parser.add_argument("--long", action="store_true", help="loads ten times as long")
    parser.add_argument(
        "--dir", type=Path, help="where temporary folders go; must be on a real disk (default: as the repository)"
    )
    return parser


def _page(name: str, result: dict[str, Any], columns: dict[str, dict[str, float]], targets: list[str]) -> list[str]:
    rows = [(key, [column[key] for column in columns.values()]) for key in next(iter(columns.values()))]
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    return [
        f"{name}: {BENCHMARKS[name].summary}",
        *table(list(columns), rows),
        "targets:",
        *targets,
        f"machine: {machine}; load a core before the start {result['load_before']:.2f}",
        f"x86-64 or whatever this is: a Raspberry Pi was not measured. Took {result['took_s']:.0f} s.",
        "reference loops (sha256):",
        *(f"  {digest}  {file}" for file, digest in reference_sha256().items()),
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
