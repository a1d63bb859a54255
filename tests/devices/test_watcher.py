"""The watcher under the real libudev: a child process whose /sys and netlink socket are umockdev's. No device is opened."""

import json
import shutil
import subprocess
import sys
import tomllib

import pytest

needs_umockdev = pytest.mark.skipif(
    shutil.which("umockdev-wrapper") is None, reason="umockdev is missing: apt-get install umockdev"
)
PRELUDE = """
import asyncio, gc, json, os
from devices.plug.attachment import Match, select
from devices.testing.usb_bed import UsbBed, UsbDevice
from devices.plug.watcher import Watcher

watcher = Watcher()
left = UsbDevice("1-1.2", "05e0", "1200", ("ttyACM0",), serial="S1")
right = UsbDevice("1-1.3", "05e0", "1200", ("ttyACM1",), serial="S1")
composite = UsbDevice("1-2", "0a5f", "0001", ("event5", "lp0", "hci0"), words=("Zebra", "All\\x07 in one"))
came, went = asyncio.Queue(), asyncio.Queue()
"""


def told(script: str) -> list[str]:
    """Return the lines that a script prints, read as JSON."""
    return [json.loads(line) for line in run_below(script).splitlines()]


def run_below(script: str) -> str:
    """Run a script on a machine with nothing plugged in; return what it prints."""
    ran = subprocess.run(
        ["umockdev-wrapper", sys.executable, "-W", "error", "-c", PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@needs_umockdev
def test_everything_plugged_in_is_listed_by_what_it_says_of_itself() -> None:
    lines = told("""
with UsbBed() as bed:
    bed.plug(left)
    bed.plug(composite)
    for each in watcher.attached():
        print(json.dumps([each.subsystem, each.node, each.vendor, each.serial, each.port_path, each.interface, each.label]))
""")
    assert lines == [
        ["bluetooth", "hci0", "0a5f", "", "0000:00:14.0-usb-2", "02", "Zebra All in one"],
        ["input", "/dev/input/event5", "0a5f", "", "0000:00:14.0-usb-2", "00", "Zebra All in one"],
        ["tty", "/dev/ttyACM0", "05e0", "S1", "0000:00:14.0-usb-1.2", "00", "Maker Thing"],
        ["usbmisc", "/dev/usb/lp0", "0a5f", "", "0000:00:14.0-usb-2", "01", "Zebra All in one"],
    ]


@needs_umockdev
def test_plugging_in_and_pulling_out_are_heard_on_the_loop() -> None:
    lines = told("""
async def main():
    with UsbBed() as bed, watcher.watching(came.put_nowait, went.put_nowait):
        async with asyncio.timeout(20):
            bed.plug(left)
            print(json.dumps((await came.get()).node))
            bed.pull(left)
            print(json.dumps([await went.get(), [each.node for each in watcher.attached()]]))
            bed.plug(left._replace(nodes=("ttyACM1",)))
            await came.get()
            print(json.dumps(select(watcher.attached(), Match(serial="S1"), subsystem="tty").node))
asyncio.run(main())
""")
    assert lines == ["/dev/ttyACM0", ["/dev/ttyACM0", []], "/dev/ttyACM1"]


@needs_umockdev
def test_plugging_in_again_and_again_leaves_no_file_open() -> None:
    """Counted once the first plugs have opened what stays, and once what nobody holds is collected."""
    lines = told("""
def files():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

async def main():
    with UsbBed() as bed:
        with watcher.watching(came.put_nowait, went.put_nowait):
            counts = []
            async with asyncio.timeout(50):
                for _ in range(20):
                    bed.plug(composite)
                    assert len({(await came.get()).node for _ in composite.nodes}) == 3
                    bed.pull(composite)
                    assert {await went.get() for _ in range(2)} == {"/dev/input/event5", "/dev/usb/lp0"}
                    counts.append(files())
            print(json.dumps(counts[-1] - counts[5]))
asyncio.run(main())
""")
    assert lines == [0]


@needs_umockdev
def test_the_command_prints_what_is_plugged_in_as_configuration() -> None:
    ran = run_below(
        """
from hub.commands.probe import probe
with UsbBed() as bed:
    bed.plug(left)
    bed.plug(right)
    probe(None, asks=False)
"""
    )
    sections = tomllib.loads(ran)["devices"]
    assert [section["usb"]["port_path"] for section in sections.values()] == [
        "0000:00:14.0-usb-1.2",
        "0000:00:14.0-usb-1.3",
    ]
    assert "2 devices say the serial number S1" in ran
