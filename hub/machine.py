"""Which machine this is: what a card that is put into another machine does not bring along.

    Raspberry Pi    the board's serial number and the card's CID
    x86-64          the DMI UUID of the mainboard (readable by root; the service gets it by its unit)

Not /etc/machine-id, which lies on the card. Where nothing can be read nothing is known, and nothing is decided.
Source: the design, 3.1; Linux Documentation/ABI/testing/sysfs-firmware-dmi-tables, Documentation/driver-api/mmc.
"""

from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

_BOARD = ("sys/firmware/devicetree/base/serial-number", "sys/class/dmi/id/product_uuid")
_CARD = "sys/block/mmcblk*/device/cid"


def fingerprint(root: Path = Path("/")) -> str:
    """Return 16 hex digits that name the machine, "" where it does not say who it is."""
    said = [text for path in _BOARD if (text := _read(root / path))]
    said += [text for path in sorted(root.glob(_CARD)) if (text := _read(path))]
    return blake2b("\n".join(said).encode(), digest_size=8).hexdigest() if said else ""


def _read(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="ascii").strip("\0 \n")
    return ""
