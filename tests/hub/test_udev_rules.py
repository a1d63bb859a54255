"""What udev makes of the hub's rules: Debian's udevadm, on devices that are not there (umockdev), in a namespace of its own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from devices.testing.usb_bed import UsbDevice

RULES = Path(__file__).parents[2] / "systemd/70-storehub.rules"
ZEBRA = UsbDevice("1-2", "05e0", "1701", ("event7", "ttyACM0"), serial="S1")
NO_NAME = UsbDevice("1-3", "1a86", "e026", ("event8",))
PRINTER = UsbDevice("1-4", "04b8", "0e15", ("lp0",), serial="P1")
NUMBERS = {"event7": (13, 71), "event8": (13, 72), "ttyACM0": (166, 0), "lp0": (180, 0)}
KEYS = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"  # of a keyboard
CONTROLLER = "P: /devices/pci0000:00/0000:00:14.0\nE: SUBSYSTEM=pci\nA: class=0x0c0330\n\n"
LOCAL = (
    'SUBSYSTEM=="input", ENV{ID_VENDOR_ID}=="1a86", ENV{STORE_HUB}="scanner"\nKERNEL=="ttyACM0", ENV{STORE_HUB}="no"\n'
)
# its own /run and /dev: udevadm makes the links that it finds; its own /etc: the group is not of this machine
ALONE = """
set -e
mount -t tmpfs none /run && mkdir -p /run/udev/rules.d && cp "$1"/*.rules /run/udev/rules.d/ && cp "$1/devices" /run/
mount -t tmpfs none /mnt && cp -a /etc /mnt/etc && mount --bind /mnt/etc /etc
echo 'storehub:x:990:' >>/etc/group
mkdir -p /mnt/dev && cp -a /dev/null /dev/urandom /mnt/dev/ && mount --bind /mnt/dev /dev
exec umockdev-run --device /run/devices -- udevadm test --action=add "$2"
"""


def described(device: UsbDevice) -> str:
    """Return its description with what udev's own rules ask for: numbers of nodes, classes, keys, the controller above."""
    text = CONTROLLER + device.described()
    for node in device.nodes:
        major, minor = NUMBERS[node]
        text = re.sub(rf"(E: DEVNAME=\S*{node}\n)", rf"\1E: MAJOR={major}\nE: MINOR={minor}\n", text)
    text = text.replace("A: bInterfaceNumber", "A: bInterfaceClass=03\nA: bInterfaceNumber")
    return text.replace("A: name=", f"A: capabilities/ev=120013\nA: capabilities/key={KEYS}\nA: name=")


def ruled(folder: Path, device: UsbDevice, node: str, *, local: str = "") -> tuple[str, set[str]]:
    """Return what udev takes a node for, and our links to it."""
    if not (shutil.which("udevadm") and Path("/usr/lib/udev/rules.d/60-serial.rules").exists()):
        pytest.skip("udev is not installed")
    if not shutil.which("umockdev-run"):
        pytest.skip("umockdev is missing: apt install umockdev")
    (folder / "devices").write_text(described(device))
    shutil.copy(RULES, folder)
    (folder / "65-local.rules").write_text(local)
    path = f"/sys{device.node_path(node, device.nodes.index(node))}"
    command = ["unshare", "--mount", "sh", "-c", ALONE, "sh", str(folder), path]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare failed" in ran.stderr:
        pytest.skip("no right to mount a small file system")
    assert ran.returncode == 0, ran.stderr
    wrong = [line for line in ran.stderr.splitlines() if "storehub.rules" in line and "Reading" not in line]
    assert not [line for line in wrong if re.search(r"nvalid|nknown|ignor", line)]
    is_given = "70-storehub.rules:" in ran.stderr and " GROUP 990" in ran.stderr and " MODE 0660" in ran.stderr
    said = dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)
    links = {link for link in said.get("DEVLINKS", "").split() if link.startswith("/dev/store-hub/")}
    assert is_given is bool(links)
    return said.get("STORE_HUB", ""), links


@pytest.mark.parametrize(
    ("device", "node", "kind", "link"),
    [
        (ZEBRA, "event7", "scanner", "/dev/store-hub/scanner-S1-if00"),
        (ZEBRA, "ttyACM0", "serial", "/dev/store-hub/serial-S1-if01"),
        (PRINTER, "lp0", "printer", "/dev/store-hub/printer-P1-if00"),
    ],
)
def test_what_a_shop_plugs_in_is_the_hubs_under_a_name_that_stays(
    tmp_path: Path, device: UsbDevice, node: str, kind: str, link: str
) -> None:
    said, links = ruled(tmp_path, device, node)

    assert said == kind
    assert link in links
    assert [each for each in links if each.startswith(f"/dev/store-hub/{kind}-at-pci-0000:00:14.0-usb-0:")]


def test_a_keyboard_of_another_maker_is_none_of_the_hubs_business(tmp_path: Path) -> None:
    assert ruled(tmp_path, NO_NAME, "event8") == ("", set())


def test_a_shops_own_file_says_what_else_is_a_scanner_and_what_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    said, links = ruled(tmp_path / "a", NO_NAME, "event8", local=LOCAL)
    assert said == "scanner"
    assert links
    assert ruled(tmp_path / "b", ZEBRA, "ttyACM0", local=LOCAL) == ("no", set())
