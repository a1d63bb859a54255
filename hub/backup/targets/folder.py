"""A folder on a second medium: a stick, another disk, a network share that is mounted."""

import os
import shutil
from pathlib import Path

from hub.backup.kept import Kept, kept_among
from hub.backup.targets.target import digest_of
from sync.errors import StartError

SPARE_BYTES = 16 << 20


class Folder:
    """See Target. A file has its name only once it was read back from the medium."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = str(folder)

    def put(self, sealed: Path, name: str) -> None:
        """Write beside, read back, then give the name."""
        self._see()
        self._room(sealed.stat().st_size)
        partial = self._folder / f"{name}.partial"
        try:
            shutil.copyfile(sealed, partial)
            partial.chmod(0o600)
            _sync(partial, forgets=True)
            if digest_of(partial) != digest_of(sealed):
                raise StartError(
                    f"{self._folder}: what is read back is not what was written; the older ones stay: another medium"
                )
            partial.rename(self._folder / name)
            _sync(self._folder)
        except OSError as err:
            raise StartError(f"{self._folder}: {err.strerror}; the books are as they were") from err
        finally:
            _unlink(partial)

    def get(self, name: str, into: Path) -> None:
        """Copy one."""
        self._see()
        try:
            shutil.copyfile(self._folder / name, into)
        except OSError as err:
            raise StartError(
                f"{self._folder / name}: {err.strerror}; `storehub backup list` names those that there are"
            ) from err

    def kept(self, store: str) -> list[Kept]:
        """Look."""
        self._see()
        try:
            return kept_among(((path.name, path.stat().st_size) for path in self._folder.iterdir()), store)
        except OSError as err:
            raise StartError(f"{self._folder}: {err.strerror}") from err

    def remove(self, name: str) -> None:
        """Unlink."""
        _unlink(self._folder / name)

    def _see(self) -> None:
        if not self._folder.is_dir():
            raise StartError(f"{self._folder} is not there: is the medium plugged in and mounted?")

    def _room(self, size: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < size + SPARE_BYTES:
            raise StartError(
                f"{self._folder} has {free >> 20} MiB free, a backup takes {(size + SPARE_BYTES) >> 20}: make room, or choose "
                "another medium with [backup] to"
            )


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as err:  # the medium was pulled out
        raise StartError(f"{path}: {err.strerror}; the books are as they were") from err


def _sync(path: Path, *, forgets: bool = False) -> None:
    """Wait for the medium; `forgets`: what is read next comes from there, and not from memory."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
        if forgets:
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(opened)
