"""The table of docs/operating/durability.md: a line for each run of kills and power cuts, and their sum.

A run prints its line; with STOREHUB_FIGURES=docs/operating/durability.md it writes it there as well.
"""

import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| `(\S+)` \| (.+?) \| (\d+) \| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
SUMS = re.compile(r"(?<=<!-- sums -->\n)(?:- .*\n)*")


@dataclass(frozen=True, slots=True)
class Run:
    """What a run tried, and what it found: `cuts` of power (or kills), writes `answered`, `lost` and `doubled`."""

    what: str
    seed: int
    cuts: int
    answered: int
    lost: int
    doubled: int
    commit: str = ""

    def __str__(self) -> str:
        counts = f"{self.cuts} | {self.answered:,} | {self.lost} | {self.doubled} | {self.seed}"
        return f"| `{self.commit}` | {self.what} | {counts} |"


def note(run: Run) -> None:
    """Print a run's line, and write it where STOREHUB_FIGURES says."""
    print(run)
    if page := os.environ.get("STOREHUB_FIGURES"):
        path = PROJECT / page
        path.write_text(with_run(path.read_text(encoding="utf-8"), run), encoding="utf-8")


def head() -> str:
    """Return the commit that is tried; a `+` says that files differ from it."""
    told = ("git", "-C", str(PROJECT), "describe", "--always", "--dirty=+", "--exclude=*")
    return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()


def runs_of(page: str) -> list[Run]:
    """Return the runs in a page's table."""
    return [
        Run(what, int(seed), int(cuts), int(answered.replace(",", "")), int(lost), int(doubled), commit)
        for commit, what, cuts, answered, lost, doubled, seed in ROW.findall(page)
    ]


def with_run(page: str, run: Run) -> str:
    """Return the page with a run more below the others and the sums anew."""
    rows = list(ROW.finditer(page))
    end = rows[-1].end() if rows else page.rindex("|---|") + page[page.rindex("|---|") :].index("\n")
    page = f"{page[:end]}\n{run}{page[end:]}"
    return SUMS.sub(sums(runs_of(page)), page, count=1)


def sums(runs: list[Run]) -> str:
    """Return what all runs of a kind come to, a line each."""
    together: dict[str, Counter[str]] = {}
    for run in runs:
        counts = {"cuts": run.cuts, "answered": run.answered, "lost": run.lost, "doubled": run.doubled}
        together.setdefault(run.what, Counter()).update(counts)
    return "".join(
        f"- {what}: {count['cuts']} in all, {count['answered']:,} writes answered, {count['lost']} of them lost, "
        f"{count['doubled']} doubled\n"
        for what, count in together.items()
    )
