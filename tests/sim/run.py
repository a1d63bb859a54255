"""Replay seeds: `.venv/bin/python tests/sim/run.py --seed N [--trace] [--set name=value] [--mutant NAME]`.

A range with `--count`.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.sim import mutants
from tests.sim.runs import run_seed, table
from tests.sim.world import build


def main() -> int:
    """Run; the exit code says whether every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="every event of one seed, and the traceback of its end")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--mutant", default="", choices=["", *mutants.MUTANTS])
    args = parser.parse_args()
    given = dict(each.split("=", 1) for each in args.set)
    if args.trace:
        build(args.seed, given=given, write=print).run()
        return 0
    runs = []
    for seed in range(args.seed, args.seed + args.count):
        ran = run_seed(seed, given, args.mutant)
        runs.append(ran)
        if ran.problem:
            print(f"seed {seed}: {ran.problem}\n  {ran.replay}")
        elif args.count == 1:
            print(f"seed {seed} kept every promise; digest {ran.digest}\n  {ran.replay}")
    print(table(runs))
    return 1 if any(ran.problem for ran in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
