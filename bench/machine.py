"""What a figure depends on: the machine, the versions, the digests of the reference loops."""

import hashlib
import os
import platform
import sqlite3
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
REFERENCE = REPOSITORY / "bench" / "reference"


def reference_sha256() -> dict[str, str]:
    """Return the SHA-256 of every reference loop by its file name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(REFERENCE.glob("*.py"))}


def describe_machine() -> dict[str, str | int]:
    """Return CPU, cores, kernel and versions."""
    models = [line for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines() if "model name" in line]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "aiohttp": version("aiohttp"),
    }


def busy_share() -> float:
    """Return the load average of the last minute a core; above some 0.1 before a run, others disturb the figures."""
    return os.getloadavg()[0] / len(os.sched_getaffinity(0))


def default_folder() -> Path:
    """Return where temporary folders go: a real disk, the repository's own; fsync on a tmpfs measures nothing."""
    temporary = Path(tempfile.gettempdir())
    return temporary if temporary.stat().st_dev == REPOSITORY.stat().st_dev else REPOSITORY
