"""Kills at drawn moments while the log is copied beside the writer: what was answered is there once, and the file is whole.

A kill leaves the kernel what was written; what a disk loses with its power is tried in the virtual machine (tests/appliance).
"""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

SEED, KILLS = 20261123, 8
ANSWERED_MIN = 40  # before the kill: the log was copied twice and more
SELL = """
import asyncio, sys
from pathlib import Path
from sync import checkpoints
checkpoints.CHECKPOINT_PAGES = 60
from hub.migrations import MIGRATIONS
from sync.db import open_database

async def main():
    async with open_database(Path(sys.argv[1]), migrations=MIGRATIONS) as db:
        await db.write(lambda tx: tx.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT) STRICT"))
        put = lambda tx: tx.execute("INSERT INTO note (text) VALUES (?) RETURNING id", ("x" * 700,)).fetchone()[0]
        while True:
            for number in await asyncio.gather(*(db.write(put, is_brief=True) for _ in range(4))):
                print(number, flush=True)

asyncio.run(main())
"""


def test_no_answered_write_is_lost_by_a_kill_while_the_log_is_copied(tmp_path: Path) -> None:
    path, rng, answered = tmp_path / "hub.db", random.Random(SEED), 0
    for kill in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", SELL, str(path)], stdout=subprocess.PIPE, text=True) as seller:
            assert seller.stdout is not None
            lines = [seller.stdout.readline() for _ in range(ANSWERED_MIN + rng.randrange(300))]
            seller.kill()
            lines += [line for line in seller.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        answered = int(lines[-1])
        with closing(sqlite3.connect(path)) as read:
            kept = read.execute("SELECT count(*), min(id), max(id) FROM note").fetchone()
            assert read.execute("PRAGMA integrity_check").fetchone() == ("ok",), f"seed {SEED}, kill {kill}"
        assert kept[0] == kept[2] >= answered, f"seed {SEED}, kill {kill}"
