"""`python -m tests.mutation`: do the tests of the pure modules notice when their code changes? Not part of ./test: it takes long.

Every mutant of a module (tests.mutation.mutants) is tried against the module's own tests. Progress goes to standard error, the
table and the survivors to standard output. Returns 0 when at least 95 % are killed, 1 when fewer are, 2 for wrong usage or tests
that fail anyway. Mutants that mean the same as the code are named in equivalents.toml with the reason: they do not count, and one
that a test kills is an error there.
"""

import argparse
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.mutation.modules import ROOT, TESTS, folder_of
from tests.mutation.trial import Verdict

KILLED_MIN_PCT = 95.0
EQUIVALENTS = Path(__file__).with_name("equivalents.toml")
PROGRESS_EVERY = 50


@dataclass(frozen=True, slots=True)
class Tried:
    """A module's verdicts; None: its tests fail without a mutant. `took_s` is of the processor."""

    path: str
    verdicts: Sequence[Verdict] | None
    equivalent: Mapping[str, str]
    took_s: float

    @property
    def judged(self) -> list[Verdict]:
        return [each for each in self.verdicts or () if each.name not in self.equivalent]

    @property
    def survivors(self) -> list[Verdict]:
        return [each for each in self.judged if not each.is_killed]

    @property
    def wrongly_excused(self) -> list[str]:
        """What equivalents.toml names though a test kills it, or though it is not there."""
        alive = {each.name for each in self.verdicts or () if not each.is_killed}
        return [name for name in self.equivalent if name not in alive]


def main(argv: Sequence[str] | None = None) -> int:
    """Try the modules that were asked for."""
    args = _parser().parse_args(argv)
    paths = _chosen(args)
    if unknown := [path for path in paths if path not in TESTS]:
        print(f"mutation: not among the pure modules: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    if args.list:
        print(*TESTS, sep="\n")
        return 0
    with ThreadPoolExecutor(args.jobs) as pool:
        tried = list(pool.map(_try, paths))
    _show(tried)
    if any(each.verdicts is None for each in tried):
        return 2
    return 0 if _killed_pct(tried) >= KILLED_MIN_PCT and not any(each.wrongly_excused for each in tried) else 1


def equivalents() -> dict[str, dict[str, str]]:
    """Return path -> name of a mutant -> why it means the same."""
    return tomllib.loads(EQUIVALENTS.read_text())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description="Change the pure modules a little; see what no test notices."
    )
    parser.add_argument(
        "--module", action="append", metavar="PATH", help="only this, as sync/merge.py; may be repeated"
    )
    parser.add_argument(
        "--since", metavar="REVISION", help="only modules that changed, or whose tests changed, since then"
    )
    parser.add_argument("--jobs", type=int, default=1, help="modules at a time (1); each keeps a core busy")
    parser.add_argument("--list", action="store_true", help="name the modules, and do nothing")
    return parser


def _chosen(args: argparse.Namespace) -> list[str]:
    paths = args.module or list(TESTS)
    if not args.since:
        return paths
    folders = ("sync", "devices", "tests/sync", "tests/devices")
    command = ("git", "diff", "--name-only", args.since, "--", *folders)
    changed = set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())
    return [path for path in paths if changed & {path, *_tests_of(path)}]


def _tests_of(path: str) -> set[str]:
    return {(folder_of(path) / name).relative_to(ROOT).as_posix() for name in TESTS.get(path, ())}


def _try(path: str) -> Tried:
    verdicts: list[Verdict] = []
    reader, writer = os.pipe()
    trial = subprocess.Popen(
        (sys.executable, "-m", "tests.mutation.trial", path, str(writer)), cwd=ROOT, pass_fds=(writer,)
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        count = int(lines.readline() or 0)
        for line in lines:
            verdicts.append(msgspec.json.decode(line, type=Verdict))
            if len(verdicts) % PROGRESS_EVERY == 0 or len(verdicts) == count:
                alive = sum(not each.is_killed for each in verdicts)
                print(f"{path}: {len(verdicts)} of {count} tried, {alive} live", file=sys.stderr)
    _, status, usage = os.wait4(trial.pid, 0)
    trial.returncode = os.waitstatus_to_exitcode(status)
    is_judged = trial.returncode == 0 and len(verdicts) == count
    verdicts.sort(key=lambda each: each.line)
    took_s = usage.ru_utime + usage.ru_stime
    return Tried(path, verdicts if is_judged else None, equivalents().get(path, {}), took_s)


def _killed_pct(tried: Sequence[Tried]) -> float:
    judged = sum(len(each.judged) for each in tried)
    return 100 - 100 * sum(len(each.survivors) for each in tried) / judged if judged else 100.0


def _show(tried: Sequence[Tried]) -> None:
    for each in tried:
        for verdict in each.survivors:
            print(f"{each.path}:{verdict.line}: {verdict.name}{'' if verdict.tests else ' (no test comes here)'}")
        for name in each.wrongly_excused:
            print(f"{each.path}: excused in {EQUIVALENTS.name}, but killed or gone: {name}")
    print(f"\n{'module':32}{'mutants':>9}{'killed':>8}{'alive':>7}{'same':>6}{'%':>7}{'s':>6}")
    for each in tried:
        print(
            _row(each.path, [each]) if each.verdicts is not None else f"{each.path:32}its tests fail without a mutant"
        )
    print(_row("all", tried))


def _row(label: str, tried: Sequence[Tried]) -> str:
    judged, alive = sum(len(each.judged) for each in tried), sum(len(each.survivors) for each in tried)
    same = sum(len(each.verdicts or ()) for each in tried) - judged
    took_s = sum(each.took_s for each in tried)
    return f"{label:32}{judged:9}{judged - alive:8}{alive:7}{same:6}{_killed_pct(tried):7.1f}{took_s:6.0f}"


if __name__ == "__main__":
    sys.exit(main())
