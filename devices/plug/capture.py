"""A trace of what came over a device's wire: begun and ended on a running hub, masked before it leaves it, replayed as a test.

A driver shows what it received to `ctx.trace`; nothing of it is kept unless somebody captures, and then CAPTURE_MAX_BYTES or
CAPTURE_MAX_S at most. Not here: what masks (devices.plug.masking), what replays (each driver's DRIVER).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from devices.driver import Capture, DeviceContext, DriverOptions
from devices.errors import WireError
from devices.model import Event, Reading

CAPTURE_MAX_BYTES = 64 * 1024
"""What a trace holds. What comes after that is left out, and the trace says so."""
CAPTURE_MAX_S = 600.0  # a capture that nobody ends is forgotten
PLACES = frozenset(
    {"port", "path", "usb", "address", "tls", "ca", "keepalive_s", "store", "topic", "entrance", "entrances"}
)
SECRETS = frozenset({"username", "password", "certificate", "key"})
"""Options that say where a device is, and who we are there: they are not in a trace, and a replay needs none."""


class Chunk(Struct, frozen=True):
    """What was received at once, so long after the one before."""

    after_ms: int
    hex: str


class Trace(Struct, frozen=True):
    """A masked trace. `events` is what the driver makes of it (what it records behind what it emits), once it was replayed."""

    kind: str
    options: dict[str, Any]  # Any: as in the configuration
    chunks: list[Chunk]
    is_cut: bool = False
    events: list[dict[str, Any]] = []  # Any: JSON of events


class Tap:
    """Where a driver's bytes go while somebody captures."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._begun_s = self._last_s = monotonic_s()
        self._chunks: list[tuple[int, bytes]] = []
        self._room = CAPTURE_MAX_BYTES
        self._is_cut = False

    @property
    def is_over(self) -> bool:
        """Whether nobody has come for it in time."""
        return self._monotonic_s() - self._begun_s > CAPTURE_MAX_S

    def take(self, came: bytes) -> None:
        """Keep what came, as far as there is room."""
        if self._is_cut or len(came) > self._room:
            self._is_cut = True
            return
        now_s = self._monotonic_s()
        self._chunks.append((round((now_s - self._last_s) * 1000), came))
        self._last_s, self._room = now_s, self._room - len(came)

    def trace(self, kind: str, options: DriverOptions, capture: Capture, *, salt: bytes) -> Trace:
        """Return the trace, masked; the salt is of this trace alone."""
        masked = capture.mask([came for _, came in self._chunks], salt, options)
        chunks = [Chunk(after_ms, came.hex()) for (after_ms, _), came in zip(self._chunks, masked, strict=True)]
        return Trace(kind, told(options), chunks, self._is_cut)


class Recorder(DeviceContext, Protocol):
    """A context that keeps what was emitted and recorded."""

    events: list[Event]

    @property
    def readings(self) -> Sequence[Reading]: ...


def told(options: DriverOptions) -> dict[str, Any]:
    """Return the options of a device that differ from the defaults, without its place. Any: JSON."""
    said: dict[str, Any] = {}
    for field in msgspec.structs.fields(options):
        value = getattr(options, field.name)
        if field.name not in PLACES | SECRETS and value != field.default:
            said[field.encode_name] = msgspec.to_builtins(value)
    return said


async def replay(trace: Trace, ctx: Recorder, capture: Capture, options: DriverOptions) -> list[dict[str, Any]]:
    """Put a trace through a driver, silences included, and return what it emitted. Any: JSON."""
    with suppress(TraceOverError):
        await capture.replay(ctx, options, _Reader(trace.chunks))
    return [msgspec.to_builtins(each) for each in (*ctx.events, *ctx.readings)]


class TraceOverError(WireError):
    """The trace is over: for the driver, the device was unplugged."""


class _Reader:
    """Gives the chunks of a trace one by one, and silence before one that was long in coming."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._waiting = list(chunks)
        self._is_first_try = True
        self._now_ms = 0

    def now_s(self) -> float:
        """As the Replayed says."""
        return self._now_ms / 1000

    async def __call__(self, silence_s: float) -> bytes:
        if not self._waiting:
            raise TraceOverError("the trace is over")
        if self._is_first_try and self._waiting[0].after_ms >= silence_s * 1000:
            self._is_first_try = False
            return b""
        self._is_first_try = True
        chunk = self._waiting.pop(0)
        self._now_ms += chunk.after_ms
        return bytes.fromhex(chunk.hex)


def with_place(options: Mapping[str, Any], capture: Capture) -> dict[str, Any]:
    """Return the options of a trace as a section that a driver takes. Any: JSON."""
    return {**options, **capture.place}
