"""`storehub follow KEY [--log FILE …] [--since WHEN]`: one sale's way through the journal, or through logs that were kept.

Exit code 0: all that is to happen has happened; 1: something is missing, which is named, or nothing is known of the sale.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hub.monitoring.following import follow, read_lines
from sync.errors import StartError

UNITS = ("storehub", "storehub-cloud")
JOURNAL_TIMEOUT_S = 120  # a week of a busy shop on a slow card


def follow_sale(key: str, *, logs: Sequence[Path], since: str) -> int:
    """Print the steps, then what is missing."""
    found = follow(read_lines(_lines(logs, since)), key)
    if not found.steps:
        print(f"nothing is said of {key!r} there; `storehub explain` asks the books")
        return 1
    for step in found.steps:
        print(f"{step.at}  {step.where:5} {step.what:9}  {step.said}")
    for missing in found.missing:
        print(f"→ {missing}")
    return 1 if found.missing else 0


def _lines(logs: Sequence[Path], since: str) -> Iterator[str]:
    if not logs:
        yield from _journal(since)
    for path in logs:
        if str(path) == "-":
            yield from sys.stdin
            continue
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from file
        except OSError as err:
            raise StartError(f"{path}: {err.strerror}") from err


def _journal(since: str) -> Iterator[str]:
    units = [f"--unit={unit}" for unit in UNITS]
    command = ["journalctl", *units, "--output=cat", "--no-pager", f"--since={since}"]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=JOURNAL_TIMEOUT_S, check=False)  # noqa: S603 - no shell
    except FileNotFoundError as err:
        raise StartError("there is no journalctl here; name the log's file with --log FILE") from err
    except subprocess.TimeoutExpired as err:
        raise StartError(f"journalctl took longer than {JOURNAL_TIMEOUT_S} s; ask for less with --since") from err
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip()
        raise StartError(f"journalctl: {said or ended.returncode}; run it as root, or name a file with --log FILE")
    yield from ended.stdout.decode(errors="replace").splitlines()
