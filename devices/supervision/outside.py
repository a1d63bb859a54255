"""What a supervised device is made of and shown as, and what its supervisor needs from its owner. Not here: supervising."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devices.driver import Driver, DriverOptions, PrintJob
from devices.errors import NotRecordedError
from devices.model import Category, Event, Health, Reading
from devices.plug.attachment import Attached, AttachmentError, Match, Subsystem
from devices.supervision.announcements import Announcements

HEARTBEAT_TIMEOUT_S = 30.0  # six times HEARTBEAT_S: a slow machine is not a stuck driver


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device of the configuration, its options already checked by the registry."""

    device_id: str
    kind: str
    driver: Driver
    options: DriverOptions


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How a device is, as of `since_ms`; `counters` are totals since the hub started."""

    device_id: str
    kind: str
    category: Category
    health: Health
    reason: str
    detail: str
    since_ms: int
    counters: Mapping[str, int]


class JobSource(Protocol):
    """The print jobs of one printer, oldest first."""

    def waiting_job(self) -> PrintJob | None: ...

    async def next_job(self) -> PrintJob: ...


async def _record_nothing(device_id: str, _readings: Sequence[Reading]) -> None:
    raise NotRecordedError(f"{device_id}: nobody records readings here")


def _nothing_attached(device_id: str, match: Match, subsystem: Subsystem) -> Attached:
    raise AttachmentError(
        f"{device_id}: nobody can tell here which {subsystem} devices with {match} are attached", reason="no_udev"
    )


@dataclass(frozen=True, slots=True)
class Outside:
    """What the supervisor needs from its owner. `monotonic_s` and `sleep` must tell the same time.

    `on_readings` returns when the readings are durable, or raises NotRecordedError; `attached` is DeviceContext's.
    """

    on_event: Callable[[str, Event], Awaitable[None]]
    on_status: Callable[[DeviceState], None]
    now_ms: Callable[[], int]
    monotonic_s: Callable[[], float]
    rng: random.Random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jobs: Mapping[str, JobSource] = field(default_factory=dict)
    announcements: Mapping[str, Announcements] = field(default_factory=dict)
    on_readings: Callable[[str, Sequence[Reading]], Awaitable[None]] = _record_nothing
    heartbeat_timeout_s: float = HEARTBEAT_TIMEOUT_S
    attached: Callable[[str, Match, Subsystem], Attached] = _nothing_attached
