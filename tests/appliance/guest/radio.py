"""A radio that is software: a Bluetooth controller behind /dev/vhci for BlueZ, and iBeacons in the same air.

    radio.py COUNT      beacons 0 to COUNT - 1: the uuid below, major 1, minor the beacon's number; prints `air` when it is up

They advertise as long as there is a file /run/beacons.

Sources: bumble's examples of its controller and link; Apple's Proximity Beacon Specification R1.
"""

import asyncio
import struct
import sys
from pathlib import Path
from uuid import UUID

from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport

BEACONS = UUID("f7826da6-4fa2-4e98-8024-bc5b71e0893e")
APPLE = 0x004C
SWITCH = Path("/run/beacons")


def proximity(number: int) -> bytes:
    return struct.pack("<H2s", APPLE, b"\x02\x15") + BEACONS.bytes + struct.pack(">HHb", 1, number, -59)


async def main(count: int) -> None:
    air = LocalLink()
    async with await open_transport("vhci") as (source, sink):
        listener = Controller("hci0", host_source=source, host_sink=sink, link=air, public_address="F0:F1:F2:F3:F4:F5")
        assert listener
        beacons = []
        for number in range(count):
            address = f"C0:00:00:00:00:{number:02X}"
            controller = Controller(f"b{number}", link=air, public_address=address)
            beacon = Device(name=f"b{number}", host=Host(controller, controller), address=Address(address))
            frames = [(AdvertisingData.FLAGS, b"\x06"), (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, proximity(number))]
            beacon.advertising_data = bytes(AdvertisingData(frames))
            await beacon.power_on()
            beacons.append(beacon)
        print("air", flush=True)
        are_there = False
        while True:
            if SWITCH.exists() != are_there:
                are_there = not are_there
                for beacon in beacons:
                    await (beacon.start_advertising(auto_restart=True) if are_there else beacon.stop_advertising())
            await asyncio.sleep(0.1)


asyncio.run(main(int(sys.argv[1])))
