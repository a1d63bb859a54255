"""Whether the machine's clock is right, as a service hears it that may neither set nor ask the kernel's clock."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.machine_clock import SYNCHRONISED_S, TimesyncFile, kernel_is_synchronous

NOW_MS = 1_790_000_000_000
# ProtectClock= of systemd: adjtimex and clock_adjtime answer EPERM. linux/filter.h, seccomp(2), asm/unistd_64.h
FILTERED = """
import ctypes, platform, struct
numbers = {"x86_64": (159, 305), "aarch64": (171, 266)}[platform.machine()]
code = struct.pack("=HBBI", 0x20, 0, 0, 0)
code += b"".join(struct.pack("=HBBI", 0x15, 0, 1, number) + struct.pack("=HBBI", 0x06, 0, 0, 0x00050001) for number in numbers)
code += struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)
held = ctypes.create_string_buffer(code)
program = struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
from hub.machine_clock import kernel_is_synchronous
print(kernel_is_synchronous(lambda: True), kernel_is_synchronous(lambda: False))
"""


class Machine:
    """A wall clock and an uptime that agree until somebody sets the clock."""

    def __init__(self, path: Path) -> None:
        self.wall_ms, self.uptime_ms = NOW_MS, 60_000
        self.path = path
        self.told = TimesyncFile(path, lambda: self.wall_ms, lambda: self.uptime_ms)

    def passes(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.uptime_ms += int(seconds * 1000)

    def synchronise(self) -> None:
        self.path.touch()
        os.utime(self.path, ns=(self.wall_ms * 1_000_000,) * 2)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "synchronized")


def test_a_service_that_may_not_ask_the_kernel_asks_elsewhere() -> None:
    ran = subprocess.run([sys.executable, "-c", FILTERED], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["True", "False"]


def test_one_that_may_ask_takes_the_kernels_word() -> None:
    assert kernel_is_synchronous(lambda: True) is kernel_is_synchronous(lambda: False)


def test_nobody_has_synchronised_a_machine_that_was_just_started(machine: Machine) -> None:
    assert not machine.told.is_fresh()


def test_a_word_of_timesyncd_stands_until_it_is_late(machine: Machine) -> None:
    machine.synchronise()
    machine.passes(SYNCHRONISED_S)
    assert machine.told.is_fresh()
    machine.passes(1)
    assert not machine.told.is_fresh()
    machine.synchronise()
    assert machine.told.is_fresh()


@pytest.mark.parametrize("by_s", [-3600, -60, 60, 3600])
def test_a_clock_that_somebody_sets_by_hand_is_not_synchronous_until_timesyncd_says_so(
    machine: Machine, by_s: int
) -> None:
    machine.synchronise()
    assert machine.told.is_fresh()
    machine.wall_ms += by_s * 1000
    assert not machine.told.is_fresh()
    machine.passes(30)
    machine.synchronise()
    assert machine.told.is_fresh()
