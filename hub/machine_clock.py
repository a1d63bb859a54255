"""What the machine says of time: its wall clock, whether the kernel keeps it synchronous, and how long the machine runs.

The kernel knows of any NTP daemon that disciplines its clock (timesyncd, chronyd, ntpd), and forgets it when somebody sets the
time by hand: adjtimex(2). Not here: what is believed (hub.clock). hub.app passes the real wall clock in.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STA_UNSYNC = 0x0040
TIME_ERROR = 5  # adjtimex: the clock is not synchronised
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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
    return MachineClock(wall_ms, kernel_is_synchronous, _boot_id(), _uptime_ms, has_rtc)


def kernel_is_synchronous() -> bool:
    """Whether a daemon keeps the kernel's clock synchronous. False where nobody knows."""
    asked = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(asked))
    except (AttributeError, OSError):
        return False
    return state not in (-1, TIME_ERROR) and not asked.status & STA_UNSYNC


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
