"""Failpoints: the process dies by SIGKILL at the named moment, at the n-th time, and never otherwise."""

import os
import signal
import subprocess
import sys

import pytest

HITS = (
    "from sync.failpoints import hit\nfor name in ('a', 'b', 'a', 'a'):\n    print(name, flush=True)\n    hit(name)\n"
)


@pytest.mark.parametrize(
    ("wanted", "lines", "code"),
    [
        ("", 4, 0),
        ("other", 4, 0),
        ("a", 1, -signal.SIGKILL),
        ("b", 2, -signal.SIGKILL),
        ("a:2", 3, -signal.SIGKILL),
        ("a:3", 4, -signal.SIGKILL),
        ("a:4", 4, 0),
    ],
)
def test_the_process_dies_where_the_environment_says(wanted: str, lines: int, code: int) -> None:
    environment = os.environ | {"STOREHUB_FAILPOINT": wanted}

    done = subprocess.run([sys.executable, "-c", HITS], env=environment, capture_output=True, text=True, check=False)

    assert (len(done.stdout.split()), done.returncode) == (lines, code)
