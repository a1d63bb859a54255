"""A USB device that is software, plugged into the machine's own dummy host controller: its kernel sees hardware.

    gadget.py up NAME PORT SERIAL FUNCTION...   FUNCTION: hid (a keyboard that types), printer, acm; PORT 0 or 1 of the controller
    gadget.py unplug NAME | plug NAME PORT      pull it out, and back in
    gadget.py down NAME                         unplug it and forget it
    gadget.py type NAME GAP_MS LABEL...         type labels, Enter behind each, on its keyboard; scanners take 4 to 10 ms a report
    gadget.py paper NAME SECONDS                print what came for its printer, in hex

Sources: the kernel's Documentation/usb/gadget_configfs.rst, gadget_hid.rst, gadget_printer.rst; HID Usage Tables page 0x07.
"""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

GADGETS = Path("/sys/kernel/config/usb_gadget")
KEYBOARD = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501050819012905910295017503910395067508150025650507190029658100c0"
)
SHIFT = 0x02
PLAIN = {"-": 0x2D, "/": 0x38, ".": 0x37, "\r": 0x28, " ": 0x2C} | {
    digit: 0x1E + (int(digit) - 1) % 10 for digit in "0123456789"
}
SHIFTED = {"+": 0x2E, "_": 0x2D}


def up(name: str, port: str, serial: str, *functions: str) -> None:
    subprocess.run(["modprobe", "dummy_hcd", "num=2"], check=True)
    subprocess.run(["modprobe", "-a", "libcomposite", "usblp", "cdc_acm", "usbhid"], check=True)
    folder = GADGETS / name
    (folder / "strings/0x409").mkdir(parents=True)
    (folder / "configs/c.1/strings/0x409").mkdir(parents=True)
    said = {"idVendor": "0x05e0", "idProduct": "0x1200", "strings/0x409/serialnumber": serial}
    for file, content in (said | {"strings/0x409/manufacturer": "Maker", "strings/0x409/product": "Counter"}).items():
        (folder / file).write_text(content)
    for function in functions:
        made = folder / f"functions/{function}.{name}"
        made.mkdir()
        if function == "hid":
            for file, content in {"protocol": "1", "subclass": "1", "report_length": "8"}.items():
                (made / file).write_text(content)
            (made / "report_desc").write_bytes(KEYBOARD)
        if function == "printer":
            (made / "pnp_string").write_text("MFG:MAKER;MDL:RECEIPTS;CMD:ESCPOS;CLS:PRINTER;")
        (folder / f"configs/c.1/{function}.{name}").symlink_to(made)
    plug(name, port)


def plug(name: str, port: str) -> None:
    (GADGETS / name / "UDC").write_text(f"dummy_udc.{port}")


def unplug(name: str) -> None:
    (GADGETS / name / "UDC").write_text("\n")


def down(name: str) -> None:
    folder = GADGETS / name
    if (folder / "UDC").read_text().strip():
        unplug(name)
    for link in (folder / "configs/c.1").glob(f"*.{name}"):
        link.unlink()
    for made in (
        "configs/c.1/strings/0x409",
        "configs/c.1",
        *(f"functions/{each.name}" for each in (folder / "functions").iterdir()),
    ):
        (folder / made).rmdir()
    (folder / "strings/0x409").rmdir()
    folder.rmdir()


def type_labels(name: str, gap_ms: str, *labels: str) -> None:
    major, minor = (GADGETS / f"{name}/functions/hid.{name}/dev").read_text().strip().split(":")
    node = next(
        path for path in Path("/dev").glob("hidg*") if path.stat().st_rdev == os.makedev(int(major), int(minor))
    )
    with node.open("wb", buffering=0) as keyboard:
        for character in "".join(label + "\r" for label in labels):
            is_shifted = character in SHIFTED or character.isupper()
            code = 4 + ord(character.lower()) - ord("a") if character.isalpha() else (PLAIN | SHIFTED)[character]
            for report in (bytes((SHIFT if is_shifted else 0, 0, code, 0, 0, 0, 0, 0)), bytes(8)):
                keyboard.write(report)
                time.sleep(float(gap_ms) / 1000)


def paper(name: str, seconds: str) -> None:
    ends_at = time.monotonic() + float(seconds)
    with Path("/dev/g_printer0").open("r+b", buffering=0) as wire:
        came = b""
        while (left := ends_at - time.monotonic()) > 0:
            if select.select([wire], [], [], min(left, 1.0))[0]:
                came += os.read(wire.fileno(), 4096)
            elif came:
                break
    print(came.hex())


if __name__ == "__main__":
    {"up": up, "plug": plug, "unplug": unplug, "down": down, "type": type_labels, "paper": paper}[sys.argv[1]](
        *sys.argv[2:]
    )
