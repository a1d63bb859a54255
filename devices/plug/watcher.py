"""Asks udev what is attached, and hears of what is plugged in: its netlink socket on the event loop, no thread.

The only file that knows pyudev (imported when first asked). It opens no device: sysfs and udev's own records say it all.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devices.plug.attachment import SUBSYSTEMS, Attached, AttachmentError, UdevNode, attached_of

if TYPE_CHECKING:
    import pyudev

_USB_DEVICE = ("idVendor", "idProduct", "serial", "manufacturer", "product")
_INPUT = ("id/vendor", "id/product", "uniq", "name")
_NO_UDEV = "libudev is not there: `apt install libudev1`; until then give the node (`port`, `path`) instead of `usb`"

log = logging.getLogger(__name__)


class Watcher:
    """The devices of this machine, as udev has them now."""

    def __init__(self) -> None:
        self._udev: pyudev.Context | None = None

    def attached(self) -> list[Attached]:
        """Return everything attached that a shop could use, by node; raise AttachmentError `no_udev` where nobody can tell."""
        udev = self._opened()
        found = (_read(device) for each in SUBSYSTEMS for device in udev.list_devices(subsystem=each))
        return sorted((each for each in found if each is not None), key=lambda each: (each.subsystem, each.node))

    @contextmanager
    def watching(self, on_plugged: Callable[[Attached], None], on_unplugged: Callable[[str], None]) -> Iterator[None]:
        """Tell of every device that comes (ready to be opened: udev is done with it), and of the node of each that goes."""
        import pyudev

        monitor = pyudev.Monitor.from_netlink(self._opened(), source="udev")
        for each in SUBSYSTEMS:
            monitor.filter_by(each)
        monitor.start()

        def on_readable() -> None:
            try:
                while (device := monitor.poll(0)) is not None:
                    attached = _read(device)
                    if attached is not None and device.action in ("add", "bind", "move"):
                        on_plugged(attached)
                    elif device.action == "remove" and device.device_node:
                        on_unplugged(device.device_node)
            except OSError as err:  # ENOBUFS: so much was plugged in at once that the kernel let some of it fall
                log.warning("udev was not heard in time; looking at all that is attached", extra={"detail": str(err)})
                for each in self.attached():
                    on_plugged(each)

        loop, fd = asyncio.get_running_loop(), monitor.fileno()
        loop.add_reader(fd, on_readable)
        try:
            yield
        finally:
            loop.remove_reader(fd)

    def _opened(self) -> "pyudev.Context":
        if self._udev is None:
            try:
                import pyudev

                self._udev = pyudev.Context()
            except ImportError as err:  # pyudev raises it for the library as well
                raise AttachmentError(_NO_UDEV, reason="no_udev") from err
        return self._udev


def _read(device: "pyudev.Device") -> Attached | None:
    """Return what a udev device is; None also for one that went away while it was read."""
    if "/virtual/" in device.device_path and device.subsystem == "tty":
        return None  # sixty consoles: not one property of them is read
    own: dict[str, str] = {}
    usb: dict[str, str] = {}
    driver = ""
    if device.subsystem == "tty":
        own = _attributes(device, ("type",))
    elif device.subsystem == "input" and device.parent is not None:
        own = _attributes(device.parent, _INPUT)
    if (interface := device.find_parent("usb", "usb_interface")) is not None:
        usb |= _attributes(interface, ("bInterfaceNumber",))
        driver = interface.driver or ""
    if (parent := device.find_parent("usb", "usb_device")) is not None:
        usb |= _attributes(parent, _USB_DEVICE)
    return attached_of(UdevNode(device.subsystem, device.device_path, dict(device.properties), own, usb, driver))


def _attributes(device: "pyudev.Device", names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = device.attributes.get(name).decode("utf-8", "replace").strip()
        except (AttributeError, KeyError, OSError):  # it has none, or it is gone
            continue
    return found
