"""The DeviceContext of a supervised device: its event queue, its counters, its state and what is logged of it.

Not here: when a driver is run, and run again (devices.supervision.supervisor).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from devices.driver import PrintJob
from devices.errors import DeviceError
from devices.model import Event, Health, Reading, StatusUpdate
from devices.plug.attachment import Attached, Match, Subsystem
from devices.plug.capture import Tap
from devices.supervision.announcements import Announcements
from devices.supervision.commands import CommandQueue, Told
from devices.supervision.outside import DeviceSpec, DeviceState, JobSource, Outside
from devices.supervision.requests import DeviceRequest, RequestQueue

StateOf = Callable[[StatusUpdate, int, dict[str, int]], DeviceState]
DEVICE_QUEUE_MAX = 64
"""Events of one device that the hub has not taken. When full, `emit` waits: the device slows down, nothing drops."""
MESSAGES_LOGGED_MAX = 8
"""Different messages logged in one outage; further ones are only in the device's state."""

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class End:
    """Why a driver ended; `error` only where its traceback is worth logging."""

    reason: str
    detail: str
    error: Exception | None = None


class Context:
    """The DeviceContext of one device; it outlives the driver's attempts, so counters and queued events stay."""

    def __init__(self, spec: DeviceSpec, outside: Outside, state_of: StateOf) -> None:
        self._spec, self._outside, self._state_of = spec, outside, state_of
        self._queue: asyncio.Queue[Event] = asyncio.Queue(DEVICE_QUEUE_MAX)
        self.commands = CommandQueue()
        self.requests = RequestQueue()
        self.tap: Tap | None = None
        self._counters: Counter[str] = Counter()
        self._update = StatusUpdate(Health.OFFLINE, "starting")
        self._since_ms = outside.now_ms()
        self._alive_at_s = self._attached_at_s = 0.0
        self.worked_s = 0.0  # how long the device was attached in the attempt that ended
        self._waits_for_hub = 0
        self._logged: set[str] = set()

    @property
    def device_id(self) -> str:
        return self._spec.device_id

    @property
    def announcements(self) -> Announcements:
        return self._outside.announcements[self.device_id]

    async def emit(self, event: Event) -> None:
        await self._while_waiting(self._queue.put(event))

    async def record(self, readings: Sequence[Reading]) -> None:
        await self._while_waiting(self._outside.on_readings(self.device_id, readings))

    def status(self, update: StatusUpdate) -> None:
        self._report(update, None)

    def count(self, what: str, amount: int = 1) -> None:
        self._counters[what] += amount

    async def next_command(self) -> Told:
        return await self._while_waiting(self.commands.next())

    def attached(self, match: Match, subsystem: Subsystem) -> Attached:
        return self._outside.attached(self.device_id, match, subsystem)

    def trace(self, came: bytes) -> None:
        if self.tap is not None:
            self.tap = None if self.tap.is_over else self.tap
        if self.tap is not None:
            self.tap.take(came)

    def waiting_job(self) -> PrintJob | None:
        return self._jobs.waiting_job()

    async def next_job(self) -> PrintJob:
        return await self._while_waiting(self._jobs.next_job())

    async def next_request(self) -> DeviceRequest:
        return await self._while_waiting(self.requests.next())

    def heartbeat(self) -> None:
        self._alive_at_s = self._outside.monotonic_s()

    def begin(self) -> None:
        """Start the clocks of one attempt."""
        self.heartbeat()
        self.worked_s = 0.0
        self._waits_for_hub = 0

    def go_offline(self, end: End) -> None:
        self.commands.refuse_all(end.detail or end.reason)
        self._report(StatusUpdate(Health.OFFLINE, end.reason, end.detail), end.error)

    def silence_ends_s(self) -> float:
        """Return when (`monotonic_s`) the driver counts as stuck; waiting for the hub is no silence."""
        if self._waits_for_hub:
            self.heartbeat()
        return self._alive_at_s + self._outside.heartbeat_timeout_s

    async def deliver(self) -> None:
        """Hand events to the hub in their order, one at a time."""
        while True:
            await self._outside.on_event(self.device_id, await self._queue.get())

    def state(self) -> DeviceState:
        return self._state_of(self._update, self._since_ms, dict(self._counters))

    @property
    def _jobs(self) -> JobSource:
        source = self._outside.jobs.get(self.device_id)
        if source is None:
            raise DeviceError(f"{self.device_id}: takes no print jobs; a device that prints needs a queue in the hub")
        return source

    async def _while_waiting(self, answer: Awaitable[T]) -> T:
        self._waits_for_hub += 1
        try:
            return await answer
        finally:
            self._waits_for_hub -= 1
            self.heartbeat()

    def _report(self, update: StatusUpdate, error: Exception | None) -> None:
        self.heartbeat()
        if update == self._update:
            return
        self._measure_work(update.health)
        self._log(update, error)
        self._update = update
        self._since_ms = self._outside.now_ms()
        self._outside.on_status(self.state())

    def _measure_work(self, health: Health) -> None:
        was_attached, is_attached = (each is not Health.OFFLINE for each in (self._update.health, health))
        if is_attached and not was_attached:
            self._attached_at_s = self._outside.monotonic_s()
        elif was_attached and not is_attached:
            self.worked_s = self._outside.monotonic_s() - self._attached_at_s

    def _log(self, update: StatusUpdate, error: Exception | None) -> None:
        """One line when it goes, one when it is back; the same words in one outage only once."""
        words = f"{update.reason} {update.detail}"
        extra = {"device": self.device_id, "reason": update.reason, "detail": update.detail}
        if update.health is Health.READY:
            log.info("device ready", extra=extra)
            self._logged.clear()
        elif words not in self._logged and len(self._logged) < MESSAGES_LOGGED_MAX:
            self._logged.add(words)
            log.warning("device %s", update.health.value, extra=extra, exc_info=error)
