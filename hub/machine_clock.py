"""What the machine says of time: its wall clock, whether the kernel keeps it synchronous, and how long the machine runs.

The kernel knows of any NTP daemon that disciplines its clock (timesyncd, chronyd, ntpd), and forgets it when somebody sets the
time by hand: adjtimex(2). A service that may not set the clock (ProtectClock=) may not ask either; then it is the file that
timesyncd touches whenever it has set the clock right: systemd-timesyncd.service(8). Not here: what is believed (hub.clock).
hub.app passes the real wall clock in.
"""

import ctypes
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

STA_UNSYNC = 0x0040
TIME_ERROR = 5  # adjtimex: the clock is not synchronised
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
SYNCHRONISED_S = 5_000  # timesyncd asks every 2,048 s at most: two of its questions were not answered
STEPPED_MS = 2_000  # timesyncd slews less than 0.4 s, and sets the clock and the file's time beyond


@dataclass(frozen=True, slots=True)
class MachineClock:
    """How to ask. Whoever passes only a wall clock vouches for it: it is taken for synchronous.

    `boot` names this start of the machine, "" when that is not known; `uptime_ms` counts from it, sleep included. `has_rtc`: the
    machine keeps the time while it is off.
    """

    wall_ms: Callable[[], int]
    is_synchronous: Callable[[], bool] = lambda: True
    boot: str = ""
    uptime_ms: Callable[[], int] = lambda: 0
    has_rtc: bool = False


def machine_clock(wall_ms: Callable[[], int], *, has_rtc: bool) -> MachineClock:
    """Return this machine's."""
    told = TimesyncFile(SYNCHRONISED, wall_ms, _uptime_ms)
    return MachineClock(wall_ms, partial(kernel_is_synchronous, told.is_fresh), _boot_id(), _uptime_ms, has_rtc)


def kernel_is_synchronous(otherwise: Callable[[], bool] = SYNCHRONISED.exists) -> bool:
    """Whether a daemon keeps the kernel's clock synchronous, False where nobody knows; `otherwise` where it may not be asked."""
    asked = _Timex()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        state = libc.adjtimex(ctypes.byref(asked))
    except (AttributeError, OSError):
        return False
    if state == -1 and ctypes.get_errno() == errno.EPERM:
        return otherwise()
    return state not in (-1, TIME_ERROR) and not asked.status & STA_UNSYNC


class TimesyncFile:
    """What timesyncd's file says. It stands for a time that nobody has set since: a step of the clock is seen by the uptime."""

    def __init__(self, path: Path, wall_ms: Callable[[], int], uptime_ms: Callable[[], int]) -> None:
        self._path, self._wall_ms, self._uptime_ms = path, wall_ms, uptime_ms
        self._touched_ns, self._started_ms = 0, 0

    def is_fresh(self) -> bool:
        """Whether it was touched lately, and the clock was not set since it was first seen so."""
        try:
            touched_ns = self._path.stat().st_mtime_ns
        except OSError:
            return False
        wall_ms = self._wall_ms()
        started_ms = wall_ms - self._uptime_ms()
        if touched_ns != self._touched_ns:
            self._touched_ns, self._started_ms = touched_ns, started_ms
        is_late = not -STEPPED_MS <= wall_ms - touched_ns // 1_000_000 <= SYNCHRONISED_S * 1000
        return not is_late and abs(started_ms - self._started_ms) <= STEPPED_MS


class _Timex(ctypes.Structure):
    """The beginning of struct timex, and room for the rest; `modes` 0 only reads. adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _uptime_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
