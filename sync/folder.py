"""A data folder and who owns it: a lock that dies with its process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sync.errors import StartError


@contextmanager
def own_folder(folder: Path, lock_name: str) -> Iterator[None]:
    """Hold a data folder alone; raise StartError naming the process that has it, or why it cannot be written.

    What is made in it from here on is for its owner only: token hashes and member ids are in there.
    """
    os.umask(0o077)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / lock_name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise StartError(f"{folder}: {err.strerror}; make it writable or choose another data folder") from err
    try:
        _take(lock, folder / lock_name)
        yield
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        holder = path.read_text(encoding="ascii", errors="replace").strip()
        raise StartError(f"{path.parent} is in use by process {holder}; stop it first") from err
    with suppress(OSError):  # who holds it is a courtesy, and a full disk has no room for it
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
