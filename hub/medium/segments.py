"""The files of a feed copy on its medium: `<store>-<number>.feed`, only ever appended to, each record durable when it
is told.

A medium is looked at anew after every error, and gets a new segment then: nothing is written behind what may be torn.
Between two records no file is open, so that it can be unmounted at any time. What a folder on the machine's own disk
takes is no second copy: a stick that was pulled out leaves such a folder behind. Blocking: runs in a thread
(hub.medium.worker).

Not here: what is in a record (hub.medium.record), who writes when (hub.medium.copying).
"""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from hub.medium.record import Head, read_records
from sync.errors import SyncError

SEGMENT_BYTES = 4 << 20  # a start reads one of them
HEAD_OF_FILE = 128 << 10  # the first record's head is in there
_NAME = re.compile(r"(?P<store>.+)-(?P<number>[0-9]{8})\.feed")
_CODES = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "refused",
    errno.ENOENT: "away",
}


class MediumError(SyncError):
    """The medium takes nothing now; what it holds is as it was, and what is not on it is written later."""


class Segment(Struct, frozen=True):
    """A file of the copy."""

    path: Path
    number: int
    bytes: int


class Segments:
    """A folder on the medium. `begin` first, and again after a MediumError."""

    def __init__(self, folder: Path, store: str, *, beside: Path, bytes_max: int) -> None:
        self._folder = folder
        self._store = store
        self._beside = beside
        self._bytes_max = bytes_max
        self._device = 0
        self._found: list[Segment] = []
        self._open: Segment | None = None

    @property
    def taken(self) -> int:
        """How much the copy takes."""
        return sum(each.bytes for each in self._found)

    def begin(self) -> Head | None:
        """Look at the medium; return how far the copy goes, None for an empty one. Raise MediumError."""
        self._open = None
        with self._answering():
            self._device = self._folder.stat().st_dev
            if disk_of(self._folder) == disk_of(self._beside):
                raise MediumError("same_disk", f"{self._folder} is on the disk that the hub itself is on")
            self._found = segments_in(self._folder, self._store)
            for each in reversed(self._found):
                records = list(read_records(each.path.read_bytes()))
                if records:
                    return records[-1].head
        return None

    def append(self, record: bytes, *, is_covered: Callable[[Head], bool]) -> None:
        """Write a record and wait for the medium; where the copy is too large the oldest segment goes, if it is
        covered."""
        with self._answering(), self._folder_itself() as folder:
            self._make_room(len(record), is_covered)
            before, self._open = self._open, None  # an error leaves it closed
            new = before if before is not None and before.bytes < SEGMENT_BYTES else self._next()
            self._write(new, record, folder)
            if new is not before:
                os.fsync(folder)
            self._open = Segment(new.path, new.number, new.bytes + len(record))
            self._found = [*(each for each in self._found if each.number != new.number), self._open]

    def look(self) -> None:
        """See that the medium is still there; raise MediumError."""
        with self._answering(), self._folder_itself():
            pass

    def _next(self) -> Segment:
        number = self._found[-1].number + 1 if self._found else 1
        return Segment(self._folder / f"{self._store}-{number:08d}.feed", number, 0)

    def _write(self, segment: Segment, record: bytes, folder: int) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (0 if segment.bytes else os.O_CREAT | os.O_EXCL)
        file = os.open(segment.path.name, flags, 0o600, dir_fd=folder)
        try:
            left = memoryview(record)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)

    def _make_room(self, wanted: int, is_covered: Callable[[Head], bool]) -> None:
        while self._found and self.taken + wanted > self._bytes_max:
            following = first_head(self._found[1].path) if len(self._found) > 1 else None
            if following is None or not is_covered(following):
                raise MediumError(
                    "needs_backup", f"the copy has its {self._bytes_max >> 20} MiB, and no backup has its rows"
                )
            self._found[0].path.unlink(missing_ok=True)
            del self._found[0]

    @contextmanager
    def _folder_itself(self) -> Iterator[int]:
        """The folder as it was looked at: where its medium was pulled out, there may be another of that name."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if os.fstat(folder).st_dev != self._device:
                raise MediumError("away", f"{self._folder} is not on the medium any more")
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            raise MediumError(_CODES.get(err.errno or 0, "failed"), f"{self._folder}: {err.strerror}") from err


def segments_in(folder: Path, store: str) -> list[Segment]:
    """Return a store's segments, the oldest first; raise OSError."""
    found = []
    for path in folder.iterdir():
        said = _NAME.fullmatch(path.name)
        if said and said["store"] == store:
            found.append(Segment(path, int(said["number"]), path.stat().st_size))
    return sorted(found, key=lambda each: each.number)


def first_head(path: Path) -> Head | None:
    """Return the head of a segment's first record, None where there is no whole one."""
    with path.open("rb") as file:
        start = file.read(HEAD_OF_FILE)
        first = next(read_records(start), None) or next(read_records(start + file.read()), None)
    return first.head if first else None


def disk_of(path: Path, *, sys: Path = Path("/sys/dev/block")) -> str:
    """Return on which disk a path lies: two partitions of one card are one disk. Raise OSError."""
    device = path.stat().st_dev
    node = sys / f"{os.major(device)}:{os.minor(device)}"
    if not node.exists():
        return str(device)
    block = node.resolve()
    return block.parent.name if (block / "partition").exists() else block.name
