"""What the running hub says of itself: devices, the line, its broker; and its certificate. Not here: the machine below it."""

import socket
from collections.abc import Iterator

from devices.model import Health
from hub.api.attached.devices import DeviceList
from hub.config import Config
from hub.disk.room import DiskView
from hub.doctor.findings import Finding, fault, warning, well
from hub.replication import SyncView
from hub.tls.files import read_authority, read_leaf
from hub.tls.keeper import RENEW_DAYS
from sync.errors import StartError

DAY_MS = 86_400_000
BROKER_TIMEOUT_S = 2.0
AUTHORITY_WARNING_DAYS = 365  # every tablet has to be taken in hand once


def look_at_devices(devices: DeviceList) -> Iterator[Finding]:
    """Yield one finding a device."""
    for device in devices.items:
        about = f"device {device.device_id}"
        if device.health == Health.READY:
            yield well(about, device.kind)
        else:
            said = f"{device.kind} is {device.health}: {device.reason}"
            yield warning(about, said, device.detail or "see its page in docs/devices.md")


def look_at_disk(view: DiskView) -> Iterator[Finding]:
    """Yield whether the running hub can write, and what it gives up to go on."""
    said = f"{view.state}: {view.reserve_bytes >> 20} of {view.reserve_whole_bytes >> 20} MiB are held back for sales"
    if view.takes_sales and view.takes_imports:
        yield well("selling", said)
    elif view.state == "full":
        yield fault("selling", "the disk is full and sales are refused", "make room: the hub goes on by itself")
    elif view.takes_sales:
        yield fault("selling", said, "make room now: imports are refused, sales are next")
    else:
        remedy = "see `dmesg`: the card may be worn; back it up, replace it, `storehub restore` on the new one"
        yield fault("selling", f"the disk is {view.state} and sales are refused", remedy)


def look_at_line(view: SyncView) -> Iterator[Finding]:
    """Yield how the hub stands to the cloud."""
    if view.mode == "alone" and view.medium is None:
        yield warning("cloud", "none is joined: there is one copy of the books", "join one, or see to backups")
    elif view.mode == "alone":
        yield well("cloud", "none is joined; what is sold goes to the second medium")
    elif view.up or view.mode in ("pull", "scheduled"):
        yield well("cloud", f"{view.mode}, {view.rows_waiting} rows wait")
    else:
        said = f"the line is down since {view.since:%Y-%m-%d %H:%M} UTC ({view.reason}), {view.rows_waiting} rows wait"
        yield warning("cloud", said, view.remedy or view.detail or "the shop sells on; see the store's router")
    if view.medium is not None and not view.medium.up:
        yield fault("feed copy", f"{view.medium.to}: {view.medium.reason} {view.medium.detail}", view.medium.remedy)
    elif view.medium is not None:
        said = f"{view.medium.upto} sales of this life at {view.medium.to}, {view.medium.bytes / 1e6:.1f} MB"
        yield well("feed copy", said)
    if view.clock_unsure:
        yield warning("shop's time", "the hub is unsure what time it is", "confirm the time in the console")


def look_at_certificate(config: Config, *, now_ms: int) -> Iterator[Finding]:
    """Yield how long tablets still trust this hub."""
    if not config.is_on_lan:
        return
    try:
        authority, leaf = read_authority(config.tls_folder), read_leaf(config.tls_folder)
    except StartError as err:
        yield fault("certificate", str(err), "start the hub again; a damaged CA comes back with `storehub restore`")
        return
    if authority is None:
        yield fault("store CA", "there is none", "start the hub: it makes one")
        return
    ca_days = (authority.not_after_ms - now_ms) // DAY_MS
    if ca_days < AUTHORITY_WARNING_DAYS:
        remedy = "move tls/authority.pem away, start the hub again, let each tablet trust the new one at /pair"
        yield warning("store CA", f"it ends in {ca_days} days", remedy)
    days = (leaf[0].not_after_ms - now_ms) // DAY_MS if leaf else -1
    if days < 0:
        yield fault("certificate", "there is none that is good", "`storehub tls renew`")
    elif leaf and leaf[0].not_before_ms > now_ms:
        yield fault("certificate", "it begins in the future of this clock", "set the time: `timedatectl`")
    elif days < RENEW_DAYS // 2:
        yield warning("certificate", f"good for {days} days, the hub should have renewed it", "`storehub tls renew`")
    else:
        yield well("certificate", f"good for {days} days")


def look_at_broker(config: Config) -> Iterator[Finding]:
    """Yield whether the embedded broker's port answers."""
    if config.mqtt is None:
        return
    try:
        socket.create_connection(("127.0.0.1", config.mqtt.port), BROKER_TIMEOUT_S).close()
    except OSError as err:
        yield fault(
            "MQTT broker",
            f"127.0.0.1:{config.mqtt.port}: {err.strerror or err}",
            "see the hub's log; is the port free?",
        )
        return
    yield well("MQTT broker", f"answers on 127.0.0.1:{config.mqtt.port}")
