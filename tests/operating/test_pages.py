"""The pages of docs/operating: commands that need no rig are run, what the program is said to say it says, links lead somewhere.

A block that is fenced as `console` is run, line by line, in the morning's folder, its hub stopped; SALE is the sale's id, `…` in
its output is anything, and the program may say more. Other blocks need a rig, root or another machine, and are read by people.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operating.test_monitoring_files import headings

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/operating").glob("*.md"))
TO_COME = {"service.md", "install.md", "deploy.md", "upgrade.md", "recover.md", "disk-and-line.md", "durability.md"}
NO_CONFIG = {"follow", "--version"}
SOURCES = "\n".join(path.read_text() for room in ("hub", "sync", "devices") for path in (ROOT / room).rglob("*.py"))
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def said_messages() -> Iterator[str]:
    """What tables of `it says` quote."""
    is_inside = False
    for line in (ROOT / "docs/operating/troubleshoot.md").read_text().splitlines():
        is_inside = line.startswith("| it says |") or (is_inside and line.startswith("|"))
        if is_inside and (quoted := re.match(r"\| `([^`]+)`", line)):
            yield quoted[1]


def blocks() -> list[tuple[str, str]]:
    return [(page.name, block) for page in PAGES for block in CONSOLE.findall(page.read_text())]


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block with the output that is promised."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command.partition("  #")[0].strip(), output


@pytest.mark.parametrize("message", list(said_messages()))
def test_what_troubleshoot_quotes_is_what_the_program_says(message: str) -> None:
    texts = (ROOT / "hub/texts/en.toml").read_text()

    assert message in SOURCES or message in texts or _joined(message)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target, anchor in LINK.findall(page.read_text()):
        there = (page.parent / target).resolve() if target else page
        if there.exists():
            dead += [f"{target}#{anchor}"] if anchor and anchor not in set(headings(there)) else []
        elif target not in TO_COME:
            dead.append(target)
    assert not dead


@pytest.mark.parametrize(("page", "block"), blocks(), ids=lambda each: each.partition("\n")[0][:40])
def test_what_a_page_lets_one_type_does_what_it_says(
    page: str, block: str, morning: Any, storehub: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(morning.folder)
    for command, promised in commands(block):
        words = shlex.split(command.replace("SALE", morning.sale_id))
        assert words[0] == "storehub", f"{page}: only commands of ours run in a test: {command}"
        _, printed = storehub(*words[1:], *(["--config", "hub.toml"] if words[1] not in NO_CONFIG else []))
        wanted = [re.escape(line).replace("…", ".*") for line in promised.strip().splitlines()]
        unseen = [line for line in wanted if not re.search(f"^{line}\\s*$", printed, re.MULTILINE)]
        assert not unseen, f"{page}: {command}\n{printed}"


def test_blocks_are_run_at_all() -> None:
    assert len(blocks()) >= 2


def _joined(message: str) -> bool:
    """A sentence that the source breaks into several strings, or fills in."""
    plain = re.sub(r'"\s*\n\s*f?"', "", SOURCES)
    return message in plain
