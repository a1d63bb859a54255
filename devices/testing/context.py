"""A DeviceContext and print jobs that write down what a driver does with them; for tests and for trying a driver out.

Nothing is mocked: the job queue, the states of a job and their order are the contract of devices.driver, and a driver
that breaks it (printed before begun, begun twice) fails an assertion here.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from devices.document import Document
from devices.driver import PrintJob
from devices.errors import NotRecordedError
from devices.model import Event, Reading, StatusUpdate
from devices.plug.attachment import Attached, Match, Subsystem, select
from devices.supervision.announcements import Announcements
from devices.supervision.commands import CommandQueue, Told
from devices.supervision.requests import DeviceAnswer, DeviceRequest, RequestQueue

JobState = Literal["queued", "printing", "printed", "failed", "unknown"]
WAIT_TIMEOUT_S = 10.0  # a test that waits longer than this waits for nothing


class RecordedJob:
    """A print job with its state, the reason it ended with, and how often a driver gave it back."""

    def __init__(self, job_id: str, document: Document, changed: Callable[[], None]) -> None:
        self.state: JobState = "queued"
        self.reason = ""
        self.put_backs = 0
        self._job_id = job_id
        self._document = document
        self._changed = changed

    @property
    def job_id(self) -> str:
        """As given to RecordingContext.submit."""
        return self._job_id

    @property
    def document(self) -> Document:
        """As given to RecordingContext.submit."""
        return self._document

    async def begin(self) -> None:
        """Queued to printing."""
        self._move("printing", from_state="queued")

    async def put_back(self) -> None:
        """Still queued."""
        assert self.state == "queued"
        self.put_backs += 1
        self._changed()

    async def printed(self) -> None:
        """Printing to printed."""
        self._move("printed", from_state="printing")

    async def failed(self, reason: str) -> None:
        """To failed: nothing came out, though it may have begun."""
        self._move("failed", reason, from_state=self.state if self.state == "printing" else "queued")

    async def unknown(self, reason: str) -> None:
        """Printing to unknown."""
        self._move("unknown", reason, from_state="printing")

    def _move(self, state: JobState, reason: str = "", *, from_state: JobState) -> None:
        assert self.state == from_state, f"job {self._job_id}: {self.state} cannot become {state}"
        self.state, self.reason = state, reason
        self._changed()


class RecordingContext:
    """What a driver did: `events`, `batches` of readings, `statuses` (no repeats), `counters`, `heartbeats`; and print jobs.

    `devices` is what is attached. While `takes_readings` is clear a batch waits; while `refuses_readings` it is refused,
    and kept in `refused`.
    """

    def __init__(self, device_id: str = "device") -> None:
        self.events: list[Event] = []
        self.batches: list[list[Reading]] = []
        self.refused: list[list[Reading]] = []
        self.takes_readings = asyncio.Event()
        self.takes_readings.set()
        self.refuses_readings = False
        self.statuses: list[StatusUpdate] = []
        self.counters: Counter[str] = Counter()
        self.commands = CommandQueue()
        self.heartbeats = 0
        self.jobs: list[RecordedJob] = []
        self.devices: list[Attached] = []
        self.traced: list[bytes] = []
        self._requests = RequestQueue()
        self.announcements = Announcements()
        self._device_id = device_id
        self._changed = asyncio.Event()

    @property
    def device_id(self) -> str:
        """As given."""
        return self._device_id

    @property
    def readings(self) -> list[Reading]:
        """All readings of all batches, in their order."""
        return [reading for batch in self.batches for reading in batch]

    @property
    def last_status(self) -> StatusUpdate | None:
        """The newest status, if any was reported."""
        return self.statuses[-1] if self.statuses else None

    async def emit(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)
        self._changed.set()

    async def record(self, readings: Sequence[Reading]) -> None:
        """Keep the batch, or refuse it."""
        await self.takes_readings.wait()
        (self.refused if self.refuses_readings else self.batches).append(list(readings))
        self._changed.set()
        if self.refuses_readings:
            raise NotRecordedError("refused by the test")

    def status(self, update: StatusUpdate) -> None:
        """Keep the update unless it repeats the last one."""
        if update != self.last_status:
            self.statuses.append(update)
            self._changed.set()

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counters[what] += amount
        self._changed.set()

    def attached(self, match: Match, subsystem: Subsystem) -> Attached:
        """Select from `devices`."""
        return select(self.devices, match, subsystem=subsystem)

    def trace(self, came: bytes) -> None:
        """Keep it."""
        self.traced.append(came)

    def waiting_job(self) -> PrintJob | None:
        """Return the oldest queued job."""
        return next((job for job in self.jobs if job.state == "queued"), None)

    async def next_job(self) -> PrintJob:
        """Wait for the oldest queued job; it stays queued until it is begun or failed."""
        while (job := self.waiting_job()) is None:
            self._changed.clear()
            await self._changed.wait()
        return job

    async def next_command(self) -> Told:
        """Wait for the oldest command that a test told the device by `commands`."""
        return await self.commands.next()

    def heartbeat(self) -> None:
        """Count."""
        self.heartbeats += 1
        self._changed.set()

    async def next_request(self) -> DeviceRequest:
        """Wait for what `ask` hands in."""
        return await self._requests.next()

    async def ask(self, request: DeviceRequest, timeout_s: float = WAIT_TIMEOUT_S) -> DeviceAnswer:
        """Be the device: send a request to the driver and return its answer."""
        assert self._requests.offer(request), "more requests than a device may have waiting"
        return await request.answered(timeout_s)

    def submit(self, document: Document, job_id: str = "") -> RecordedJob:
        """Queue a document."""
        job = RecordedJob(job_id or f"job-{len(self.jobs) + 1}", document, self._changed.set)
        self.jobs.append(job)
        self._changed.set()
        return job

    async def wait_for(self, holds: Callable[[], bool], timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Return when `holds()`; raise TimeoutError after timeout_s. It is asked again after each thing recorded."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()
