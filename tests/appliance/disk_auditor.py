"""Read a machine's disk on this host after its power was cut: no kernel of its own, no code of the hub's.

e2fsck replays the journal as a boot does and judges the file system; debugfs takes the hub's files out of it. What the
database says is asked of plain SQLite (tests/faults/verdict.py).
"""

import shutil
import subprocess
from pathlib import Path

from tests.faults.verdict import Verdict, read_verdict

FILES = ("hub.db", "hub.db-wal")
MENDED = 1  # e2fsck's exit code: what a boot mends by itself, as free counts and the list of deleted files


class DiskDamagedError(AssertionError):
    """The file system wants a person: it is not what a journal leaves."""


def read_disk(image: Path, *, folder: str, to: Path) -> Verdict:
    """Mend a disk image as a boot would, copy the hub's files from `folder` in it, and say what is in them.

    Raise DiskDamagedError when mending took more than the journal, or when it left damage. The image is changed.
    """
    mended = subprocess.run(["/sbin/e2fsck", "-f", "-p", image], capture_output=True, text=True, check=False)
    checked = subprocess.run(["/sbin/e2fsck", "-f", "-n", image], capture_output=True, text=True, check=False)
    if mended.returncode > MENDED or checked.returncode:
        raise DiskDamagedError(f"e2fsck said {mended.returncode}: {mended.stdout}{mended.stderr}{checked.stdout}")
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for name in FILES:
        _dump(image, f"{folder}/{name}", to / name)
    return read_verdict(to)


def _dump(image: Path, path: str, to: Path) -> None:
    """Copy a file out of an image; one that is not in it is not there afterwards, either."""
    subprocess.run(["/sbin/debugfs", "-R", f"dump {path} {to}", image], capture_output=True, check=True)
