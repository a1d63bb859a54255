"""The simulator notices when a safeguard is taken out of the product: each planted fault is found within a few seeds."""

import itertools

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.runs import fixed_seeds, run_seed

SEEDS_MAX = 40


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_found(name: str) -> None:
    seeds = [seed for seed, _ in itertools.islice(fixed_seeds(), SEEDS_MAX)]
    found = next((ran for seed in seeds if (ran := run_seed(seed, MUTANTS[name].given, name)).problem), None)

    assert found is not None, f"{name} lives after {SEEDS_MAX} seeds"
    assert not run_seed(found.seed, MUTANTS[name].given).problem, "the seed fails without the fault as well"
    print(f"{name}: seed {found.seed}: {found.problem}")
