"""A bluetoothd without Bluetooth: org.bluez on a private bus, with adapters that hear what they are told, and faults on demand.

What a scanner needs of doc/org.bluez.*.rst of BlueZ 5.66: ObjectManager, Adapter1 with its properties, discovery and
advertisement monitors, Device1 of what is heard. It shares no code with the drivers but the D-Bus library.

    deafen      an adapter is on and hears nothing, until it was switched off and on (`for_good`: also then)
    unplug      an adapter is gone; `plug` brings it back
    block       rfkill: it is off and cannot be switched on
    refuse      a method answers with an error, so many times
    hang        a method never answers
    stop        bluetoothd is gone; `start` brings it back with its adapters as they are, off the air
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from dbus_fast import Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

DEVICES_MAX = 2048  # addresses an adapter keeps; the oldest goes, as BlueZ lets go what it has not heard for 30 s
BURST_MAX = 64  # advertisements that a socket's buffer surely holds
WAIT_TIMEOUT_S = 10.0
ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
MONITORS = "org.bluez.AdvertisementMonitorManager1"
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER = "org.freedesktop.DBus.ObjectManager"


class FakeAdapter:
    """One radio; what it does is written down in `power_cycles`, `starts`."""

    def __init__(self, name: str, *, is_powered: bool = True) -> None:
        self.path = f"/org/bluez/{name}"
        self.is_powered = is_powered
        self.is_discovering = self.is_deaf = self.is_deaf_for_good = self.is_blocked = False
        self.monitors: set[str] = set()
        self.filters: dict[str, Any] = {}  # Any: as D-Bus has them
        self.power_cycles = self.starts = 0
        self.devices: OrderedDict[str, str] = OrderedDict()

    @property
    def hears(self) -> bool:
        """Whether an advertisement reaches its clients."""
        return self.is_powered and (self.is_discovering or bool(self.monitors)) and not self.is_deaf

    def properties(self) -> dict[str, Variant]:
        """What Adapter1 says."""
        return {
            "Address": Variant("s", "00:00:5E:00:53:01"),
            "AddressType": Variant("s", "public"),
            "Powered": Variant("b", self.is_powered),
            "Discovering": Variant("b", self.is_discovering),
            "Roles": Variant("as", ["central", "peripheral"]),
            "UUIDs": Variant("as", []),
        }

    def switch(self, is_on: bool) -> None:
        """Switch power; off ends what was going on, and mends deafness."""
        if self.is_powered and not is_on:
            self.power_cycles += 1
            self.is_discovering = False
            self.is_deaf = self.is_deaf_for_good
        self.is_powered = is_on


class FakeBlueZ:
    """The service. Enter it on a bus; `advertise` is what the air brings."""

    def __init__(self, address: str, adapters: Sequence[str] = ("hci0",)) -> None:
        self.adapters = {name: FakeAdapter(name) for name in adapters}
        self.calls: Counter[str] = Counter()
        self._address = address
        self._unplugged: dict[str, FakeAdapter] = {}
        self._refused: dict[str, tuple[str, int]] = {}
        self._hanging: set[str] = set()
        self._changed = asyncio.Event()
        self._bus: MessageBus | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def start(self) -> None:
        """Let bluetoothd come up."""
        bus = await MessageBus(bus_address=self._address).connect()
        bus.add_message_handler(self._answer)
        assert await bus.request_name("org.bluez") == RequestNameReply.PRIMARY_OWNER
        self._bus = bus

    def stop(self) -> None:
        """Kill bluetoothd: whatever was on the air is no more."""
        for adapter in self.adapters.values():
            adapter.is_discovering = False
            adapter.monitors.clear()
            adapter.devices.clear()
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    def advertise(
        self,
        address: str,
        *,
        manufacturer: Mapping[int, bytes] | None = None,
        service: Mapping[str, bytes] | None = None,
        rssi: int = -60,
        adapter: str = "hci0",
    ) -> bool:
        """Let an advertisement reach an adapter; say whether it was heard."""
        radio = self.adapters.get(adapter)
        if radio is None or not radio.hears or self._bus is None:
            return False
        heard = {"RSSI": Variant("n", rssi)}
        if manufacturer:
            heard["ManufacturerData"] = Variant("a{qv}", {k: Variant("ay", v) for k, v in manufacturer.items()})
        if service:
            heard["ServiceData"] = Variant("a{sv}", {k: Variant("ay", v) for k, v in service.items()})
        path = radio.devices.get(address)
        if path is not None:
            radio.devices.move_to_end(address)
            self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, heard, []])
            return True
        path = radio.devices[address] = f"{radio.path}/dev_{address.replace(':', '_')}"
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, {DEVICE: _device(radio, address) | heard}])
        if len(radio.devices) > DEVICES_MAX:
            self.forget(next(iter(radio.devices)), adapter=adapter)
        return True

    async def settle(self) -> None:
        """Return when the bus has taken all that was said; needed every BURST_MAX, for dbus-fast gives up on a full socket."""
        assert self._bus is not None, "bluetoothd is not there"
        ping = Message("org.freedesktop.DBus", "/", "org.freedesktop.DBus.Peer", "Ping")
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            await self._bus.call(ping)

    def forget(self, address: str, *, adapter: str = "hci0") -> None:
        """Let go of a device that was not heard for long."""
        path = self.adapters[adapter].devices.pop(address)
        self._signal("/", MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE]])

    def deafen(self, adapter: str = "hci0", *, for_good: bool = False) -> None:
        """Stop hearing while everything looks well."""
        self.adapters[adapter].is_deaf = True
        self.adapters[adapter].is_deaf_for_good = for_good

    def unplug(self, adapter: str = "hci0") -> None:
        """Take an adapter away."""
        radio = self._unplugged[adapter] = self.adapters.pop(adapter)
        radio.is_discovering = False
        radio.devices.clear()
        self._signal("/", MANAGER, "InterfacesRemoved", "oas", [radio.path, [ADAPTER, MONITORS]])

    def plug(self, adapter: str = "hci0") -> None:
        """Bring it back."""
        radio = self.adapters[adapter] = self._unplugged.pop(adapter)
        self._signal("/", MANAGER, "InterfacesAdded", "oa{sa{sv}}", [radio.path, {ADAPTER: radio.properties()}])

    def block(self, adapter: str = "hci0") -> None:
        """Switch it off by rfkill."""
        self.adapters[adapter].is_blocked = True
        self._power(self.adapters[adapter], is_on=False)

    def refuse(self, member: str, error: str, times: int = 1) -> None:
        """Let a method answer with an error."""
        self._refused[member] = (error, times)

    def hang(self, member: str, *, does: bool = True) -> None:
        """Let a method never answer, or answer again."""
        (self._hanging.add if does else self._hanging.discard)(member)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return when it holds; asked again after each call that came in."""
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.destination == "org.freedesktop.DBus":
            return None
        member = message.member or ""
        self.calls[member] += 1
        self._changed.set()
        if member in self._hanging:
            return True
        error, times = self._refused.get(member, ("", 0))
        if times:
            self._refused[member] = (error, times - 1)
            return Message.new_error(message, error, "as the test asked for")
        if member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
        radio = next((each for each in self.adapters.values() if each.path == message.path), None)
        if radio is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownObject", f"no object {message.path}")
        return self._of_adapter(radio, message)

    def _of_adapter(self, radio: FakeAdapter, message: Message) -> Message:
        match message.member, message.body:
            case "GetAll", [_]:
                return Message.new_method_return(message, "a{sv}", [radio.properties()])
            case "Set", [_, "Powered", value]:
                if value.value and radio.is_blocked:
                    return Message.new_error(message, "org.bluez.Error.Blocked", "Blocked through rfkill")
                self._power(radio, is_on=value.value)
            case "SetDiscoveryFilter", [filters]:
                radio.filters = {name: value.value for name, value in filters.items()}
            case "StartDiscovery", _:
                if not radio.is_powered:
                    return Message.new_error(message, "org.bluez.Error.NotReady", "Resource Not Ready")
                radio.is_discovering = True
                radio.starts += 1
            case "StopDiscovery", _:
                if not radio.is_discovering:
                    return Message.new_error(message, "org.bluez.Error.Failed", "No discovery started")
                radio.is_discovering = False
            case "RegisterMonitor", [path]:
                radio.monitors.add(path)
                radio.starts += 1
            case "UnregisterMonitor", [path]:
                radio.monitors.discard(path)
            case _:
                return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", f"no {message.member}")
        return Message.new_method_return(message)

    def _power(self, radio: FakeAdapter, *, is_on: bool) -> None:
        radio.switch(is_on)
        changed = {"Powered": Variant("b", is_on), "Discovering": Variant("b", radio.is_discovering)}
        self._signal(radio.path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [ADAPTER, changed, []])

    def _objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        found: dict[str, dict[str, dict[str, Variant]]] = {}
        for radio in self.adapters.values():
            found[radio.path] = {ADAPTER: radio.properties(), MONITORS: {}}
            found |= {path: {DEVICE: _device(radio, address)} for address, path in radio.devices.items()}
        return found

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if self._bus is not None and self._bus.connected:
            signal = Message.new_signal(path, interface, member, signature, body)
            self._bus.send(signal)


def _device(radio: FakeAdapter, address: str) -> dict[str, Variant]:
    return {
        "Adapter": Variant("o", radio.path),
        "Address": Variant("s", address),
        "AddressType": Variant("s", "random"),
        "Alias": Variant("s", address.replace(":", "-")),
        "Connected": Variant("b", False),
        "Paired": Variant("b", False),
        "UUIDs": Variant("as", []),
    }
