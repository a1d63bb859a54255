"""Every code that the hub can answer with has its title and remedy in both languages."""

import ast
import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import get_args

import hub
from hub.api import problems
from hub.api.stock import attention
from hub.medium.segments import MediumError
from sync.errors import ConfigError, ProtocolError, StartError, SyncError
from sync.line.wire import WireError
from sync.storage_faults import StorageFault

FOLDER = Path(inspect.getfile(hub)).parent
SYNC = FOLDER.parent / "sync"
# these end the start, and carry no code of their own; the last is a reason of a line (sync.line.state, hub.standby.line)
NEVER_ANSWERED = {ConfigError.__name__, StartError.__name__, WireError.__name__, MediumError.__name__}
SAYS_ITS_CODE = {ProtocolError.__name__}  # is given what was wrong, and has the one code
UNASKED = SYNC / "retail" / "stock" / "rights.py"  # the rules of counters: no request runs into them
AT_A_COMMAND = {
    *(
        "till",
        "cashier",
        "cashier_known",
        "cashier_number_taken",
        "pin_weak",
        "pin_form",
        "pin_locked",
        "no_authority",
        "joined",
    ),
}
SHARED = (
    *((path, {"RuleError", "Finding"}) for path in sorted((SYNC / "retail").rglob("*.py")) if path != UNASKED),
    (SYNC / "clock.py", {"RuleError"}),
    (FOLDER / "store" / "people" / "coupons.py", {"Against"}),
    (SYNC / "db.py", {"BusyError", "OutcomeUnknownError"}),
)


def error_names() -> set[str]:
    """Return the names of all errors of the hub, wherever they are declared."""
    for module in pkgutil.walk_packages(hub.__path__, "hub."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, todo = set(), [SyncError]
    while todo:
        found.add((kind := todo.pop()).__name__)
        todo += kind.__subclasses__()
    return found - NEVER_ANSWERED - SAYS_ITS_CODE


def codes_in(path: Path, names: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (code, place) of each error or problem that a file makes with a literal code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        place = 1 if name == "problem" else 0 if name in names else None
        if place is None or len(node.args) <= place:
            continue
        code = node.args[place]
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            yield code.value, f"{path.name}:{node.lineno}"


def used_codes() -> dict[str, str]:
    names = error_names()
    files = [*((path, names) for path in FOLDER.rglob("*.py")), *SHARED]
    return {code: place for path, known in files for code, place in codes_in(path, known)}


def edge_codes() -> set[str]:
    """The codes that the API edge gives to HTTP errors of aiohttp, and those of a disk that refuses."""
    return {"not_found", "method_not_allowed", "too_large", "internal", *get_args(StorageFault)}


def test_every_code_has_texts_in_both_languages() -> None:
    used = used_codes()
    assert len(used) > 30, "the search finds the codes"

    for language in problems.LANGUAGES:
        said = problems.texts(language)
        missing = {code: place for code, place in used.items() if code not in said} | dict.fromkeys(
            edge_codes() - set(said)
        )
        assert missing == {}, language


def test_both_languages_say_the_same_things() -> None:
    en, zh = (problems.texts(language) for language in problems.LANGUAGES)

    assert set(en) == set(zh)
    for texts in (en, zh):
        for code, text in texts.items():
            assert set(text) == {"title", "remedy"} and all(value.strip() for value in text.values()), code


def test_the_chinese_texts_are_chinese() -> None:
    for code, text in problems.texts("zh-Hant").items():
        assert any("\u4e00" <= char <= "\u9fff" for char in text["title"]), code
        assert any("\u4e00" <= char <= "\u9fff" for char in text["remedy"]), code


def test_no_text_is_left_behind_by_a_code_that_is_gone() -> None:
    lines = {f"attention_{kind}" for kind in attention.KINDS}  # of the manager's list

    assert set(problems.texts("en")) - set(used_codes()) - edge_codes() == lines


def test_what_a_command_or_the_console_shows_names_no_route_of_the_api() -> None:
    """At a command line, or on the manager's page, nobody can send a request: a command, a page or a till is named."""
    shown = {code for code in problems.texts("en") if code.startswith("attention_")} | AT_A_COMMAND
    for language in problems.LANGUAGES:
        remedies = {code: problems.texts(language)[code]["remedy"] for code in shown}
        assert {code: text for code, text in remedies.items() if "/v1/" in text} == {}


def test_each_file_of_texts_is_for_one_language() -> None:
    files = [file.name for file in resources.files("hub.texts").iterdir() if file.name.endswith(".toml")]

    assert sorted(files) == sorted(
        f"{of}{language}.toml" for language in problems.LANGUAGES for of in ("", "attention.")
    )
    for file in files:
        tomllib.loads(resources.files("hub.texts").joinpath(file).read_text(encoding="utf-8"))
