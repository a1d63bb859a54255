"""The trial of one module: its tests run once, noting the lines they pass; then each mutant in a fork, until a test fails.

    a mutant in a function         the tests are imported already: the code of the functions is exchanged in the fork, and only
                                   tests that pass its statement run, the quickest first
    one that counts at the import  a fork from before the import, with the mutant in place of the module; all tests run. So is one
                                   that leaves out what a closure holds: the code of a living closure cannot be exchanged for it

A fork that takes too long or too much memory is killed, and so is its mutant; what counts is the time of the processor, so that
a busy machine kills nobody. Hypothesis draws the same examples each time and does not shrink. `python -m tests.mutation.trial
PATH FD` writes a line of JSON for each mutant to a file descriptor, for tests.mutation.
"""

import gc
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from functools import _lru_cache_wrapper
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing import get_context
from pathlib import Path
from signal import ITIMER_PROF, setitimer
from tempfile import TemporaryDirectory
from time import process_time
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.modules import ROOT, TESTS, folder_of
from tests.mutation.mutants import Mutant, mutants_of

MEMORY_MAX = 4 * 1024**3  # bytes of addresses: a loop that never ends must not take the machine with it
PATIENCE = 5  # times as long as it took without a mutant
PATIENCE_S = 2.0  # and this on top
IMPORT_S = 30.0  # imports take no longer
STUCK = 50  # times as long by the clock on the wall: it waits for something that never comes
FORK = get_context("fork")


class Verdict(msgspec.Struct):
    """What became of a mutant. `tests` is how many pass it."""

    line: int
    name: str
    is_killed: bool
    tests: int


def main(path: str) -> int:
    """Try all mutants of a module; return 0, or 1 when its tests fail without one."""
    with TemporaryDirectory() as folder:
        sys.pycache_prefix, sys.dont_write_bytecode = folder, False
        os.environ["STOREHUB_SEED"] = "1"  # for the tests that draw without Hypothesis
        text, file_name = (ROOT / path).read_text(), str(ROOT / path)
        unchanged, mutants = compile(text, file_name, "exec"), list(mutants_of(text, file_name))
        _say(len(mutants))
        receiver, sender = FORK.Pipe(duplex=False)
        bench = FORK.Process(target=_try_imported, args=(path, unchanged, mutants, sender))
        bench.start()
        sender.close()
        try:
            took_s, early = receiver.recv()
        except EOFError:
            return 1
        bench.join()
        before_s = _children_s()
        if early and _ends_badly(_run_planted, (path, unchanged), took_s + IMPORT_S):
            return 1
        planted_s = took_s + _children_s() - before_s
        for mutant in (mutants[index] for index in early):
            is_killed = _ends_badly(_run_planted, (path, mutant.code), planted_s)
            _say(Verdict(mutant.line, mutant.name, is_killed, len(TESTS[path])))
    return 0


def _try_imported(path: str, unchanged: CodeType, mutants: Sequence[Mutant], sender: Any) -> None:
    judge = _Judge(path, unchanged, mutants)
    if _pytest(path, judge) != 0 or judge.took_s is None:
        print(f"{path}: its tests fail without a mutant", file=sys.stderr)
        sys.exit(1)
    sender.send((judge.took_s, judge.early))


def _run_planted(path: str, code: CodeType) -> int:
    sys.meta_path.insert(0, _Planted(path.removesuffix(".py").replace("/", "."), code))
    return _pytest(path)


def _pytest(path: str, *plugins: object) -> int:
    folder = folder_of(path)
    files = [str(folder / name) for name in TESTS[path]]
    log = Path(os.devnull).open("w")  # noqa: SIM115
    os.dup2(log.fileno(), 1)
    _settle_hypothesis()
    # the tests of pure modules share nothing with the hub's: its conftest stays out, and with it seconds of imports
    options = [
        "-x",
        f"--rootdir={ROOT}",
        f"--confcutdir={folder}",
        "-W",
        "ignore::pytest.PytestWarning",
    ]
    return int(pytest.main([*options, *files], plugins=list(plugins)))


def _settle_hypothesis() -> None:
    settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    settings.load_profile("mutation")


class _Judge:
    """A pytest plugin that runs the tests once and then again for each mutant, in forks."""

    def __init__(self, path: str, unchanged: CodeType, mutants: Sequence[Mutant]) -> None:
        self.took_s: float | None = None
        self.early: list[int] = []
        self._file = str(ROOT / path)
        self._unchanged = unchanged
        self._mutants = mutants
        self._unseen: dict[CodeType, set[int]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Iterator[None]:
        """Note what runs while the tests are imported."""
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        at_import = self._seen()
        passed = {}
        began_s = process_time()
        for item in session.items:
            if not self._passes(item, passed):
                return None
        took_s = process_time() - began_s
        parts = _Parts(self._file)
        gc.freeze()  # no fork looks through what it has from here, which would copy it
        if _ends_badly(_run_swapped, (parts, self._unchanged, [(took_s, item) for item in session.items]), took_s):
            return None
        self.took_s = took_s
        for index, mutant in enumerate(self._mutants):
            if mutant.is_early or at_import.intersection(mutant.lines) or not parts.fit(mutant.code):
                self.early.append(index)
                continue
            found = [(each_s, item) for item, (each_s, lines) in passed.items() if lines.intersection(mutant.lines)]
            found.sort(key=lambda each: each[0])
            is_killed = bool(found) and _ends_badly(_run_swapped, (parts, mutant.code, found), took_s)
            _say(Verdict(mutant.line, mutant.name, is_killed, len(found)))
        return True

    def _passes(self, item: pytest.Item, passed: dict[pytest.Item, tuple[float, set[int]]]) -> bool:
        began_s = process_time()
        sys.settrace(self._trace)
        try:
            is_passed = _run(item)
        finally:
            sys.settrace(None)
        passed[item] = process_time() - began_s, self._seen()
        return is_passed

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Note the lines of the file; a function of which all are noted is traced no further, for it may be called a lot."""
        code = frame.f_code
        if code.co_filename != self._file:
            return None
        unseen = self._unseen.get(code)
        if unseen is None:
            unseen = self._unseen[code] = _lines_of(code)
        unseen.discard(frame.f_lineno)
        return self._trace if unseen else None

    def _seen(self) -> set[int]:
        """Return the lines that were passed since the last time."""
        seen = {line for code, unseen in self._unseen.items() for line in _lines_of(code) - unseen}
        self._unseen = {}
        return seen


class _Parts:
    """The living functions of a file, and what they remember."""

    def __init__(self, file: str) -> None:
        living = gc.get_objects()
        self._functions = [each for each in living if type(each) is FunctionType and each.__code__.co_filename == file]
        self._memories = [each for each in living if type(each) is _lru_cache_wrapper]

    def fit(self, code: CodeType) -> bool:
        """Whether living closures can have this code: it closes over the same names."""
        changed = {_key(each): each.co_freevars for each in _codes(code)}
        living = [function.__code__ for function in self._functions]
        return all(changed.get(_key(each), each.co_freevars) == each.co_freevars for each in living)

    def swap(self, code: CodeType) -> None:
        """Exchange the code of all functions that are in `code`."""
        changed = {_key(each): each for each in _codes(code)}
        for function in self._functions:
            function.__code__ = changed.get(_key(function.__code__), function.__code__)
        for each in self._memories:
            each.cache_clear()


class _Planted(MetaPathFinder, Loader):
    """Imports a mutant in place of its module."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._module, self._code = module, code

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return ModuleSpec(fullname, self, origin=self._code.co_filename)

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._code.co_filename
        exec(self._code, module.__dict__)


def _run_swapped(parts: _Parts, code: CodeType, tests: Sequence[tuple[float, pytest.Item]]) -> int:
    parts.swap(code)
    for took_s, item in tests:
        _allow(took_s)
        if not _run(item):
            return 1
    return 0


def _run(item: pytest.Item) -> bool:
    from _pytest.runner import runtestprotocol

    return all(report.passed or report.skipped for report in runtestprotocol(item, log=False, nextitem=None))


def _ends_badly(run: Any, given: tuple[Any, ...], took_s: float) -> bool:
    """Run it in a fork; say whether it returns anything but 0, dies, or takes too long."""
    fork = FORK.Process(target=_end_with, args=(run, given, took_s))
    fork.start()
    fork.join(STUCK * (took_s * PATIENCE + PATIENCE_S))
    if fork.exitcode is None:
        fork.kill()
        fork.join()
    return fork.exitcode != 0


def _end_with(run: Any, given: tuple[Any, ...], took_s: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    _allow(took_s)
    os._exit(run(*given))


def _allow(took_s: float) -> None:
    """Let this fork go on for as long as that takes, with patience; a signal ends it then."""
    setitimer(ITIMER_PROF, took_s * PATIENCE + PATIENCE_S)


def _children_s() -> float:
    """Return the time of the processor that all forks took which have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _lines_of(code: CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line is not None}


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _say(value: object) -> None:
    os.write(int(sys.argv[2]), msgspec.json.encode(value) + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
