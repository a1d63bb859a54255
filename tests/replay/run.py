"""Replay the set: `.venv/bin/python tests/replay/run.py FILE --seed N [--share PCT] [--weeks N] [--folder DIR]`.

FILE is the online retail set (CSV, packed or not) or one in its form; tests/replay/twin.csv without one.
"""

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.replay.auditors import Finding, audit
from tests.replay.judge import Expected, judge, text_of
from tests.replay.plan import Plan
from tests.replay.script import read_script
from tests.replay.shops import play

_DAY = re.compile(r"(?<=,)20[0-9]{2}-[0-9]{2}-[0-9]{2}(?= [0-9:]{8},)")
TWIN = Path(__file__).parent / "twin.csv"


@dataclass(frozen=True)
class Replayed:
    """How a replay ended."""

    findings: list[Finding]
    expected: Expected
    counts: Counter[str]
    said: str


def replay(path: Path, plan: Plan, folder: Path, *, weeks: int = 0) -> Replayed:
    """Play a file, or so many weeks of it; work out what must come of it, hold one against the other."""
    command = f".venv/bin/python tests/replay/run.py {path} --seed {plan.seed} --share {plan.share_pct}"
    command += f" --weeks {weeks}" if weeks else ""
    print(f"replay with: {command}", flush=True)
    began_s, cpu_s = time.monotonic(), time.process_time()
    path = cut(path, folder / "cut.csv", seed=plan.seed, weeks=weeks) if weeks else path
    script = read_script(path, plan)
    counts = asyncio.run(play(folder, script, plan)) + script.counts
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    expected = judge(path, plan, folder / "deliveries.json")
    lines = [
        f"replay with: {command}",
        f"{expected.rows} rows in {took_s / 60:.1f} min: {expected.rows / took_s:.0f} rows/s, {cpu_s:.0f} s of CPU",
        *(f"  {fate}: {n} rows, {money} GBP" for fate, (n, money) in expected.fates.items()),
        "  " + ", ".join(f"{n} x {what}" for what, n in sorted(counts.items())),
    ]
    return Replayed(audit(folder, expected), expected, counts, "\n".join(lines))


def cut(path: Path, to: Path, *, seed: int, weeks: int) -> Path:
    """Write the rows of so many weeks, drawn by the seed, to a file of their own."""
    head, *lines = text_of(path).removesuffix("\n").split("\n")
    days = [match[0] for line in lines if (match := _DAY.search(line))]
    first = date.fromisoformat(min(days))
    spans = max(1, ((date.fromisoformat(max(days)) - first).days + 1) // 7 - weeks)
    begins = first + timedelta(weeks=random.Random(f"{seed} cut").randrange(spans))
    ends = begins + timedelta(weeks=weeks)
    kept = [line for line, day in zip(lines, days, strict=True) if str(begins) <= day < str(ends)]
    to.write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")
    return to


def main() -> int:
    """Run; the exit code says whether the books balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=TWIN)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=int, default=100, help="per cent of the customers")
    parser.add_argument("--weeks", type=int, default=0, help="so many weeks, drawn by the seed; all without")
    parser.add_argument("--folder", type=Path, help="where the books stay; a temporary one without")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        ran = replay(args.file, Plan(args.seed, args.share), folder, weeks=args.weeks)
    print(ran.said)
    for finding in ran.findings:
        print(f"{finding.auditor}: {finding.detail}")
    print("the books do not balance" if ran.findings else "the books balance to the unit and the penny")
    return 1 if ran.findings else 0


if __name__ == "__main__":
    sys.exit(main())
