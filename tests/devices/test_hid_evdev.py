"""The scanner that types, opened and grabbed by the real evdev; what the kernel answers and sends is umockdev's, in a child.

Goal: what `hid_scanner` asks of evdev (device, EVIOCGRAB, EVIOCGLED) and the file that it then reads itself fit together.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devices.testing.hid_keyboard import input_events, strokes

NODE = "/dev/input/event5"
DESCRIPTION = f"""\
P: /devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:05E0:1200.0001/input/input5/event5
N: input/event5
E: DEVNAME={NODE}
E: SUBSYSTEM=input
E: ID_INPUT_KEYBOARD=1
A: dev=13:69
"""
SCRIPT = f"""
import asyncio
from devices.drivers import _scanner
from devices.drivers.hid_scanner import Options, run
from devices.model import Health
from devices.testing.context import RecordingContext

_scanner.SETTLE_MAX_S = 0  # umockdev sends from its start on, whether the device is open or not

async def main():
    ctx = RecordingContext()
    async with asyncio.TaskGroup() as group:
        driver = group.create_task(run(ctx, Options(path="{NODE}")), name="driver")
        await ctx.wait_for(lambda: len(ctx.events) == 2)
        driver.cancel()
    assert [status.health for status in ctx.statuses] == [Health.READY]
    print(*(event.label or event.error for event in ctx.events))

asyncio.run(main())
"""


def ioctls(*, caps: bool | None) -> str:
    """Return what the device answers: linux/input.h's EVIOCG…, as long as evdev asks for them. None: no word of its LEDs."""
    lines = [f"@DEV {NODE}", "EVIOCGVERSION 0 01000100", "EVIOCGID 0 0300E00500121101"]
    for name, said in (("NAME", b"Scanner"), ("PHYS", b"usb-1.2"), ("UNIQ", b"S1")):
        lines.append(f"EVIOCG{name}(0) {len(said) + 1} {said.ljust(256, bytes(1)).hex()}")
    for kind, bits in ((0, 1 << 0 | 1 << 1 | 1 << 17), (1, 0xFFFFFFFE), (17, 0x1F)):
        lines.append(f"EVIOCGBIT({kind}) 8 {bits.to_bytes(4 if kind == 0 else 96, 'little').hex()}")
    if caps is not None:
        lines.append(f"EVIOCGLED(0) 2 {(2 if caps else 0).to_bytes(2, 'little').hex()}")
    lines.append("EVIOCGEFFECTS 0 00000000")
    return "\n".join([*lines, ""])


def evemu(events: bytes) -> str:
    """Return events in evemu's form, 10 ms apart."""
    said = []
    for n, place in enumerate(range(0, len(events), 24)):
        kind, code = (int.from_bytes(events[place + at : place + at + 2], sys.byteorder) for at in (16, 18))
        value = int.from_bytes(events[place + 20 : place + 24], sys.byteorder)
        said.append(f"E: {n / 100:.6f} {kind:04x} {code:04x} {value:04d}")
    return "\n".join(["# EVEMU 1.2", f"# device {NODE}", *said, ""])


def run_child(script: str, folder: Path, *, caps: bool | None) -> subprocess.CompletedProcess[str]:
    """Run a script in a process that has the device; skip where this machine cannot."""
    evdev = pytest.importorskip("evdev", reason="evdev is not installed")
    if shutil.which("umockdev-run") is None:
        pytest.skip("umockdev is missing: apt-get install umockdev")
    events = b"".join(input_events([stroke for typed in strokes("m1\rM2\r") for stroke in typed]))
    for name, said in (("device", DESCRIPTION), ("ioctls", ioctls(caps=caps)), ("events", evemu(events))):
        (folder / name).write_text(said)
    mocked = ("-d", folder / "device", "-i", f"{NODE}={folder}/ioctls", "-e", f"{NODE}={folder}/events")
    return subprocess.run(
        ["umockdev-run", *mocked, "--", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path(evdev.__file__).parents[1])])},
    )


@pytest.mark.parametrize(("caps", "read_as"), [(False, "m1 M2"), (True, "M1 m2")])
def test_a_grabbed_scanner_is_read_through_evdev(caps: bool, read_as: str, tmp_path: Path) -> None:
    child = run_child(SCRIPT, tmp_path, caps=caps)
    assert (child.returncode, child.stdout.strip()) == (0, read_as), child.stderr


def test_a_scanner_that_goes_while_it_is_opened_is_gone_and_no_bug(tmp_path: Path) -> None:
    script = SCRIPT.replace(
        "asyncio.run(main())",
        f"""
from devices.errors import WireError
try:
    asyncio.run(run(RecordingContext(), Options(path="{NODE}")))
except WireError as err:
    print(err.reason)
""",
    )
    child = run_child(script, tmp_path, caps=None)
    assert (child.returncode, child.stdout.strip()) == (0, "not_attached"), child.stderr
