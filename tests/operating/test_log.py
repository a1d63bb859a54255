"""The log under systemd: each line has its priority, elsewhere it is JSON and nothing else."""

import json
import os
import subprocess
import sys

import pytest

SAY = """
import logging
from hub.log import start_logging
start_logging("DEBUG")
for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
    logging.getLogger("hub.app").log(level, "said", extra={"level_no": level})
"""


@pytest.mark.parametrize("is_journal", [True, False])
def test_priorities_are_for_the_journal_alone(is_journal: bool) -> None:
    reading, writing = os.pipe()
    there = os.fstat(writing)
    stream = f"{there.st_dev}:{there.st_ino}" if is_journal else "1:1"
    subprocess.run([sys.executable, "-c", SAY], env=os.environ | {"JOURNAL_STREAM": stream}, stderr=writing, check=True)
    os.close(writing)
    with os.fdopen(reading) as said:
        lines = said.read().splitlines()

    wanted = ["<7>", "<6>", "<4>", "<3>"] if is_journal else [""] * 4
    assert [line.partition("{")[0] for line in lines] == wanted
    assert [json.loads(line.removeprefix(begin))["level_no"] for line, begin in zip(lines, wanted, strict=True)] == [
        10,
        20,
        30,
        40,
    ]
