"""One supervisor a device: run its driver, report, back off with full jitter, run it again. Siblings never fall.

    starting --driver reports--> ready / degraded --driver ends, raises or is stuck--> offline --back-off--> (run again)

The hub hands in its callbacks, clocks and chance as `Outside`; nothing here knows a till, a store or a database. An
error out of a callback is a bug in the hub: it ends the supervisor loudly instead of being taken for a device's fault.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from types import FrameType

from devices.driver import DriverOptions
from devices.errors import CommandError, DeviceError, OptionError, WireError
from devices.model import Health, StatusUpdate
from devices.plug.attachment import Attached, wakes
from devices.plug.capture import Tap, Trace
from devices.supervision.commands import Command
from devices.supervision.device_context import Context, End
from devices.supervision.outside import DeviceSpec, DeviceState, Outside
from devices.supervision.requests import DeviceRequest, RequestQueue

BACKOFF_FIRST_S = 0.2  # a USB device that re-enumerates is back within this
BACKOFF_MAX_S = 30.0  # how long a device that was plugged in again may stay unnoticed
HEALTHY_S = 60.0  # a driver that has worked this long starts again at BACKOFF_FIRST_S
CANCEL_TIMEOUT_S = 10.0  # a cancelled driver closes its port within this; later, it is reported as hanging
COMMAND_TIMEOUT_S = 5.0  # whoever pressed a button waits no longer
BLOCKED_REST_S = 300.0  # how long a driver that held everybody up is left alone
BLOCKED_REMEDY = "pull the device's plug and put it back; if it comes again, take the device out of the configuration"

log = logging.getLogger(__name__)


class Supervisor:
    """All devices of a hub. `run` works until it is cancelled; the states can be read at any time."""

    def __init__(self, specs: Sequence[DeviceSpec], outside: Outside) -> None:
        self._devices: dict[str, DeviceSupervisor] = {}
        self._requests: dict[str, RequestQueue] = {}
        for spec in specs:
            if spec.device_id in self._devices:
                raise OptionError(f"{spec.device_id}: two devices have this name; give one of them another")
            self._devices[spec.device_id] = device = DeviceSupervisor(spec, outside)
            if spec.driver.takes_requests:
                self._requests[spec.device_id] = device.requests

    async def run(self) -> None:
        """Run every device side by side."""
        async with asyncio.TaskGroup() as group:
            for device_id, device in self._devices.items():
                group.create_task(device.run(), name=f"device {device_id}")

    def plugged(self, attached: Attached) -> None:
        """Something was plugged in: whoever waits for it tries at once. Others are not disturbed."""
        for device in self._devices.values():
            if wakes(device.options, attached):
                device.wake()

    def wake(self, device_id: str) -> None:
        """What this device waits for may be there now: it tries at once."""
        self._devices[device_id].wake()

    def reopen(self, device_id: str) -> None:
        """This device is another one from now on: what its driver has open is let go, and it tries at once."""
        self._devices[device_id].reopen()

    def blame(self, frame: FrameType) -> str | None:
        """Return the device whose driver runs in a frame of the loop's thread."""
        device = frame.f_locals.get("self") if frame.f_code is DeviceSupervisor.drive.__code__ else None
        return device.context.device_id if isinstance(device, DeviceSupervisor) else None

    def blocked(self, device_id: str, where: str) -> None:
        """This device's driver held everybody up: it is taken off for BLOCKED_REST_S, or until it is plugged in anew."""
        self._devices[device_id].blocked(where)

    def capture(self, device_id: str) -> None:
        """Keep what comes over a device's wire from now on; a capture under way begins anew."""
        self._devices[device_id].capture()

    def captured(self, device_id: str, salt: bytes) -> Trace | None:
        """End a capture; return its trace, masked, or None where none is under way."""
        return self._devices[device_id].captured(salt)

    def states(self) -> list[DeviceState]:
        """Return the state of every device, in the order of the configuration."""
        return [device.state() for device in self._devices.values()]

    def state(self, device_id: str) -> DeviceState:
        """Return the state of one device; raise KeyError if there is none of this name."""
        return self._devices[device_id].state()

    async def tell(self, device_id: str, command: Command) -> None:
        """Return when the device did it; raise CommandError when it is away, busy or takes too long, KeyError for none such."""
        await self._devices[device_id].tell(command)

    def ask(self, device_id: str, request: DeviceRequest) -> bool:
        """Queue a device's HTTP request for its driver; False when its queue is full. Raise KeyError if it takes none."""
        return self._requests[device_id].offer(request)


class DeviceSupervisor:
    """One device: its driver's task, its event queue, its state."""

    def __init__(self, spec: DeviceSpec, outside: Outside) -> None:
        self._spec = spec
        self._outside = outside
        self.context = Context(spec, outside, self._state)
        self._failures = 0
        self._driver: asyncio.Task[End] | None = None
        self._blocked: End | None = None
        self._is_awake = False
        self._rest: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run the driver again and again, and hand its events on, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.context.deliver(), name=f"events of {self._spec.device_id}")
            while True:
                await self._run_once()
                self._failures += 1
                await self._back_off()

    def blocked(self, where: str) -> None:
        """The driver held the loop up at this line; it is cancelled, and not run again soon."""
        self.context.count("blocked")
        self._blocked = End("blocked", f"held the whole hub up at {where}: {BLOCKED_REMEDY}")
        if self._driver is not None:
            self._driver.cancel()

    @property
    def options(self) -> DriverOptions:
        """As configured."""
        return self._spec.options

    def wake(self) -> None:
        """End the back-off, or leave the next one out: an attempt under way may have begun too early."""
        self._is_awake = True
        if self._rest is not None:
            self._rest.cancel()

    def reopen(self) -> None:
        """End the driver as a stop of the hub does, and run it again without a back-off."""
        self.wake()
        if self._driver is not None:
            self._driver.cancel()

    @property
    def requests(self) -> RequestQueue:
        """What the device asks by HTTP."""
        return self.context.requests

    def state(self) -> DeviceState:
        return self.context.state()

    async def tell(self, command: Command) -> None:
        """As Supervisor.tell."""
        state = self.state()
        if state.health is Health.OFFLINE:
            raise CommandError("device_offline", state.detail or state.reason)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self.context.commands.tell(command)
        except TimeoutError as err:
            raise CommandError("device_busy", f"{state.device_id} took no command for {COMMAND_TIMEOUT_S:g} s") from err

    def _state(self, update: StatusUpdate, since_ms: int, counters: dict[str, int]) -> DeviceState:
        spec = self._spec
        return DeviceState(
            spec.device_id,
            spec.kind,
            spec.driver.category,
            update.health,
            update.reason,
            update.detail,
            since_ms,
            counters,
        )

    def capture(self) -> None:
        """Begin; raise OptionError for a kind whose traces nobody could mask."""
        if self._spec.driver.capture is None:
            why = self._spec.driver.uncaptured
            raise OptionError(
                f"{self._spec.device_id}: devices of the kind {self._spec.kind} cannot be captured: {why}"
            )
        self.context.tap = Tap(self._outside.monotonic_s)

    def captured(self, salt: bytes) -> Trace | None:
        """End, and return the trace."""
        tap, self.context.tap = self.context.tap, None
        spec = self._spec
        if tap is None or spec.driver.capture is None:
            return None
        return tap.trace(spec.kind, spec.options, spec.driver.capture, salt=salt)

    async def _back_off(self) -> None:
        """Wait out the back-off, or until `wake`; from there it grows anew."""
        was_blocked, self._blocked = self._blocked is not None, None
        if not self._is_awake:
            rest_s = backoff_s(self._failures, self._outside.rng) + BLOCKED_REST_S * was_blocked
            async with asyncio.TaskGroup() as group:
                self._rest = group.create_task(self._sleep(rest_s), name=f"back-off of {self._spec.device_id}")
            self._rest = None
        if self._is_awake:
            self._failures, self._is_awake = 0, False

    async def _sleep(self, rest_s: float) -> None:
        await self._outside.sleep(rest_s)

    async def _run_once(self) -> None:
        """Run the driver until it ends in any way; say why it did."""
        context = self.context
        context.begin()
        async with asyncio.TaskGroup() as group:
            self._driver = task = group.create_task(self.drive(), name=f"driver of {self._spec.device_id}")
            is_stuck = await self._watch(task)
        self._driver = None
        context.count("reconnects")
        if self._blocked is not None:
            context.go_offline(self._blocked)
        elif not is_stuck:
            context.go_offline(End("ended", "the driver was cancelled") if task.cancelled() else task.result())
        if context.worked_s >= HEALTHY_S:
            self._failures = 0

    async def drive(self) -> End:
        try:
            await self._spec.driver.run(self.context, self._spec.options)
        except WireError as err:
            return End(err.reason, str(err))
        except DeviceError as err:
            return End(err.code, str(err))
        except Exception as err:  # noqa: BLE001  one of the two places: a driver's bug must not fell its siblings
            return End("driver_failed", f"{type(err).__name__} in the driver; the log has the traceback", err)
        return End("ended", "the driver came to its end")

    async def _watch(self, task: asyncio.Task[End]) -> bool:
        """Wait for the driver; cancel it when it has been silent too long, and say whether that was so."""
        while not task.done():
            left_s = self.context.silence_ends_s() - self._outside.monotonic_s()
            if left_s <= 0:
                await self._cancel_stuck(task)
                return True
            await asyncio.wait({task}, timeout=left_s)
        return False

    async def _cancel_stuck(self, task: asyncio.Task[End]) -> None:
        self.context.count("stuck")
        self.context.go_offline(
            End("stuck", f"no sign of life for {self._outside.heartbeat_timeout_s:g} s: pull its plug and put it back")
        )
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_TIMEOUT_S)
        if not task.done():
            # A second driver on the same port would be worse than none: wait on, and say so once.
            log.error("driver does not stop; restart the hub", extra={"device": self._spec.device_id})
            await asyncio.wait({task})


def backoff_s(failures: int, rng: random.Random) -> float:
    """Return how long to wait after this many failures in a row (1 or more): full jitter, 0 to at most 30 s."""
    return rng.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures - 1, 16)))
