"""`storehub devices list | take-over | put-back`: what is attached and whose, and a stand-in for a broken device."""

from devices.plug.attachment import described
from hub.api.attached.attachments import AttachedList
from hub.api.attached.devices import DeviceList
from hub.commands.asking import ask
from hub.config import Config
from hub.machine_client import MachineClient


def list_devices(config: Config) -> int:
    """Print each configured device and how it is, then what is attached and whose it is."""

    async def both(client: MachineClient) -> tuple[DeviceList, AttachedList]:
        return await client.machine_devices(), await client.attached()

    known, attached = ask(config, both)
    for device in known.items:
        print("\t".join([device.device_id, device.kind, device.health, device.reason, device.detail]).rstrip())
    for view in attached.items:
        print(
            "\t".join(["attached", described(view.attached), f"is {view.device_id}" if view.device_id else "is free"])
        )
        for replaces in view.replaces:
            line = f"storehub devices take-over {replaces.device_id} {view.attached.node}"
            print(f"\tlooks like the replacement of {replaces.device_id}; if it is: {line}")
    for taken in attached.take_overs:
        print(
            f"{taken.device_id}\tis stood in for by {taken.usb}; to undo: storehub devices put-back {taken.device_id}"
        )
    return 0


def take_over(device_id: str, node: str, config: Config) -> int:
    """Let what is at `node` stand in for a device."""
    taken = ask(config, lambda client: client.take_over(device_id, node))
    print(f"{device_id} is {taken.usb} from now on; to undo: storehub devices put-back {device_id}")
    print("when the old one is gone for good, write into the configuration:")
    said = ", ".join(f'{name} = "{value}"' for name, value in taken.usb.said.items())
    print(f"usb = {{{said}}}")
    return 0


def put_back(device_id: str, config: Config) -> int:
    """Undo it."""
    ask(config, lambda client: client.put_back(device_id))
    print(f"{device_id} is again what the configuration says")
    return 0
