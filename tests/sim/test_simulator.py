"""The shops, the cloud and everybody who asks them, on virtual time under faults: every promise is kept on every seed.

./test runs 300: what has failed once, 110 seeds that are always the same, 150 that move with the commit. STOREHUB_FULL=1 adds 15
minutes of the moving ones for each of two workers. They come in PARTS, which whoever is free takes.
"""

import gc
import itertools
import os
import pickle
import subprocess
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.sim import plugins, versions
from tests.sim.runs import Ran, fixed_seeds, moving_seeds, past_failures, run_seed, table
from tests.sim.world import build

ROOT = Path(__file__).parents[2]
IS_FULL = bool(os.environ.get("STOREHUB_FULL"))
FIXED = 110
MOVING = 150
PARTS = 30
FULL_S = 2 * 15 * 60.0
OPERATIONS_MIN = 200
MODES_MEET = ("asked by the cloud", "line at rest", "line woken", "frames over HTTP", "exchange lost")


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept_on_every_seed(
    part: int, common_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part that ends last prints what all have met, and judges that: a fault that nobody felt proves nothing."""
    runs = list(runs_of(part))
    everything = put_together(common_folder, part, runs)

    if everything:
        with capsys.disabled():
            print(f"\n{table(everything)}", file=sys.stderr)  # a worker has no other way out
    if broken := failures(runs):
        pytest.fail(broken, pytrace=False)
    assert min(ran.operations for ran in runs) >= OPERATIONS_MIN
    if everything:
        wanted = [*plugins.effects_of_faults(), *versions.MEETS, *MODES_MEET]
        assert not [name for name in wanted if not any(ran.met[name] for ran in everything)]


def runs_of(part: int) -> Iterator[Ran]:
    """Run a part of the seeds; with STOREHUB_FULL more and more of the moving ones, until the part's time is over."""
    always = [*past_failures(), *itertools.islice(fixed_seeds(), FIXED)]
    yield from (run_seed(seed, given) for seed, given in always[part::PARTS])
    began_s = time.monotonic()
    for n, (seed, given) in enumerate(itertools.islice(moving_seeds(), part, None, PARTS)):
        if n >= MOVING // PARTS and not (IS_FULL and time.monotonic() - began_s < FULL_S / PARTS):
            return
        yield run_seed(seed, given)


def put_together(folder: Path, part: int, runs: list[Ran]) -> list[Ran]:
    """Lay a part's runs beside those of the others; return all once none is missing."""
    partial = folder / f"part-{part}.partial"
    partial.write_bytes(pickle.dumps(runs))
    partial.rename(folder / f"part-{part}")
    parts = [folder / f"part-{n}" for n in range(PARTS)]
    if not all(path.exists() for path in parts):
        return []
    return [ran for path in parts for ran in pickle.loads(path.read_bytes())]


def failures(runs: Iterable[Ran]) -> str:
    """Each failing seed with its options and the one command that shows it again."""
    return "\n".join(f"seed {ran.seed}: {ran.problem}\n  {ran.replay}" for ran in runs if ran.problem)


def test_a_world_is_let_go_when_its_run_is_over() -> None:
    """A worker runs hundreds: what one of them keeps, it has hundreds of."""
    world = build(1)
    world.run()
    kept = weakref.ref(world)
    del world
    gc.collect()

    assert kept() is None


@pytest.fixture
def common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that every worker of it sees."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "simulator"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("seed", [3, 11])
def test_a_seed_is_the_same_run_in_any_process(seed: int) -> None:
    """Whatever Python's hashes are."""
    digests = set()
    for hash_seed in ("0", "1"):
        said = subprocess.run(
            [sys.executable, "tests/sim/run.py", "--seed", str(seed)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(said.stdout.splitlines()[0].rpartition("digest ")[2])
    assert len(digests) == 1
