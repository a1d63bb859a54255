"""USB devices that are not there, under the real libudev: descriptions as `umockdev-record` writes them, plugged in and pulled.

Needs Debian's umockdev and a process started through `umockdev-wrapper`, which turns what libudev reads and hears to this
bed. It makes no device: whoever needs bytes uses devices.testing.serial_line.
"""

import ctypes
from typing import NamedTuple, Self


class UsbDevice(NamedTuple):
    """One plugged-in device: where (`1-2`, `1-1.4`), what it says of itself, and the nodes it makes."""

    port: str
    vendor: str
    product: str
    nodes: tuple[str, ...]
    serial: str = ""
    words: tuple[str, str] = ("Maker", "Thing")
    controller: str = "0000:00:14.0"

    @property
    def path(self) -> str:
        """The device's folder below /sys."""
        hubs = self.port.split(".")
        steps = "/".join(".".join(hubs[: depth + 1]) for depth in range(len(hubs)))
        return f"/devices/pci0000:00/{self.controller}/usb{self.port[0]}/{steps}"

    def node_path(self, node: str, interface: int = 0) -> str:
        """The folder of one of its nodes: tty…, event…, lp… or hci…"""
        top = f"{self.path}/{self.port}:1.{interface}"
        if node.startswith("event"):
            return f"{top}/0003:{self.vendor.upper()}:{self.product.upper()}.0001/input/input{node[5:]}/{node}"
        return f"{top}/{_subsystem(node)}/{node}"

    def described(self) -> str:
        """Return the description that umockdev takes."""
        own = {
            "idVendor": self.vendor,
            "idProduct": self.product,
            "manufacturer": self.words[0],
            "product": self.words[1],
        }
        if self.serial:
            own["serial"] = self.serial
        parts = [_part(self.path, "usb", {"DEVTYPE": "usb_device"}, own)]
        for interface, node in enumerate(self.nodes):
            number = {"bInterfaceNumber": f"{interface:02x}"}
            parts.append(_part(f"{self.path}/{self.port}:1.{interface}", "usb", {"DEVTYPE": "usb_interface"}, number))
            path, said = self.node_path(node, interface), {"ID_INPUT_KEYBOARD": "1"} if node.startswith("event") else {}
            if node.startswith("event"):
                parts.append(_part(path.rsplit("/", 1)[0], "input", {}, {"name": " ".join(self.words)}))
            if not node.startswith("hci"):
                said["DEVNAME"] = _device_file(node)
            if node.startswith("tty"):
                said["DEVLINKS"] = (
                    f"/dev/serial/by-id/usb-{self.vendor}_{self.serial or self.product}-if{interface:02x}"
                )
            parts.append(_part(path, _subsystem(node), said, {}))
        return "".join(parts)


class UsbBed:
    """The machine's USB sockets."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libumockdev.so.0")
        self._library.umockdev_testbed_new.restype = ctypes.c_void_p
        self._bed = ctypes.c_void_p(self._library.umockdev_testbed_new())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._library.g_object_unref(self._bed)

    def plug(self, device: UsbDevice) -> None:
        """Plug a device in: udev says `add` for each of its parts."""
        assert self._library.umockdev_testbed_add_from_string(self._bed, device.described().encode(), None)

    def pull(self, device: UsbDevice) -> None:
        """Pull it out: udev says `remove`, the nodes first."""
        paths = [line[3:] for line in device.described().splitlines() if line.startswith("P: ")]
        for path in reversed(paths):
            self._library.umockdev_testbed_uevent(self._bed, f"/sys{path}".encode(), b"remove")
            self._library.umockdev_testbed_remove_device(self._bed, f"/sys{path}".encode())


def _part(path: str, subsystem: str, properties: dict[str, str], attributes: dict[str, str]) -> str:
    lines = [f"P: {path}", f"E: SUBSYSTEM={subsystem}"]
    lines += [f"E: {name}={value}" for name, value in properties.items()]
    lines += [f"A: {name}={value}" for name, value in attributes.items()]
    return "\n".join(lines) + "\n\n"


def _subsystem(node: str) -> str:
    return {"tty": "tty", "eve": "input", "hci": "bluetooth"}.get(node[:3], "usbmisc")


def _device_file(node: str) -> str:
    return {"input": f"/dev/input/{node}", "usbmisc": f"/dev/usb/{node}"}.get(_subsystem(node), f"/dev/{node}")
