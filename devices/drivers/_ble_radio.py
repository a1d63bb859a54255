"""Adapters of BlueZ for drivers that listen: open, look after, switch off and on; its errors in words. bleak scans.

Protocol documents: doc/org.bluez.Adapter.rst and doc/org.bluez.AdvertisementMonitorManager.rst of BlueZ; the D-Bus Specification.
bleak does not switch adapters, so that power is set over a connection of our own (dbus-fast, which bleak brings).

    what BlueZ says                          reason              who mends it
    no socket of the system bus              no_dbus             the operator
    no owner of org.bluez                    bluetoothd_absent   the operator; noticed when it is back
    AccessDenied                             permission_denied   the operator
    no such adapter                          adapter_missing     the operator; noticed when it is back
    switched off, and Blocked when asked     rfkill_blocked      the operator
    switched off                             (none)              we: it is switched on
    NotReady, InProgress, Failed, no answer  adapter_stuck       we: it is switched off and on, once a start
    well, but nothing is heard any more      adapter_silent      we: the same, see devices.drivers.ble_beacons
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from devices.driver import DeviceContext
from devices.errors import WireError

CALL_TIMEOUT_S = 8.0  # switching a USB adapter on takes BlueZ up to some seconds; well below a supervisor's patience
CLOSE_TIMEOUT_S = 1.0
START_TIMEOUT_S = 16.0  # two such calls
_ADAPTER = "org.bluez.Adapter1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_PATTERNS = [
    OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\x4c\x00\x02\x15"),  # iBeacon
    OrPattern(2, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\xbe\xac"),  # AltBeacon
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xaa\xfe"),  # Eddystone
]
_ABSENT = (
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.NoReply",  # the bus says so of whoever leaves it while it is asked
    "org.freedesktop.DBus.Error.Spawn",
    "org.freedesktop.systemd1",
)
_MISSING = ("UnknownObject", "UnknownMethod", "UnknownInterface", "DoesNotExist")
_REMEDIES = {
    "no_dbus": "no system D-Bus: install dbus and bluez, and start them",
    "bluetoothd_absent": "bluetoothd is not running: install bluez, then `systemctl enable --now bluetooth`",
    "permission_denied": "D-Bus refuses the hub: add its user to the group `bluetooth`, then start the hub again",
    "adapter_missing": "adapter {adapter} is not there: plug it in, or correct `adapters` (`bluetoothctl list` shows them)",
    "rfkill_blocked": "adapter {adapter} is blocked by rfkill: `rfkill unblock bluetooth`",
    "adapter_stuck": "adapter {adapter} does not answer as it should, off and on did not help: unplug it, or reboot",
    "passive_unsupported": 'BlueZ cannot listen passively: write `scanning = "active"`, or run bluetoothd --experimental',
}

Scanning = Literal["active", "passive"]
OnAdvertisement = Callable[[BLEDevice, AdvertisementData], None]


class RadioError(WireError):
    """An adapter cannot listen, for `reason`; opening it again is safe and may help once somebody has done what it says."""

    def __init__(self, reason: str, adapter: str, detail: str = "") -> None:
        remedy = _REMEDIES[reason].format(adapter=adapter)
        super().__init__(f"{remedy} ({detail})" if detail else remedy)
        self.reason = reason


class Radio:
    """One adapter of a driver's."""

    def __init__(
        self, ctx: DeviceContext, bus: MessageBus, name: str, on_advertisement: OnAdvertisement, *, scanning: Scanning
    ) -> None:
        self.name = name
        self._ctx = ctx
        self._bus = bus
        self._on_advertisement = on_advertisement
        self._scanning: Scanning = scanning
        self._scanner: BleakScanner | None = None

    async def start(self) -> None:
        """Listen; switch the adapter on if it is off, and off and on if it does not start. Raise RadioError."""
        if not await self._is_powered():
            self._ctx.count("powered_on")
            await self._set_powered(True)
        try:
            await self._scan()
        except RadioError as err:
            if err.reason != "adapter_stuck":
                raise
            await self._cycle()
            await self._scan()

    async def check(self) -> None:
        """See that the adapter is there and on; switch it on again if somebody has switched it off. Raise RadioError."""
        if not await self._is_powered():
            await self.stop()
            await self.start()

    async def restart(self) -> None:
        """Stop listening, switch the adapter off and on, listen again. Raise RadioError."""
        await self.stop()
        await self._cycle()
        await self._scan()

    async def stop(self) -> None:
        """Stop listening, whatever state BlueZ is in."""
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with suppress(BleakError, DBusFastError, OSError, EOFError, TimeoutError):
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    await scanner.stop()

    async def _scan(self) -> None:
        self._ctx.heartbeat()  # each step has its own time-out; several together may take longer than silence is borne
        options = BlueZScannerArgs(adapter=self.name, filters={"DuplicateData": True})
        if self._scanning == "passive":
            options["or_patterns"] = list(_PATTERNS)
        scanner = BleakScanner(self._on_advertisement, scanning_mode=self._scanning, bluez=options)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await scanner.start()
        except BleakDBusError as err:
            raise _said(err.dbus_error, self.name, str(err.dbus_error_details or "")) from err
        except BleakBluetoothNotAvailableError as err:
            raise RadioError("permission_denied", self.name, str(err.args[0])) from err
        except BleakError as err:
            reason = "passive_unsupported" if "passive" in str(err) else "adapter_missing"
            raise RadioError(reason, self.name) from err
        except TimeoutError as err:
            raise RadioError("adapter_stuck", self.name, f"no answer within {START_TIMEOUT_S:g} s") from err
        except (DBusFastError, OSError, EOFError) as err:
            raise RadioError("no_dbus", self.name, str(err)) from err
        self._scanner = scanner

    async def _cycle(self) -> None:
        self._ctx.count("power_cycles")
        await self._set_powered(False)
        await self._set_powered(True)

    async def _is_powered(self) -> bool:
        [properties] = await self._call("GetAll", "s", [_ADAPTER])
        return bool(properties["Powered"].value)

    async def _set_powered(self, is_on: bool) -> None:
        await self._call("Set", "ssv", [_ADAPTER, "Powered", Variant("b", is_on)])

    async def _call(self, member: str, signature: str, body: list[Any]) -> list[Any]:
        """Call Properties of the adapter. Any: as D-Bus has them."""
        self._ctx.heartbeat()
        if not self._bus.connected:
            raise RadioError("no_dbus", self.name, "the connection has ended")
        call = Message("org.bluez", f"/org/bluez/{self.name}", _PROPERTIES, member, signature=signature, body=body)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                reply = await self._bus.call(call)
        except TimeoutError as err:
            raise RadioError("adapter_stuck", self.name, f"no answer within {CALL_TIMEOUT_S:g} s") from err
        except (DBusFastError, OSError, EOFError) as err:
            raise RadioError("no_dbus", self.name, str(err)) from err
        if reply.message_type is MessageType.ERROR:
            raise _said(reply.error_name or "", self.name, str(reply.body[0]) if reply.body else "")
        return reply.body


@asynccontextmanager
async def system_bus() -> AsyncIterator[MessageBus]:
    """Connect to the system bus; raise RadioError when there is none."""
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await bus.connect()
        except (DBusFastError, OSError, EOFError, TimeoutError) as err:
            raise RadioError("no_dbus", "", str(err)) from err
        yield bus
    finally:
        bus.disconnect()
        with suppress(DBusFastError, OSError, EOFError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                # asks how it ended: else asyncio logs that nobody has
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # the library has left it untyped


def _said(error: str, adapter: str, detail: str) -> RadioError:
    """Return the error for a D-Bus error's name."""
    words = f"{error.rpartition('.')[2]}: {detail}" if detail else error
    if error.startswith(_ABSENT):
        return RadioError("bluetoothd_absent", adapter)
    if error.endswith("AccessDenied"):
        return RadioError("permission_denied", adapter)
    if error == "org.bluez.Error.Blocked":
        return RadioError("rfkill_blocked", adapter)
    if error.endswith(_MISSING):
        return RadioError("adapter_missing", adapter)
    return RadioError("adapter_stuck", adapter, words)
