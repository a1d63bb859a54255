"""A scripted day for real: an honest short one and one with a planted fault in every run, each fault with --full."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

DAY_TIMEOUT_S = 300
SHORT_S = "12"
FAULTS = ["miscount", "lose", "double", "misprint", "oversell"]  # all of them with --full


async def play(*options: str) -> tuple[int, str]:
    """Return the exit code of a short day and what it said."""
    day = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "demo", "--once", "--day-seconds", SHORT_S, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    async with asyncio.timeout(DAY_TIMEOUT_S):
        said, _ = await day.communicate()
    assert day.returncode is not None
    return day.returncode, said.decode()


async def test_an_honest_day_holds_every_promise_and_leaves_nothing_behind() -> None:
    code, said = await play()

    assert code == 0, said
    assert "VERDICT: all 8 promises hold" in said
    folder = Path(said.splitlines()[0].split(" in ")[1].split(";")[0])
    assert folder.is_absolute() and not folder.exists()


@pytest.mark.parametrize("fault", FAULTS if os.environ.get("STOREHUB_FULL") else FAULTS[:1])
async def test_a_planted_fault_is_named_and_no_other_also_when_the_evidence_is_read_again(
    fault: str, tmp_path: Path
) -> None:
    """The second reading needs no cloud: the first has kept what it was told."""
    code, said = await play("--data", str(tmp_path / "day"), "--break", fault)
    evidence = tmp_path / "day" / "evidence"
    auditor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.demo.auditor", str(evidence), "--saved"), stdout=asyncio.subprocess.PIPE
    )
    again, _ = await auditor.communicate()

    assert (code, auditor.returncode) == (1, 1), said
    assert f"VERDICT: BROKEN: {fault} (1)\n" in again.decode()
    assert again.decode() in said
