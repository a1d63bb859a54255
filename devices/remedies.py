"""What goes wrong at a device's node, in one place: the stable reason word, what is so, and what to do.

Pure. A driver turns an OSError into the WireError of here; nobody else words these. errno(3), and what Linux' tty, evdev
and usblp drivers answer.
"""

import errno
from collections.abc import Mapping
from typing import NamedTuple

from devices.errors import WireError
from devices.model import Health, StatusUpdate
from devices.plug.attachment import Subsystem

_GROUPS: Mapping[Subsystem, str] = {"tty": "dialout", "input": "input", "usbmisc": "lp", "bluetooth": "bluetooth"}


class Remedy(NamedTuple):
    """The reason word of health, and a sentence behind the node's name; `{group}` is who may open such nodes."""

    reason: str
    words: str


AWAY = Remedy(
    "not_attached",
    "is not there: plug it in, or correct its place in the configuration (`storehub probe` lists places)",
)
GONE = Remedy("not_attached", "is gone: unplugged, or its power failed; it is opened again as soon as it is back")
DENIED = Remedy(
    "permission_denied",
    "may not be opened: give it to the hub by a udev rule (docs/operating/service.md), or add the hub's user to the group "
    "`{group}` and start the hub again",
)
BUSY = Remedy("busy", "is in use by another program or device section: stop that one (`fuser -v` names it)")
WRONG_NODE = Remedy(
    "wrong_node", "is no such device: correct its place in the configuration (`storehub probe` lists places)"
)
STUCK = Remedy("io_error", "answers with errors: check cable and power, try another USB port without a hub")
NOT_OPENING = Remedy("no_answer", "does not open in time: pull its plug and put it back")
UNREADABLE = Remedy("unreadable", "it sends what nobody can read: check {settings} against the device's own settings")

BY_ERRNO: Mapping[int, Remedy] = {
    errno.ENOENT: AWAY,
    errno.ENXIO: AWAY,
    errno.ENODEV: GONE,
    errno.ESHUTDOWN: GONE,
    errno.EPIPE: GONE,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EBUSY: BUSY,
    errno.ENOTTY: WRONG_NODE,
    errno.EINVAL: WRONG_NODE,
    errno.EISDIR: WRONG_NODE,
    errno.EIO: STUCK,
    errno.EPROTO: STUCK,
    errno.EILSEQ: STUCK,
    errno.ETIMEDOUT: STUCK,
}


def wire_error(node: str, err: OSError, *, subsystem: Subsystem = "tty") -> WireError:
    """Return what to raise for an error at opening, reading or writing a node."""
    remedy = BY_ERRNO.get(err.errno or 0)
    if subsystem == "tty" and err.errno == errno.EIO:
        remedy = GONE  # the line discipline answers so once the port has hung up
    if remedy is None:
        return WireError(f"{node} fails: {err.strerror or err}", reason="io_error")
    return remedied(node, remedy, subsystem=subsystem)


def remedied(node: str, remedy: Remedy, *, subsystem: Subsystem = "tty") -> WireError:
    """Return what to raise where no errno says it."""
    return WireError(f"{node} {remedy.words.format(group=_GROUPS[subsystem])}", reason=remedy.reason)


def unreadable(settings: str) -> StatusUpdate:
    """Return the health of a device that is attached and sends nonsense; `settings` are those that may be wrong."""
    return StatusUpdate(Health.DEGRADED, UNREADABLE.reason, UNREADABLE.words.format(settings=settings))
