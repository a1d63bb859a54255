"""Where the device side hands in what devices say: each kind of event goes to the file of this room that hears it."""

from devices.model import DrawerStatus, Event, Scan, TagRead, Weight, ZoneChange
from hub.attached import tags, weights, zones
from hub.attached.scans import Scans
from hub.runtime import Runtime


class Events:
    """The way in for events, one for a running hub."""

    def __init__(self, hub: Runtime) -> None:
        self._hub = hub
        self._scans = Scans(hub)

    async def hear(self, device_id: str, event: Event) -> None:
        """Lead what a device said to those who hear its kind."""
        hub = self._hub
        match event:
            case Scan():
                self._scans.hear(device_id, event)
            case Weight():
                weights.hear(hub, device_id, event)
            case TagRead():
                tags.hear(hub, device_id, event)
            case DrawerStatus():
                hub.bus.publish("drawer", {"is_open": event.is_open}, now_ms=hub.now_ms(), device=device_id)
            case ZoneChange():
                zones.hear(hub, device_id, event)
