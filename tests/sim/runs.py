"""Running seeds, one by one, and what came of them. The command line is run.py, the tests are test_*.py."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sync.testing.sim_database import Crash
from tests.sim import mutants
from tests.sim.world import Broken, build

HERE = Path(__file__).parent
FIXED_BASE = 1
MOVING_BASE = 1_000_000


@dataclass(slots=True)
class Ran:
    """What came of a seed; `problem` is empty when every promise was kept."""

    seed: int
    problem: str
    options: str
    digest: str
    met: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    operations: int = 0

    @property
    def replay(self) -> str:
        """One command that shows it again."""
        return f".venv/bin/python tests/sim/run.py --seed {self.seed} {self.options}"


def run_seed(seed: int, given: dict[str, str], mutant: str = "") -> Ran:
    """Run one seed in this process, with a planted fault if one is named."""
    with mutants.planted(mutant) if mutant else nullcontext():
        world = build(seed, given=given)
        problem = ""
        try:
            world.run()
        except Broken as err:
            problem = str(err)
        except (Exception, Crash) as err:  # noqa: BLE001 - a fault of the product that no auditor has a name for
            problem = f"{type(err).__name__}: {err}"
    return Ran(seed, problem, world.options.shown(), world.digest, world.met, world.tried, sum(world.done.values()))


def past_failures() -> list[tuple[int, dict[str, str]]]:
    """Return the seeds of seeds.txt with their options."""
    found = []
    for line in (HERE / "seeds.txt").read_text().splitlines():
        words = line.partition("#")[0].split()
        if words:
            found.append((int(words[0]), dict(word.split("=", 1) for word in words[1:])))
    return found


def moving_seeds() -> Iterator[tuple[int, dict[str, str]]]:
    """Seeds that differ from commit to commit; STOREHUB_SEED_BASE repeats those of another one."""
    said = os.environ.get("STOREHUB_SEED_BASE")
    base = int(said) if said else MOVING_BASE + _commit() % 10_000_000 * 1_000
    return ((seed, {}) for seed in count(base))


def fixed_seeds() -> Iterator[tuple[int, dict[str, str]]]:
    """Seeds that are always run."""
    return ((seed, {}) for seed in count(FIXED_BASE))


def table(runs: Iterable[Ran]) -> str:
    """Return the faults that were met and those that were tried."""
    met, tried, seeds, operations = Counter[str](), Counter[str](), 0, 0
    for ran in runs:
        met += ran.met
        tried += ran.tried
        seeds += 1
        operations += ran.operations
    lines = [f"{seeds} seeds, {operations} operations; faults met (in brackets: injected)"]
    lines += [f"{times:>8}  {name}" for name, times in sorted(met.items())]
    lines.append("          (" + ", ".join(f"{name} {times}" for name, times in sorted(tried.items())) + ")")
    return "\n".join(lines)


def _commit() -> int:
    try:
        said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(said.stdout[:10], 16)
