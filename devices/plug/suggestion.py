"""What a configuration could say of the devices that are attached: sections of TOML, and as comments what is not sure. Pure.

Nothing is opened for it. Whose USB numbers are whose: usb.ids (linux-usb.org) for the vendors named here. What a device answered
when it was asked (devices.plug.asking) may be given.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from devices.plug.attachment import Attached, Match, described, named

SCANNER_VENDORS = {
    "05e0": "Zebra (Symbol)",
    "0c2e": "Honeywell (Metrologic)",
    "0536": "Honeywell (Hand Held Products)",
    "05f9": "Datalogic (PSC)",
    "1eab": "Newland",
    "065a": "Opticon",
    "0a5f": "Zebra",
}
CONVERTERS = {"0403": "FTDI", "067b": "Prolific", "10c4": "Silicon Labs", "1a86": "WCH", "04d8": "Microchip"}
_BY_KIND = {
    "escpos_printer": "printer",
    "zpl_printer": "labels",
    "serial_scanner": "scanner",
    "hid_scanner": "scanner",
    "toledo_scale": "scale",
    "ble_beacons": "radio",
}


class Answered(NamedTuple):
    """What said what it is when it was asked: its kind, and the options of the line on which it answered."""

    kind: str
    options: Mapping[str, str | int]


class _Guess(NamedTuple):
    """The kind that a device probably is, its options beside `usb`, and what a person should look at."""

    kind: str
    doubts: tuple[str, ...] = ()
    option: str = "usb"
    is_likely: bool = True
    options: Mapping[str, str | int] = {}


def suggestions(
    attached: Sequence[Attached],
    *,
    owners: Mapping[str, str],
    kinds: Collection[str],
    answers: Mapping[str, Answered] | None = None,
) -> str:
    """Return TOML for `attached`. `owners`: node -> the device that it is already; `answers`: node -> what answered."""
    numbers: Counter[str] = Counter()
    parts = ["# what is attached; look at the comments, then put it into hub.toml\n"]
    for each in attached:
        if each.node in owners:
            parts.append(f"\n# {described(each)}\n# is {owners[each.node]} already\n")
            continue
        guess = _guess(each, (answers or {}).get(each.node))
        lines = list(_section(each, guess, attached, numbers, is_known=guess.kind in kinds))
        parts.append("\n" + "".join(f"{line}\n" for line in lines))
    if not attached:
        parts.append("# nothing is: printers and counters on the network are not looked for\n")
    return "".join(parts)


def _section(
    attached: Attached, guess: _Guess, among: Sequence[Attached], numbers: Counter[str], *, is_known: bool
) -> Iterator[str]:
    name = _BY_KIND.get(guess.kind, "device")
    numbers[name] += 1
    yield f"# {described(attached)}"
    usb = named(attached, among)
    doubts = list(guess.doubts)
    if usb is not None and usb.serial is None and guess.option == "usb":
        doubts.append(_why_its_plug(attached, among))
    if not is_known:
        doubts.append(f"this hub has no driver of the kind {guess.kind}: the section is left out")
    yield from (f"# not sure: {doubt}" for doubt in doubts)
    section = [f"[devices.{name}{numbers[name]}]", f'kind = "{guess.kind}"', _place(attached, usb, guess.option)]
    section += [
        f"{name} = {value if isinstance(value, int) else _quoted(value)}" for name, value in guess.options.items()
    ]
    yield from (line if is_known and guess.is_likely else f"# {line}" for line in section)


def _guess(attached: Attached, answered: Answered | None) -> _Guess:
    if answered is not None:
        return _Guess(answered.kind, (), "usb" if attached.vendor else "port", options=answered.options)
    match attached.subsystem:
        case "input":
            doubts = (
                ()
                if attached.vendor in SCANNER_VENDORS
                else ("it may be a keyboard: what it types would be taken for labels",)
            )
            return _Guess("hid_scanner", doubts)
        case "usbmisc":
            if attached.vendor == "0a5f":
                return _Guess("zpl_printer", ("Zebra printers may speak EPL instead of ZPL",))
            return _Guess("escpos_printer", ("that it speaks ESC/POS; `storehub probe --ask` asks it",))
        case "bluetooth":
            return _Guess("ble_beacons", (), "adapters")
        case _:
            return _serial(attached)


def _serial(attached: Attached) -> _Guess:
    if not attached.vendor:
        return _Guess("serial_scanner", ("a serial port of this machine: whether anything is at it",), "port", False)
    if attached.vendor in CONVERTERS:
        maker = CONVERTERS[attached.vendor]
        return _Guess(
            "serial_scanner", (f"what is behind the converter ({maker}): a scanner, a scale, a display, a printer",)
        )
    if attached.vendor in SCANNER_VENDORS:
        return _Guess("serial_scanner")
    return _Guess("serial_scanner", ("that it is a scanner",))


def _why_its_plug(attached: Attached, among: Sequence[Attached]) -> str:
    if not attached.serial:
        return "it says no serial number: it is named by its plug, leave it there"
    twins = [each for each in among if each.serial == attached.serial and each.subsystem == attached.subsystem]
    return (
        f"{len(twins)} devices say the serial number {attached.serial}: this one is named by its plug, leave it there"
    )


def _place(attached: Attached, usb: Match | None, option: str) -> str:
    if option == "adapters":
        return f"adapters = [{_quoted(attached.node)}]"
    if option == "port" or usb is None:
        return f"{'port' if attached.subsystem == 'tty' else 'path'} = {_quoted(attached.node)}"
    return "usb = {" + ", ".join(f"{name} = {_quoted(value)}" for name, value in usb.said.items()) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
