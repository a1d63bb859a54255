"""What is attached to this machine, and which of it a configuration means: `usb = {vendor = "05e0", ...}`.

Pure: a device as udev describes it becomes an Attached, a Match picks one, and the error says what tells twins apart.
Nothing is opened to match it. Asking udev is devices.plug.watcher's. Words: sysfs and udev(7); a port path follows path_id.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from devices.errors import OptionError, WireError

Subsystem = Literal["tty", "input", "usbmisc", "bluetooth"]
SUBSYSTEMS: tuple[Subsystem, ...] = ("tty", "input", "usbmisc", "bluetooth")
FIELD_MAX = 200  # characters kept of what a device says of itself: USB strings have 126 at most
LISTED_MAX = 8  # attached devices named in one message

_USB_PORT = re.compile(r"/(?P<controller>[^/]+)/usb\d+/(?:[\d.-]+/)*\d+-(?P<ports>[\d.]+)/\d+-[\d.]+:\d+\.\d+(/|$)")
_TELLS_APART = ("serial", "port_path", "interface")
_Hex4 = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{4}\Z")]
_Said = Annotated[str, Meta(min_length=1, max_length=FIELD_MAX)]


class Attached(Struct, frozen=True, kw_only=True):
    """One device node. `vendor` and `product` have four hex digits; `serial` is what the device says of itself.

    `port_path` is the plug it is in (USB controller and ports), `interface` the USB interface; all are "" where there is none.
    """

    subsystem: Subsystem
    node: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    port_path: str = ""
    interface: str = ""
    label: str = ""
    links: tuple[str, ...] = ()
    driver: str = ""


class Match(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a configuration says of a USB device; what is left out may be anything."""

    serial: _Said | None = None
    vendor: _Hex4 | None = None
    product: _Hex4 | None = None
    port_path: _Said | None = None
    interface: _Said | None = None

    def __post_init__(self) -> None:
        if not self.said:
            raise OptionError(f"usb = {{}} means every device; say one of {', '.join(self.__struct_fields__)}")

    @property
    def said(self) -> dict[str, str]:
        """The fields that were said, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.said.items())


class UdevNode(Struct, frozen=True):
    """A device as udev knows it: its own properties and attributes, and those of the USB device that it is part of."""

    subsystem: str
    path: str
    properties: Mapping[str, str]
    attributes: Mapping[str, str] = {}
    usb: Mapping[str, str] = {}
    driver: str = ""


class Machine(Protocol):
    """Whoever can tell what is attached: devices.plug.watcher.Watcher, or devices.testing.sockets.SimulatedSockets."""

    def attached(self) -> list[Attached]: ...

    def watching(
        self, on_plugged: Callable[[Attached], None], on_unplugged: Callable[[str], None]
    ) -> AbstractContextManager[None]: ...


class AttachmentError(WireError):
    """The device that was asked for cannot be named: it is away, or several are like it. Nothing was opened."""


class _Asks(Protocol):
    def attached(self, match: Match, subsystem: Subsystem) -> Attached: ...


def attached_of(node: UdevNode) -> Attached | None:
    """Return what is attached at a udev device, None where it is nothing for a shop (a console, a mouse, a disk)."""
    subsystem = next((each for each in SUBSYSTEMS if each == node.subsystem), None)
    name = _node_name(node)
    if subsystem is None or not name or not _is_wanted(node):
        return None
    port = _USB_PORT.search(node.path)
    usb, own = node.usb, node.attributes
    vendor, product = usb.get("idVendor", ""), usb.get("idProduct", "")
    return Attached(
        subsystem=subsystem,
        node=name,
        vendor=(vendor or own.get("id/vendor", "")).lower(),
        product=(product or own.get("id/product", "")).lower(),
        serial=_clean(usb.get("serial", "") or own.get("uniq", "")),
        port_path=f"{port['controller']}-usb-{port['ports']}" if port else node.properties.get("ID_PATH", ""),
        interface=usb.get("bInterfaceNumber", ""),
        label=_clean(" ".join(filter(None, (usb.get("manufacturer"), usb.get("product")))))
        or _clean(own.get("name", "")),
        links=tuple(sorted(node.properties.get("DEVLINKS", "").split())),
        driver=node.driver,
    )


def matches(match: Match, attached: Attached) -> bool:
    """Return whether everything said is so."""
    return all(getattr(attached, name).lower() == value.lower() for name, value in match.said.items())


def select(attached: Sequence[Attached], match: Match, *, subsystem: Subsystem) -> Attached:
    """Return the one device that is meant; raise AttachmentError `not_attached` or `ambiguous`, with the remedy."""
    found = [each for each in attached if each.subsystem == subsystem and matches(match, each)]
    if len(found) == 1:
        return found[0]
    if found:
        raise AttachmentError(_what_tells_apart(match, found), reason="ambiguous")
    there = [each for each in attached if each.subsystem == subsystem]
    listed = "; ".join(map(described, there[:LISTED_MAX])) or "none"
    raise AttachmentError(
        f"no {subsystem} device with {match} is attached: plug it in, or correct `usb`; attached: {listed}"
    )


def named(attached: Attached, among: Sequence[Attached]) -> Match | None:
    """Return what names this device for good: its serial number, or its plug where it has none or a twin has the same.

    None: only its node does, as of a port of this machine.
    """
    twins = [each for each in among if each.subsystem == attached.subsystem and each.serial == attached.serial]
    model = {"vendor": attached.vendor or None, "product": attached.product or None}
    if attached.serial and len(twins) == 1:
        return Match(**model, serial=attached.serial)
    beside = [each for each in among if each.subsystem == attached.subsystem and each.port_path == attached.port_path]
    interface = attached.interface if len(beside) > 1 else ""
    if not attached.port_path:
        return None
    return Match(**model, port_path=attached.port_path, interface=interface or None)


def node_to_open(ctx: _Asks, given: str | None, usb: Match | None, *, subsystem: Subsystem) -> str:
    """Return the node a driver opens now: as configured, or where the device that `usb` means is plugged in."""
    if given is not None:
        return given
    assert usb is not None, "only_one_place lets no options pass that name neither"
    return ctx.attached(usb, subsystem).node


def only_one_place(given: str | None, usb: Match | None, *, name: str) -> None:
    """Raise OptionError unless a driver's options say either the node (their option `name`) or `usb`."""
    if (given is None) == (usb is None):
        raise OptionError(
            f'say where the device is, once: `{name} = "/dev/…"` or `usb = {{vendor = "…", product = "…"}}`'
        )


def wakes(options: object, attached: Attached) -> bool:
    """Return whether a device of these options waits for what has just been plugged in: its `usb`, or its node by any name."""
    names = {attached.node, *attached.links}
    for field in getattr(options, "__struct_fields__", ()):
        value = getattr(options, field)
        if isinstance(value, Match):
            if matches(value, attached):
                return True
        elif names.intersection([value] if isinstance(value, str) else value if isinstance(value, tuple) else ()):
            return True
    return False


def described(attached: Attached) -> str:
    """Return one device in words: node, label and what tells it apart."""
    names = ("vendor", "product", *_TELLS_APART)
    said = ", ".join(f"{name} {value}" for name in names if (value := getattr(attached, name)))
    return " ".join(filter(None, (attached.node, attached.label, f"({said})" if said else "")))


def _what_tells_apart(match: Match, found: Sequence[Attached]) -> str:
    said = {name: {getattr(each, name) for each in found} - {""} for name in _TELLS_APART}
    apart = [name for name in _TELLS_APART if len(said[name]) == len(found)]
    same = (
        "; they all have the same serial number"
        if len({each.serial for each in found}) == 1 and found[0].serial
        else ""
    )
    remedy = f"say `{apart[0]}` as well" if apart else "nothing tells them apart: say the node instead of `usb`"
    listed = "; ".join(map(described, found[:LISTED_MAX]))
    return f"{len(found)} devices match {match}{same}: {remedy}; {listed}"


def _node_name(node: UdevNode) -> str:
    return node.path.rsplit("/", 1)[-1] if node.subsystem == "bluetooth" else node.properties.get("DEVNAME", "")


def _is_wanted(node: UdevNode) -> bool:
    name = node.path.rsplit("/", 1)[-1]
    match node.subsystem:
        case "tty":  # a UART that the kernel only reserved has the type 0
            return "/virtual/" not in node.path and node.attributes.get("type") != "0"
        case "input":  # a scanner types; a mouse, a power button and a lid do not
            return name.startswith("event") and node.properties.get("ID_INPUT_KEYBOARD") == "1"
        case "usbmisc":
            return name.startswith("lp")
        case _:
            return name.startswith("hci") and ":" not in name


def _clean(said: str) -> str:
    return "".join(each for each in said if each.isprintable()).strip()[:FIELD_MAX]
