"""Who looks at the disk, gives the reserve to whoever writes, tells everybody how it is, and says what is let in (hub.disk)."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from hub.disk.levels import LEVELS, MIB, Level, State, level_at, marks_of, step_of
from hub.disk.reserve import Reserve
from hub.errors import NoRoomError
from hub.settings.disk import DiskSection
from hub.store.model import utc
from sync.db import Database
from sync.errors import BusyError, StartError, SyncError
from sync.storage_faults import ROOM_MIN, is_mounted_read_only
from sync.store.replicas import touch

LOOK_EVERY_S = 5.0
LOOK_AGAIN_S = 1.0  # while commits fail: a till's next sale need not be the first to find out that there is room again
LOG_LONG = 2 * MIB  # where room is scarce one of this size was not cut yet
ALIKE: dict[str, State] = {"no_space": "full", "read_only": "read_only", "outcome_unknown": "failing"}

log = logging.getLogger(__name__)


class DiskView(Struct, frozen=True, kw_only=True):
    """How the disk of the data folder is, since when. `reserve_bytes`, of `reserve_whole_bytes`, are held back for sales."""

    state: State
    since: datetime
    free_bytes: int
    reserve_bytes: int
    reserve_whole_bytes: int
    takes_telemetry: bool
    takes_imports: bool
    takes_sales: bool


class Room:
    """The room there is. `on_change` is told each new state; nothing is held back before the first `look`."""

    def __init__(
        self,
        db: Database,
        database: Path,
        section: DiskSection,
        *,
        now_ms: Callable[[], int],
        on_change: Callable[[DiskView], None],
    ) -> None:
        self._db, self._database, self._folder, self._section = db, database, database.parent, section
        self._now_ms, self._on_change = now_ms, on_change
        self._marks = marks_of(section)
        self._reserve = Reserve(self._folder, whole=section.reserve_mib * MIB, step=step_of(section))
        self._level: Level = "well"
        self._free = self._free_to_root = self._kept_for_root = 0
        self._file = _identity(database)
        self._is_log_short = False
        self.state: State = "well"
        self._since_ms = now_ms()
        db.make_room = self._make_room

    @property
    def view(self) -> DiskView:
        """Return how it is."""
        return DiskView(
            state=self.state,
            since=utc(self._since_ms),
            free_bytes=self._free,
            reserve_bytes=self._reserve.held,
            reserve_whole_bytes=self._reserve.whole,
            takes_telemetry=not self._is_at("stop"),
            takes_imports=not self._is_at("refuse"),
            takes_sales=self.state in LEVELS,
        )

    @property
    def thins(self) -> bool:
        """Whether telemetry thins."""
        return self._is_at("thin")

    def keeps_stay(self, lasted_ms: int, *, goes_on: bool) -> bool:
        """Whether a stay of a visitor is written."""
        return goes_on or not self.thins or lasted_ms >= 1000 * self._section.thin_dwell_s

    def admit_telemetry(self) -> None:
        """Raise BusyError where no telemetry is taken."""
        if self._is_at("stop"):
            raise BusyError("no_space", f"{self._free >> 20} MiB are free: no telemetry is taken below the mark")

    def admit_import(self) -> None:
        """Raise NoRoomError where imports are refused."""
        if self._is_at("refuse"):
            raise NoRoomError(
                "room_is_scarce", f"{self._free >> 20} MiB are free, {self._marks.refuse >> 20} are needed"
            )

    def admit_rows(self) -> None:
        """Raise BusyError where rows of the cloud would take what is held back for sales."""
        if self._is_at("reserve"):
            raise BusyError("no_space", "the room that is left is kept for sales; rows wait at the other end")

    async def run(self) -> None:
        """Look until cancelled; raise StartError where the data folder is another one than was opened."""
        while True:
            self.look()
            await self.try_again()
            await self._fill()
            is_scarce = self._is_at("refuse")
            if is_scarce != self._is_log_short or (is_scarce and self._is_log_long()):
                self._is_log_short = is_scarce
                await self._db.save_room(is_scarce=is_scarce)
            await asyncio.sleep(LOOK_EVERY_S if self.state in LEVELS else LOOK_AGAIN_S)

    async def try_again(self) -> None:
        """Prove whether a commit goes through now: it may be that nobody sells. A sale needs more room than this does."""
        if self._db.fault is None or (self._db.fault == "no_space" and self._free < ROOM_MIN):
            return
        with suppress(SyncError):
            await self._db.write(touch)

    def look(self) -> None:
        """See how it is; tell what changed."""
        try:
            said = os.statvfs(self._folder)
        except OSError as err:
            self._free = 0
            log.debug("the disk cannot be asked", extra={"error": str(err)})
        else:
            self._free = said.f_bavail * said.f_frsize
            self._free_to_root = said.f_bfree * said.f_frsize
            if self._free:  # what ext4 keeps for root can only be told while there is something for others
                self._kept_for_root = self._free_to_root - self._free
        self._check_folder()
        self._level = level_at(self._free, self._marks, self._level)
        self._become(self._state_now())

    async def _fill(self) -> None:
        """Take the reserve, or what is missing of it, where that leaves enough for everything but telemetry."""
        if self.state in LEVELS and self._reserve.held < self._reserve.whole:
            keep = max(self._marks.refuse, 2 * self._marks.reserve)
            if await asyncio.to_thread(self._reserve.fill, self._free, keep=keep):
                self.look()

    def _is_log_long(self) -> bool:
        """Whether the write-ahead log is still to be cut: a reader held it when that was tried."""
        try:
            return self._database.with_name(f"{self._database.name}-wal").stat().st_size > LOG_LONG
        except OSError:
            return False

    def _state_now(self) -> State:
        if is_mounted_read_only(self._folder):
            return "read_only"
        return self._level if self._db.fault is None else ALIKE[self._db.fault]

    def _become(self, state: State) -> None:
        if state == self.state:
            return
        is_worse = state not in LEVELS or (self.state in LEVELS and LEVELS.index(state) > LEVELS.index(self.state))
        self.state, self._since_ms = state, self._now_ms()
        fields = {"state": state, "free_mib": self._free >> 20, "reserve_mib": self._reserve.held >> 20}
        if is_worse:
            log.warning("room on the disk is scarce, or it fails; `storehub doctor` says the remedy", extra=fields)
        else:
            log.info("the disk is better", extra=fields)
        self._on_change(self.view)

    def _make_room(self) -> bool:
        """Give a step of the reserve to a commit that found none; not where root's programs alone would have it."""
        self.look()
        if self._free_to_root + self._reserve.held <= self._kept_for_root or not self._reserve.give():
            return False
        log.warning("sales take the disk's reserve; make room", extra={"reserve_mib": self._reserve.held >> 20})
        self.look()
        return True

    def _is_at(self, level: Level) -> bool:
        """Whether this level is reached; a disk that takes no commit is beyond all of them."""
        return self.state not in LEVELS or LEVELS.index(self._level) >= LEVELS.index(level)

    def _check_folder(self) -> None:
        """A card that was mounted anew is another folder under the same name: whoever writes on writes into nothing."""
        found = _identity(self._database)
        if found is not None and self._file is not None and found != self._file:
            raise StartError(
                f"{self._folder} was mounted anew while the hub ran: it starts again with what is there now"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        said = path.stat()
    except OSError:
        return None
    return said.st_dev, said.st_ino
