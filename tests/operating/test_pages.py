"""The pages: commands that need no rig are run, what the program is said to say it says, links of docs/operating lead somewhere.

A block that is fenced as `console` is run, line by line, in the morning's folder beside its hub that runs again: `$ ` begins a
command, SALE is the sale's id, port 8080 the hub's. `…` in the output is anything, and the program may say more. Other blocks
need a rig, root or another machine, and are read by people.
"""

import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from tests.operating.test_monitoring_files import headings

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/operating").glob("*.md"))
NO_CONFIG = ("follow", "--version", "backup new-key", "backup check")  # these ask no hub
COMMAND = re.compile(r"\bstorehub ([^|;&>]+)")
READY_S = 60.0
SOURCES = "\n".join(path.read_text() for room in ("hub", "sync", "devices") for path in (ROOT / room).rglob("*.py"))
CONSOLE = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
UNIT = re.compile(r"(?:systemctl (?:[a-z-]+ )+|journalctl -u )(store[\w-]+)")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def said_messages() -> Iterator[str]:
    """What tables of `it says` quote."""
    is_inside = False
    for line in (ROOT / "docs/operating/troubleshoot.md").read_text().splitlines():
        is_inside = line.startswith("| it says |") or (is_inside and line.startswith("|"))
        if is_inside and (quoted := re.match(r"\| `([^`]+)`", line)):
            yield quoted[1]


def blocks() -> list[tuple[str, str]]:
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return [(page.name, block) for page in pages for block in CONSOLE.findall(page.read_text())]


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block with the output that is promised."""
    for part in re.split(r"^ *\$ ", block, flags=re.MULTILINE)[1:]:
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
        else:
            dead.append(target)
    assert not dead


def test_units_that_pages_and_messages_name_are_there() -> None:
    placed = [*(ROOT / "systemd").iterdir(), *(ROOT / "ansible/roles/store_hub/templates").iterdir()]
    alerts = (ROOT / "docs/operating/monitoring/alerts.yml").read_text()
    named = set(
        UNIT.findall("\n".join([SOURCES, alerts, *(page.read_text() for page in (ROOT / "docs").rglob("*.md"))]))
    )

    assert {"storehub", "storehub-backup"} <= named <= {path.name.partition(".")[0] for path in placed}


@pytest.fixture(scope="session")
def running(morning: Any) -> Iterator[Any]:
    """The morning's hub, started again."""
    log = morning.folder / "again.log"
    with log.open("wb") as out:
        words = [sys.executable, "-m", "hub", "run", "--config", "hub.toml"]
        hub = subprocess.Popen(words, cwd=morning.folder, stderr=out)
    try:
        until_s = time.monotonic() + READY_S
        while "hub ready" not in log.read_text():
            assert time.monotonic() < until_s and hub.poll() is None, log.read_text()
            time.sleep(0.02)
        yield morning
    finally:
        hub.terminate()
        hub.wait()


@pytest.mark.parametrize(("page", "block"), blocks(), ids=lambda each: each.partition("\n")[0][:40])
def test_what_a_page_lets_one_type_does_what_it_says(page: str, block: str, running: Any) -> None:
    for command, promised in commands(block):
        printed = typed(command, running)
        wanted = [re.escape(line).replace("…", ".*") for line in promised.strip().splitlines()]
        unseen = [line for line in wanted if not re.search(f"^{line}\\s*$", printed, re.MULTILINE)]
        assert not unseen, f"{page}: {command}\n{printed}"


def typed(command: str, morning: Any) -> str:
    """Return what a command prints there, wherever to; one that is no command, or has no such option, is a failure."""
    port = tomllib.loads((morning.folder / "hub.toml").read_text())["api"]["port"]
    here = command.replace("SALE", morning.sale_id).replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    here = COMMAND.sub(lambda said: said[0] + ("" if said[1].startswith(NO_CONFIG) else " --config hub.toml "), here)
    if here.startswith("storehub ") and not set(here) & set("|;&><$"):
        return typed_here(shlex.split(here, comments=True)[1:], morning.folder)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", here],
        cwd=morning.folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in (0, 1), f"{command}: {ended.stderr}"
    return ended.stdout + ended.stderr


def typed_here(words: list[str], folder: Path) -> str:
    """As `typed`, of one of ours alone: in this process it takes a tenth of the time."""
    with chdir(folder), StringIO() as said, redirect_stdout(said), redirect_stderr(said):
        assert main(words) in (0, 1)
        return said.getvalue()


def test_blocks_are_run_at_all() -> None:
    assert len(blocks()) >= 2


def _joined(message: str) -> bool:
    """A sentence that the source breaks into several strings, or fills in."""
    plain = re.sub(r'"\s*\n\s*f?"', "", SOURCES)
    return message in plain
