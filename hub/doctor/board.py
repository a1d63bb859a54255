"""The board below the hub, as its kernel tells: enough power, not too hot. A Raspberry Pi says the first, all say the second.

Source: Linux, drivers/hwmon/raspberrypi-hwmon.c (`rpi_volt`, in0_lcrit_alarm), Documentation/driver-api/thermal/sysfs-api.rst.
"""

from collections.abc import Iterator
from pathlib import Path

from hub.doctor.findings import Finding, fault, warning, well

HOT_MILLI_C = 80_000  # a Pi slows down from here on


def look_at_board(*, system: Path = Path("/sys")) -> Iterator[Finding]:
    """Yield what the board says of itself; nothing where it says nothing."""
    for sensor in sorted(system.glob("class/hwmon/hwmon*")):
        if _read(sensor / "name") == "rpi_volt":
            yield _power(_read(sensor / "in0_lcrit_alarm"))
    temperatures = [_read(zone) for zone in system.glob("class/thermal/thermal_zone*/temp")]
    known = [int(each) for each in temperatures if each.lstrip("-").isdigit()]
    if known:
        yield _heat(max(known))


def _power(alarm: str) -> Finding:
    if alarm == "1":
        remedy = (
            "the board's own supply (5.1 V, 3 A and more), a short cable, printers and scanners on a hub with power"
        )
        return fault("power", "the supply's voltage was too low: cards and USB devices fail by it", remedy)
    return well("power", "the supply's voltage holds")


def _heat(milli_c: int) -> Finding:
    said = f"{milli_c / 1000:.0f} °C"
    if milli_c >= HOT_MILLI_C:
        return warning(
            "heat", f"{said}: the board slows itself down", "air around it, a heat sink; not above a printer"
        )
    return well("heat", said)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
