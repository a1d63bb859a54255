"""Simulated scanners on real files: one that types into a named pipe, one on a serial line; with faults on demand.

    noise      bytes or keys that no label has, then the label
    torn       half of the label and then nothing: cable bent, trigger let go
    dropped    part of the label is lost on the way: the kernel's SYN_DROPPED, an overrun of the UART
    doubled    the label twice, as a trigger held too long does it
    stuck      keys that repeat as long as they are down (HID); the label is the same one

A scanner sends as hardware does, without asking whether somebody reads; what it sends while unplugged is lost.
"""

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, Self

from devices.testing.hid_keyboard import (
    CAPS_LOCK,
    DROPPED,
    SYNCHRONISED,
    GroupSeparator,
    Layout,
    input_events,
    strokes,
)
from devices.testing.serial_line import VirtualSerialLine

Fault = Literal["noise", "torn", "dropped", "doubled", "stuck"]
FAULTS: tuple[Fault, ...] = ("noise", "torn", "dropped", "doubled", "stuck")
WRITE_TIMEOUT_S = 10.0  # a test that fills the pipe and never reads it should fail, not hang


class SimulatedScanner(Protocol):
    """A scanner on any wire."""

    @property
    def device_path(self) -> str: ...

    async def scan(self, label: str, fault: Fault | None = None) -> None: ...


class VirtualHidScanner:
    """A scanner whose input device is a named pipe at `path`; enter it on the running loop."""

    def __init__(
        self,
        path: Path,
        *,
        layout: Layout = "us",
        suffix: str = "\r",
        group_separator: GroupSeparator = "ctrl",
        rng: random.Random | None = None,
    ) -> None:
        self._path = path
        self._layout: Layout = layout
        self._suffix = suffix
        self._group_separator: GroupSeparator = group_separator
        self._rng = rng or random.Random(0)  # noqa: S311 - a simulation
        self._file: int | None = None

    @property
    def device_path(self) -> str:
        """What the hub opens."""
        return str(self._path)

    async def __aenter__(self) -> Self:
        self.replug()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.unplug()

    def replug(self) -> None:
        """Bring the device back: a new pipe under the old name."""
        if self._file is None:
            self._path.unlink(missing_ok=True)
            os.mkfifo(self._path)
            self._file = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)

    def unplug(self) -> None:
        """Take the device away: its path is gone and its reader meets the end."""
        if self._file is not None:
            self._path.unlink()
            os.close(self._file)
            self._file = None

    async def scan(self, label: str, fault: Fault | None = None) -> None:
        """Type a label, whole or with a fault."""
        await self.send(b"".join(self.events(label, fault)))

    def events(self, label: str, fault: Fault | None = None) -> list[bytes]:
        """Return the input events of a scan, one piece a key going down or up."""
        typed = strokes(label + self._suffix, layout=self._layout, group_separator=self._group_separator)
        pieces = [*input_events([each for one in typed for each in one], repeats=3 if fault == "stuck" else 0)]
        match fault:
            case "noise":
                keys = [(self._rng.randrange(256), 0x3A) for _ in range(3)]  # F1: no label has it
                return [*input_events(keys), *pieces]
            case "torn":
                return pieces[: self._rng.randrange(1, len(pieces) - 1)]
            case "dropped":
                start, end = sorted(self._rng.sample(range(len(pieces)), 2))
                return [*pieces[:start], DROPPED, *pieces[start : start + 1], SYNCHRONISED, *pieces[end:]]
            case "doubled":
                return [*pieces, *pieces]
            case _:
                return pieces

    def caps_lock(self) -> bytes:
        """Return the events of Caps Lock pressed once."""
        return b"".join(input_events([(0, CAPS_LOCK)]))

    async def send(self, events: bytes) -> None:
        """Put events into the pipe as they are; return when it has taken them all."""
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            while events and self._file is not None:
                try:
                    events = events[os.write(self._file, events) :]
                except BlockingIOError:
                    await asyncio.sleep(0.01)


class SimulatedSerialScanner:
    """A scanner at the outside end of a serial line. `stuck` is a label like any other here: keys have no part in it."""

    def __init__(
        self,
        line: VirtualSerialLine,
        *,
        prefix: bytes = b"",
        suffix: bytes = b"\r",
        rng: random.Random | None = None,
    ) -> None:
        self.line = line
        self._prefix = prefix
        self._suffix = suffix
        self._rng = rng or random.Random(0)  # noqa: S311 - a simulation

    @property
    def device_path(self) -> str:
        """What the hub opens."""
        return self.line.device_path

    async def scan(self, label: str, fault: Fault | None = None) -> None:
        """Send a label, whole or with a fault."""
        await self.line.write(b"".join(self.pieces(label, fault)))

    def pieces(self, label: str, fault: Fault | None = None) -> Sequence[bytes]:
        """Return the bytes of a scan."""
        sent = self._prefix + label.encode() + self._suffix
        match fault:
            case "noise":
                return (bytes(self._rng.choices(range(0x80, 0x100), k=8)), self._suffix, sent)
            case "torn":
                return (sent[: self._rng.randrange(1, len(sent) - 1)],)
            case "dropped":  # a UART that overruns loses its oldest bytes
                return (sent[self._rng.randrange(1, len(self._prefix) + len(label.encode())) :],)
            case "doubled":
                return (sent, sent)
            case _:
                return (sent,)
