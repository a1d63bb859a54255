"""The trail of sales: said often, written together, each line with when it was said; nothing said is lost at the end."""

import json
import os
import subprocess
import sys
from datetime import datetime
from typing import Any

SAY = """
import asyncio, logging
from hub.log import start_logging
from hub.monitoring import trail
start_logging(%r)

async def main():
    for n in range(3):
        trail.say("sale recorded", sale=f"s{n}")
        await asyncio.sleep(0.01)
    logging.getLogger("hub.app").info("between")
    %s

asyncio.run(main())
trail.say("sale recorded", sale="after the loop")
"""


def said(*, level: str = "INFO", then: str = "pass") -> list[dict[str, Any]]:
    ran = subprocess.run([sys.executable, "-c", SAY % (level, then)], capture_output=True, check=True, text=True)
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_lines_come_together_a_little_later_with_the_time_when_each_was_said() -> None:
    lines = said(then="await asyncio.sleep(0.2); logging.getLogger('hub.app').info('behind')")

    assert [line.get("sale", line["message"]) for line in lines] == [
        *("between", "s0", "s1", "s2", "behind"),
        "after the loop",
    ]
    assert {(line["level"], line["logger"], line["message"]) for line in lines[1:4]} == {
        ("INFO", "hub.trail", "sale recorded")
    }
    between, first, second, third = (datetime.fromisoformat(line["at"]) for line in lines[:4])
    assert first < second < third <= between


def test_what_was_said_right_before_the_end_is_written() -> None:
    assert [line["sale"] for line in said() if "sale" in line] == ["after the loop", "s0", "s1", "s2"]


def test_a_log_of_warnings_has_no_trail() -> None:
    assert said(level="WARNING") == []


def test_a_log_that_nobody_reads_any_more_stops_nobody_who_sells() -> None:
    """The trail is said where a commit is told: what is raised there would end the writer."""
    reading, writing = os.pipe()
    os.close(reading)
    sold = "[trail.say('sale recorded', sale=f'n{n}') for n in range(1000)]; print('sold on', flush=True)"
    ran = subprocess.run(
        [sys.executable, "-c", SAY % ("INFO", sold)], check=True, stdout=subprocess.PIPE, stderr=writing, text=True
    )
    os.close(writing)

    assert ran.stdout == "sold on\n"
