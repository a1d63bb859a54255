"""A file that holds room back: it gives it to whoever writes when there is no other, and takes it again when there is plenty."""

import os
import threading
from contextlib import suppress
from pathlib import Path

RESERVE = "disk-reserve"  # in the data folder


def give_to_start(folder: Path, step: int) -> None:
    """A start needs room for the log of its books: where there is none the reserve gives a step."""
    try:
        said = os.statvfs(folder)
    except OSError:
        return
    if said.f_bavail * said.f_frsize < step:
        Reserve(folder, whole=1 << 62, step=step).give()


class Reserve:
    """`held` of `whole` bytes, given back in steps from the end. A file of an earlier start is taken over."""

    def __init__(self, folder: Path, *, whole: int, step: int) -> None:
        self._path = folder / RESERVE
        self._whole, self._step = whole, step
        self._turn = (
            threading.Lock()
        )  # it is filled in a thread, and given from the loop: a step is what one waits for the other
        self.held = min(whole, self._size())
        if self._size() > whole:
            self._cut(whole)

    @property
    def whole(self) -> int:
        """Return how much it should hold."""
        return self._whole

    def give(self) -> bool:
        """Give one step back to the disk; False where none is left, or the disk does not even take that."""
        with self._turn:
            return self.held > 0 and self._cut(max(0, self.held - self._step))

    def fill(self, free: int, *, keep: int) -> int:
        """Take steps as long as more than `keep` bytes stay free; return how many bytes were taken."""
        taken = 0
        while self.held < self._whole and free - taken - self._step >= keep:
            with self._turn:
                step = min(self._step, self._whole - self.held)
                if not self._grow(step):
                    break
                self.held += step
                taken += step
        return taken

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def _cut(self, size: int) -> bool:
        try:
            os.truncate(self._path, size)
        except OSError:
            return False
        self.held = size
        return True

    def _grow(self, size: int) -> bool:
        """Take real blocks, not a hole."""
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(file, self.held, size)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, self.held)
            return False
        finally:
            os.close(file)
        return True
