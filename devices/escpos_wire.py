"""The line to an ESC/POS printer: sends bytes, asks for status, sorts the answers. Works on any line
that reads, writes and drains.

Not here: what a document is, or when it counts as printed (devices.drivers.escpos_printer).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Protocol

from devices.codecs.printing.escpos_status import (
    REALTIME_STATUS_NUMBERS,
    AnswerKind,
    AnswerReader,
    PrinterStatus,
    decode_automatic,
    decode_status,
    realtime_status_request,
)
from devices.driver import HEARTBEAT_S
from devices.errors import WireError

CHUNK_BYTES = 2_048  # most receipts whole; then waited for: a full printer takes bytes at the speed of its paper
ANSWERS_PENDING_MAX = 16  # DLE EOT sent and not answered; more means the printer is away


class PrinterLostError(WireError):
    """The printer is away; `reason` is the stable word for it. A document being sent has been reported unknown."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail, reason=reason)


class PrinterLine(Protocol):
    """Bytes to and from a printer. They raise OSError or WireError when it is away; `read` may return nothing then."""

    async def read(self, most: int, /) -> bytes: ...

    async def listen(self, heard: Callable[[bytes], None], /) -> None:
        """Hand on what the printer says, as it comes, until it hangs up; nobody else reads."""

    def write(self, payload: bytes, /) -> None: ...

    @property
    def is_drained(self) -> bool:
        """Whether the kernel surely has every byte; where it is not known, `drain` waits for it."""

    async def drain(self) -> None: ...


class EscposWire:
    """The open connection: sends, counts answers. Whatever waits here ends with PrinterLostError on a hang-up.

    `automatic` is the last automatic status, `automatic_count` how many there were.
    """

    def __init__(self, line: PrinterLine, on_alive: Callable[[], None], *, send_timeout_s: float) -> None:
        self.confirmations = 0
        self.stray_bytes = 0
        self.automatic: PrinterStatus | None = None
        self.automatic_count = 0
        self._line, self._on_alive = line, on_alive
        self._send_timeout_s = send_timeout_s
        self._asked: deque[int] = deque()
        self._answers: dict[int, int] = {}
        self._answered = 0
        self._lost: PrinterLostError | None = None
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self) -> None:
        """Sort what the printer says until it hangs up. No time-out of its own: whoever asks, waits for so long."""
        answers = AnswerReader()

        def heard(received: bytes) -> None:
            for kind, answer in answers.feed(received):
                self._sort(kind, answer)
            self._changed.set()

        try:
            await self._line.listen(heard)
            self._lost = PrinterLostError("connection_lost", "the printer closed the connection")
        except OSError as err:
            self._lost = PrinterLostError("connection_lost", f"the connection to the printer broke: {err}")
        except WireError as err:
            self._lost = PrinterLostError(err.reason, str(err))
        finally:
            self._forget_timer()
        self._changed.set()

    async def until_lost(self) -> None:
        """Raise PrinterLostError when the printer hangs up."""
        await self._until(lambda: False)

    async def until_news(self, seen: int) -> None:
        """Return when the printer has sent more than `seen` automatic statuses; raise PrinterLostError when it hangs up."""
        await self._until(lambda: self.automatic_count > seen)

    async def status(self, timeout_s: float) -> PrinterStatus:
        """Ask DLE EOT 1 to 4, one behind the other's answer, as the reference wants it."""
        for number in REALTIME_STATUS_NUMBERS:
            await self._ask(number, timeout_s)
        return decode_status(self._answers)

    async def printer_status(self, timeout_s: float) -> PrinterStatus:
        """Ask DLE EOT 1 alone: on line or off line; the causes are as they were answered last."""
        await self._ask(1, timeout_s)
        return decode_status(self._answers)

    async def send(self, payload: bytes) -> None:
        """Hand all bytes to the kernel; the last drain returns when the kernel has them."""
        for place in range(0, len(payload), CHUNK_BYTES):
            self._raise_if_lost()
            self._write(payload[place : place + CHUNK_BYTES])
            self._on_alive()
            if self._line.is_drained:
                continue  # the kernel has it: a drain and its two time-outs cost as much as the write
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await self._drain()
            except TimeoutError as err:
                detail = f"the printer took no bytes for {self._send_timeout_s:g} s"
                raise PrinterLostError("no_answer", detail) from err
            except OSError as err:
                raise PrinterLostError("connection_lost", f"the printer hung up: {err}") from err
            except WireError as err:
                raise PrinterLostError(err.reason, str(err)) from err

    async def confirmed(self, number: int, timeout_s: float) -> bool:
        """Wait up to timeout_s for the answer to the number-th GS r of this connection."""
        return await self._until(lambda: self.confirmations >= number, timeout_s)

    async def _ask(self, number: int, timeout_s: float) -> None:
        """Ask and wait; an answer that nobody waits for any more still finds its question, they come in order."""
        if len(self._asked) >= ANSWERS_PENDING_MAX:
            raise PrinterLostError("no_answer", "the printer leaves its status requests unanswered")
        self._raise_if_lost()
        self._asked.append(number)
        awaited = self._answered + len(self._asked)
        self._write(realtime_status_request(number))
        if not await self._until(lambda: self._answered >= awaited, timeout_s):
            raise PrinterLostError("no_answer", f"no answer to DLE EOT {number} within {timeout_s:g} s")

    def _write(self, payload: bytes) -> None:
        try:
            self._line.write(payload)
        except OSError as err:
            raise PrinterLostError("connection_lost", f"the printer hung up: {err}") from err
        except WireError as err:
            raise PrinterLostError(err.reason, str(err)) from err

    async def _drain(self) -> None:
        """Wait until the kernel has every byte; somebody who changes the paper is no reason to look dead."""
        while True:
            self._on_alive()
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    return await self._line.drain()

    async def _until(self, holds: Callable[[], bool], timeout_s: float = inf) -> bool:
        """Wait and say whether it came within the time; only until_lost and until_news have none of their own."""
        now_s = asyncio.get_running_loop().time
        ends_s = now_s() + timeout_s
        while not holds():
            self._raise_if_lost()
            self._on_alive()
            left_s = ends_s - now_s()
            if left_s <= 0:
                return False
            await self._news(min(HEARTBEAT_S, left_s))
        return True

    async def _news(self, within_s: float) -> None:
        """Wait for anything that the printer says, or until the time is over: whoever waits looks again either way.

        A timer of an earlier wait that ends sooner will do: one a receipt would cost as much as half the wait.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        if self._timer is None or self._timer.when() > ends_s:
            self._forget_timer()
            self._timer = loop.call_at(ends_s, self._time_is_over)
        self._changed.clear()
        await self._changed.wait()

    def _time_is_over(self) -> None:
        self._timer = None
        self._changed.set()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _sort(self, kind: AnswerKind, answer: bytes) -> None:
        if kind == "realtime" and self._asked:
            self._answers[self._asked.popleft()] = answer[0]
            self._answered += 1
        elif kind == "automatic":
            self.automatic = decode_automatic(answer)
            self.automatic_count += 1
        elif kind == "ordered":
            self.confirmations += 1
        else:
            self.stray_bytes += 1
