"""The client of commands on the hub's own machine: what is asked of its devices by the control socket."""

from urllib.parse import quote

from devices.plug.capture import Trace
from hub.api.attached.attachments import AttachedList, PutBack, TakeOverRequest
from hub.api.attached.captures import Begun
from hub.api.attached.devices import DeviceList
from hub.api.replica.hubs import PreferRequest
from hub.client import HubClient
from hub.disk.room import DiskView
from hub.replication import SyncView
from hub.standby.hubs import StandbyReport
from hub.store.attachments import TakeOver


class MachineClient(HubClient):
    """Use as HubClient, with `unix_socket`."""

    async def machine_devices(self) -> DeviceList:
        """All configured devices, by the control socket."""
        return await self._call("GET", "/control/devices", DeviceList)

    async def machine_disk(self) -> DiskView:
        """Room where the books lie, by the control socket."""
        return await self._call("GET", "/control/disk", DiskView)

    async def machine_sync(self) -> SyncView:
        """How the hub stands to the cloud, by the control socket."""
        return await self._call("GET", "/control/sync", SyncView)

    async def standby(self) -> StandbyReport:
        """How the two hubs of the store stand to each other, by the control socket."""
        return await self._call("GET", "/control/standby", StandbyReport)

    async def prefer_hub(self, *, here: bool) -> StandbyReport:
        """Say at which hub tills are to be, by the control socket."""
        return await self._call("PUT", "/control/standby/preferred", StandbyReport, body=PreferRequest(here))

    async def attached(self) -> AttachedList:
        """What is plugged in, by the control socket."""
        return await self._call("GET", "/control/devices/attached", AttachedList)

    async def take_over(self, device_id: str, node: str) -> TakeOver:
        """Let what is at `node` stand in for a device, by the control socket."""
        path = f"/control/devices/{quote(device_id, safe='')}/take-over"
        return await self._call("POST", path, TakeOver, body=TakeOverRequest(node))

    async def put_back(self, device_id: str) -> PutBack:
        """Undo a take-over, by the control socket."""
        return await self._call("DELETE", f"/control/devices/{quote(device_id, safe='')}/take-over", PutBack)

    async def begin_capture(self, device_id: str) -> Begun:
        """Keep what comes over a device's wire, by the control socket."""
        return await self._call("POST", f"/control/devices/{quote(device_id, safe='')}/capture", Begun)

    async def end_capture(self, device_id: str) -> Trace:
        """Return what came since, masked, by the control socket."""
        return await self._call("DELETE", f"/control/devices/{quote(device_id, safe='')}/capture", Trace)
