"""The simulator notices when a safeguard is taken out of the product: each planted fault is found within a few seeds."""

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.runs import run_seed

SEEDS_MAX = 40


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_found(name: str) -> None:
    mutant = MUTANTS[name]
    seeds = range(mutant.first_seed, mutant.first_seed + SEEDS_MAX)
    found = next((ran for seed in seeds if (ran := run_seed(seed, mutant.given, name)).problem), None)

    assert found is not None, f"{name} lives after {SEEDS_MAX} seeds"
    assert not run_seed(found.seed, mutant.given).problem, "the seed fails without the fault as well"
    print(f"{name}: seed {found.seed}: {found.problem}")
