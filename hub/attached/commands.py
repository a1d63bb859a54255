"""Telling a device something, for the API: who may, and what a caller hears when the device is away or busy."""

from devices.errors import CommandError
from devices.model import Category
from devices.supervision.commands import Command
from devices.supervision.outside import DeviceState
from hub.errors import ConflictError, NotFoundError, RefusedError
from hub.runtime import Runtime
from sync.errors import BusyError


def device_of(hub: Runtime, device_id: str, category: Category) -> DeviceState:
    """Return a device's state; raise NotFoundError for none of this name, RefusedError for one of another category."""
    states = {state.device_id: state for state in hub.device_states()}
    if device_id not in states:
        raise NotFoundError("device", f"no device {device_id!r}; devices: {', '.join(sorted(states)) or 'none'}")
    if states[device_id].category != category:
        raise RefusedError("wrong_category", f"{device_id} is a {states[device_id].category}, no {category}")
    return states[device_id]


async def tell(hub: Runtime, device_id: str, command: Command, *, till_id: str) -> None:
    """Return when the device did it; raise ConflictError where another till claims it, BusyError where it did not do it."""
    holder = hub.claims.holder(device_id)
    if holder not in (None, till_id):
        raise ConflictError("claimed", f"{device_id} is claimed by {holder}", holder=holder)
    try:
        await hub.tell_device(device_id, command)
    except CommandError as err:
        if err.reason == "device_offline":
            raise BusyError("device_offline", str(err)) from err
        raise BusyError("device_busy", str(err)) from err
