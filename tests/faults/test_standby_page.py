"""docs/operating/standby.md: its commands on two hubs that were set up as it says, their output held against what it shows."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

from tests.faults.test_standby import clients, join, report, until

PAGE = Path(__file__).parents[2] / "docs" / "operating" / "standby.md"


def steps() -> list[tuple[str, str, str]]:
    """Return each command with the machine that it is for and the output shown under it."""
    found = re.findall(
        r"^```sh (first|second)\n(.*?)^```$\s*^```text\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return [(machine, command, shown) for machine, command, shown in found]


def shape(text: str) -> str:
    """Return a text with each life and port in the place of which another may come; of lines only which there are."""
    text = re.sub(r"hk01:(…|[0-9a-f]{16})", "LIFE", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text))
    return "\n".join(sorted(text.strip().splitlines()))


async def test_every_command_of_the_page_says_what_the_page_shows(hub_process: Any, monkeypatch: Any) -> None:
    first, second = hub_process(folder="first"), hub_process(folder="second")
    await first.start()
    await join(first, second)
    await until(lambda: clients(second), lambda known: known == set())
    settled = lambda said: said["hubs"]["items"][0]["role"] == "followed"  # noqa: E731
    await until(lambda: report(second), settled)
    assert len(steps()) == 4
    for machine, command, shown in steps():
        hub = first if machine == "first" else second
        words = [*command.split()[1:], "--config", str(hub.folder / "hub.toml")]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", *words), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert (process.returncode, shape(said.decode())) == (0, shape(shown)), command
