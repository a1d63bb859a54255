"""The mutation run itself: which changes it makes, which it does not, and that a module is judged by its tests."""

import pytest

from tests.mutation.__main__ import equivalents, main
from tests.mutation.modules import ROOT, TESTS, folder_of
from tests.mutation.mutants import mutants_of

CODE = '''
"""A module."""
LIMIT = 10

class Row:
    n: int = 1

    def taken(self, qty: int = 1) -> int:
        """Take from 1."""
        assert qty > 0, "a programmer's business"
        log.info("taken %d", qty + 1)
        if qty > self.n and self.is_open:
            raise ValueError(f"{qty - self.n} too many")
        self.n -= qty
        return min(qty, 2)
'''


def test_every_small_mistake_is_made_and_nothing_else() -> None:
    made = [mutant.name.removeprefix("Row.taken: ") for mutant in mutants_of(CODE, "row.py")]

    condition = "qty > self.n and self.is_open"
    assert made == [
        "1 → 2",
        "1 → 0",
        f"if {condition} → if True",
        f"if {condition} → if False",
        f"{condition} → qty > self.n or self.is_open",
        f"{condition} → self.is_open",
        f"{condition} → qty > self.n",
        "qty > self.n → qty >= self.n",
        "qty > self.n → qty < self.n",
        "raise ValueError(f'{qty - self.n} too many') → pass",
        "self.n -= qty → pass",
        "self.n -= qty → self.n += qty",
        "return min(qty, 2) → return None",
        "min(qty, 2) → max(qty, 2)",
        "min(qty, 2) → min(qty, 3)",
        "min(qty, 2) → min(qty, 1)",
    ]


def test_a_value_with_a_name_is_shown_with_what_it_is_given_to() -> None:
    made = [mutant.name for mutant in mutants_of("def f(a):\n    g(a, strict=True)\n", "f.py")]

    assert made == ["f: g(a, strict=True) → pass", "f: g(a, strict=True) → g(a, strict=False)"]


def test_a_mutant_is_the_module_with_one_change_and_knows_its_lines() -> None:
    by_name = {
        mutant.name: mutant for mutant in mutants_of("def double(n):\n    return (\n        n * 2\n    )\n", "d.py")
    }
    mutant = by_name["double: n * 2 → n // 2"]
    module: dict[str, object] = {}
    exec(mutant.code, module)

    assert module["double"](7) == 3  # type: ignore[operator]
    assert (mutant.line, list(mutant.lines), mutant.is_early) == (3, [2, 3, 4], False)


def test_what_counts_at_the_import_is_told_from_what_runs_later() -> None:
    early = "from functools import cached_property\nclass C:\n    @cached_property\n    def n(self): return 1 + 1\n"
    assert all(mutant.is_early for mutant in mutants_of(early, "c.py"))
    assert [mutant.is_early for mutant in mutants_of("def f(n=1): return -n", "f.py")] == [True, True, False, False]


@pytest.mark.parametrize("path", TESTS)
def test_a_module_and_its_tests_are_there(path: str) -> None:
    assert (ROOT / path).is_file()
    assert all((folder_of(path) / name).is_file() for name in TESTS[path])


def test_every_excuse_is_for_a_module_of_the_run_and_has_its_reason() -> None:
    excused = equivalents()
    assert set(excused) <= set(TESTS)
    assert all(reason.endswith(".") for each in excused.values() for reason in each.values())


def test_a_module_is_judged_by_its_tests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--module", "sync/digest.py"]) == 0

    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("sync/digest.py"))
    assert row.split()[1:6] == ["2", "2", "0", "0", "100.0"]


def test_a_module_that_is_not_pure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--module", "sync/db.py"]) == 2
    assert "sync/db.py" in capsys.readouterr().err
