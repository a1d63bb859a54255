"""The contract between a driver file and whoever runs it.

A driver is one file in devices/drivers: docstring (device, category, protocol document), a frozen `Options` struct,
`async def run(ctx, options)` and `DRIVER = Driver(...)`. `run` opens the device, works until it goes away, and raises
WireError when it does; the supervisor backs off and calls it again. A driver owns no task and no retry loop.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct

from devices.document import Document
from devices.model import Category, Event, Reading, StatusUpdate
from devices.plug.attachment import Attached, Match, Subsystem
from devices.supervision.announcements import Announcements
from devices.supervision.commands import Command, Told
from devices.supervision.requests import DeviceRequest

DEVICE_ANSWER_TIMEOUT_S = 10.0
"""How long a device's HTTP request waits for its driver; then the device is told to come again, and the answer is not heard."""
HEARTBEAT_S = 5.0
"""How long a driver may stay silent towards its supervisor while nothing happens on the wire."""


class DriverOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every driver's options: the keys of its configuration section beside `kind`."""


class PrinterOptions(DriverOptions, frozen=True, forbid_unknown_fields=True):
    """What every printer's section may say: `instead` names the printer that prints what this one cannot, once it has not
    worked for `instead_after_s`.
    """

    instead: str = ""
    instead_after_s: Annotated[float, Meta(ge=1, le=3_600)] = 20.0


class PrintJob(Protocol):
    """A document from the print ledger. Until `begin` returns, the job is queued and safe to hand out again."""

    @property
    def job_id(self) -> str: ...

    @property
    def document(self) -> Document: ...

    async def begin(self) -> None:
        """Make durable that bytes may reach the paper from now on; call before the first byte is sent.

        Raise JobTakenError when the job is another printer's now: send nothing, ask for the next.
        """

    async def put_back(self) -> None:
        """No byte was sent and none will be now: the job is queued for another time, or another printer."""

    async def printed(self) -> None:
        """The printer has confirmed the whole document (or takes no confirmation and got all bytes)."""

    async def failed(self, reason: str) -> None:
        """Surely nothing of it came out, and trying again is of no use (an encoding error)."""

    async def unknown(self, reason: str) -> None:
        """Some of it may have come out: only a person decides what happens next."""


class DeviceContext(Protocol):
    """What a driver may do with the world."""

    @property
    def device_id(self) -> str: ...

    @property
    def announcements(self) -> Announcements:
        """What the hub says of itself, for a driver that announces."""

    async def emit(self, event: Event) -> None:
        """Hand on a data event; waits while DEVICE_QUEUE_MAX events are unread (the device slows down; no drops)."""

    async def record(self, readings: Sequence[Reading]) -> None:
        """Wait until these readings are durable, in one commit; only then may the driver acknowledge them.

        Raise NotRecordedError when the hub cannot write: hand in the same readings again later, in the same order.
        """

    def status(self, update: StatusUpdate) -> None:
        """Report health; repeats of the same update are swallowed."""

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a named counter shown in health and metrics (`labels_cut`, `reconnects`, ...)."""

    def waiting_job(self) -> PrintJob | None:
        """Return what `next_job` would return without a wait, None where it would wait."""

    async def next_job(self) -> PrintJob:
        """Wait for the oldest queued job of this printer, without changing its state."""

    async def next_command(self) -> Told:
        """Wait for the oldest command to this device; say `done` when the device did it."""

    def attached(self, match: Match, subsystem: Subsystem) -> Attached:
        """Return the attached device that the option `usb` means; raise AttachmentError: it is away, or several are like it.

        Drivers ask through `attachment.node_to_open`. When it is plugged in, the supervisor does not wait for its back-off.
        """

    async def next_request(self) -> DeviceRequest:
        """Wait for the oldest request of a device that speaks HTTP; answer it within DEVICE_ANSWER_TIMEOUT_S of its arrival."""

    def trace(self, came: bytes) -> None:
        """Show what came over the wire, as it came; kept only while somebody captures, and masked (`Driver.capture`)."""

    def heartbeat(self) -> None:
        """Tell the supervisor that the driver is alive; call at least every HEARTBEAT_S while idle."""


class Read(Protocol):
    """Returns what was received, or nothing after so many seconds of silence; raises WireError at the end."""

    async def __call__(self, silence_s: float, /) -> bytes: ...


class Replayed(Read, Protocol):
    """A trace that is played. `now_s` is the time since it began, by its own pauses."""

    def now_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Capture:
    """How traces of a driver are masked (all chunks, by a salt) and played to its codec again.

    `place` is what its section must say of where the device is, which no trace tells.
    """

    mask: Callable[[Sequence[bytes], bytes, Any], list[bytes]]  # Any: the driver's own Options
    replay: Callable[[DeviceContext, Any, Replayed], Awaitable[None]]
    place: Mapping[str, Any] = field(default_factory=lambda: {"usb": {"serial": "a trace"}})


@dataclass(frozen=True, slots=True)
class Driver:
    """A kind of device. `document` names the protocol document the decoder follows, `commands` what it can be told.

    `uncaptured`: why nobody could mask what comes over its wire, or play it again.
    A driver that `takes_requests` serves a device that speaks HTTP to the hub; one that `announces` tells
    a wire of the hub.
    """

    category: Category
    summary: str
    document: str
    options: type[DriverOptions]
    run: Callable[[DeviceContext, Any], Awaitable[None]]  # Any: each run takes its own Options type
    evidence: str = "from data sheet"
    commands: tuple[type[Command], ...] = ()
    takes_requests: bool = False
    capture: Capture | None = None
    uncaptured: str = ""
    announces: bool = False
