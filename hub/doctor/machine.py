"""The machine: room on the card, whether it errs, who may write there, what time it is.

Not here: what the hub itself says of its devices (hub.doctor.running).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from hub.config import Config
from hub.disk.levels import Marks, marks_of
from hub.doctor.findings import Finding, fault, warning, well
from hub.machine_clock import kernel_is_synchronous

NOT_LOCAL = {"nfs", "nfs4", "cifs", "smb3", "9p", "vfat", "exfat", "fuse.sshfs"}  # no locks, or none that hold


RTC_OFF_S = 120  # a crystal drifts by seconds a month; more is a battery at its end, or nobody ever set it


def look_at_machine(
    config: Config, *, now_ms: int, mounts: Path = Path("/proc/mounts"), system: Path = Path("/sys")
) -> Iterator[Finding]:
    """Yield what was found."""
    yield _room(config.data_dir, marks_of(config.disk))
    device, found = _file_system(config.data_dir, mounts)
    yield found
    yield from _errors(system / "fs/ext4" / device / "errors_count")
    yield _privacy(config.data_dir)
    rtc, is_synchronous = system / "class/rtc/rtc0/since_epoch", kernel_is_synchronous()
    yield _clock(is_synchronous=is_synchronous, has_rtc=rtc.exists(), says_rtc=config.has_rtc)
    if rtc.exists() and is_synchronous:
        yield _rtc(rtc, now_ms // 1000)


def _room(folder: Path, marks: Marks) -> Finding:
    """By the marks of [disk]: below the one where telemetry thins room is scarce, below the one for imports it is a fault."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as err:
        return fault("disk", f"{folder}: {err.strerror}", "name the data folder in [data] dir, start the hub once")
    said = f"{free >> 20} MiB free at {folder}"
    if free < marks.refuse:
        return fault("disk", said, "make room now: look for old logs and copies with `du -xh / | sort -h | tail`")
    if free < marks.thin:
        return warning("disk", said, "make room, or move the data folder to a larger card")
    return well("disk", said)


def _file_system(folder: Path, mounts: Path) -> tuple[str, Finding]:
    """Look at the longest mount point that the folder lies below; return the kernel's name of its device, too."""
    device, best, kind, options = "", "", "", ""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        source, point, fs, said, *_ = line.split()
        if folder.is_relative_to(point) and len(point) >= len(best):
            device, best, kind, options = Path(source).name, point, fs, said
    return device, _judged(best, kind, options)


def _judged(point: str, kind: str, options: str) -> Finding:
    if "ro" in options.split(","):
        return fault(
            "file system", f"{point} is read-only", "the card may be worn: back it up, see `dmesg`, replace it"
        )
    if kind in NOT_LOCAL:
        return fault("file system", f"{point} is {kind}", "SQLite needs a local file system with locks, as ext4")
    return well("file system", f"{kind} at {point}")


def _errors(counter: Path) -> Iterator[Finding]:
    """Yield what ext4 has written down of its own errors since it was last checked; nothing where it is no ext4."""
    try:
        count = int(counter.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if count:
        remedy = "`storehub backup make` now, see `dmesg`, then another card; `fsck` at the next start clears the count"
        yield fault("card", f"its file system has met {count} errors", remedy)


def _privacy(folder: Path) -> Finding:
    try:
        seen = folder.stat().st_mode & 0o077
    except OSError as err:
        return fault("data folder", f"{folder}: {err.strerror}", "run the command as the hub's user, or with sudo")
    if seen:
        return warning("data folder", f"others of this machine can look into {folder}", f"chmod 700 {folder}")
    return well("data folder", f"{folder} is for its owner only")


def _clock(*, is_synchronous: bool, has_rtc: bool, says_rtc: bool) -> Finding:
    if says_rtc and not has_rtc:
        return fault("clock", "clock.rtc is true and there is no /dev/rtc0", "take it out of [clock], or fit the clock")
    if not is_synchronous:
        remedy = (
            "start a time daemon: `apt install systemd-timesyncd`; a till or the console can confirm the time meanwhile"
        )
        return warning("clock", "nobody keeps this machine's clock synchronous", remedy)
    if has_rtc and not says_rtc:
        return warning(
            "clock", "synchronous; there is a battery-backed clock that [clock] does not name", "write rtc = true"
        )
    return well("clock", "kept synchronous" + (", battery-backed" if has_rtc else ""))


def _rtc(since_epoch: Path, now_s: int) -> Finding:
    """Hold the battery-backed clock against a clock that is kept."""
    try:
        off_s = int(since_epoch.read_text(encoding="ascii")) - now_s
    except (OSError, ValueError):
        return warning("battery clock", "it tells no time", "`hwclock --systohc`; if that does not hold, a new battery")
    if abs(off_s) > RTC_OFF_S:
        remedy = "`hwclock --systohc` sets it; when it is off again after a night without power: a new battery"
        return warning("battery clock", f"it is off by {off_s} s", remedy)
    return well("battery clock", f"off by {off_s} s")
