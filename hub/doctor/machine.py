"""The machine: room on the card, who may write there, what time it is.

Not here: what the hub itself says of its devices (hub.doctor.running).
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from hub.config import Config
from hub.doctor.findings import Finding, fault, warning, well
from hub.machine_clock import kernel_is_synchronous

FREE_WARNING, FREE_FAULT = 1 << 30, 128 << 20  # bytes: a year of sales of a small shop; an hour's log of a busy one
NOT_LOCAL = {"nfs", "nfs4", "cifs", "smb3", "9p", "vfat", "exfat", "fuse.sshfs"}  # no locks, or none that hold


def look_at_machine(
    config: Config, *, mounts: Path = Path("/proc/mounts"), rtc: Path = Path("/dev/rtc0")
) -> Iterator[Finding]:
    """Yield what was found."""
    yield _room(config.data_dir)
    yield _file_system(config.data_dir, mounts)
    yield _privacy(config.data_dir)
    yield _clock(is_synchronous=kernel_is_synchronous(), has_rtc=rtc.exists(), says_rtc=config.has_rtc)


def _room(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as err:
        return fault("disk", f"{folder}: {err.strerror}", "name the data folder in [data] dir, start the hub once")
    said = f"{free >> 20} MiB free at {folder}"
    if free < FREE_FAULT:
        return fault("disk", said, "make room now: look for old logs and copies with `du -xh / | sort -h | tail`")
    if free < FREE_WARNING:
        return warning("disk", said, "make room, or move the data folder to a larger card")
    return well("disk", said)


def _file_system(folder: Path, mounts: Path) -> Finding:
    """The longest mount point that the folder lies below."""
    best, kind, options = "", "", ""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, point, fs, said, *_ = line.split()
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind, options = point, fs, said
    if "ro" in options.split(","):
        return fault("file system", f"{best} is read-only", "the card may be worn: back it up, see `dmesg`, replace it")
    if kind in NOT_LOCAL:
        return fault("file system", f"{best} is {kind}", "SQLite needs a local file system with locks, as ext4")
    return well("file system", f"{kind} at {best}")


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
