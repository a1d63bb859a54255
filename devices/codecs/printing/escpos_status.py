"""Asking an ESC/POS printer how it is, and reading its answers.

Lives here: request bytes, the pure decoder of answer bytes. Not here: the wire (devices.drivers.escpos_printer).
Source: Epson ESC/POS command reference, DLE EOT (real-time status), GS r (status), GS a (automatic status back).

Answers carry no number. They are told apart by bits that are fixed:

    0xx1xx10  answer to DLE EOT n, sent at once, even off line
    0xx1xx00  first of four bytes of an automatic status back; the three after it belong to it
    0xx1xx01, 0xx1xx11  XON, XOFF
    0xx0xxxx  answer to GS r n, sent in order: everything received before it has been processed
    1xxxxxxx  nothing a printer sends
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

REALTIME_STATUS_NUMBERS = (1, 2, 3, 4)  # printer, cause of off line, cause of error, paper sensors
ORDERED_STATUS_REQUEST = b"\x1dr\x01"  # GS r 1: paper sensor status, answered behind all that was sent before

AUTOMATIC_STATUS_REQUEST = b"\x1da\x0f"  # GS a 15: say so by itself when drawer, on line, error or paper change

AnswerKind = Literal["realtime", "ordered", "automatic", "stray"]

_ASB_BYTES = 4


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What DLE EOT 1 to 4 say of a printer. `drawer_pin_high` is connector pin 3 (open or shut: wiring)."""

    online: bool = True
    drawer_pin_high: bool = False
    cover_open: bool = False
    feed_button: bool = False
    paper_out: bool = False
    paper_near_end: bool = False
    cutter_error: bool = False
    fatal_error: bool = False
    error: bool = False

    @property
    def can_print(self) -> bool:
        """Whether a document sent now would come out now."""
        return not self.trouble

    @property
    def trouble(self) -> str:
        """The stable reason word of what keeps it from printing, the one to mend first; empty when nothing does."""
        if self.cover_open:
            return "cover_open"
        if self.paper_out:
            return "paper_out"
        if self.cutter_error:
            return "cutter_error"
        if self.fatal_error:
            return "printer_fault"
        if self.error:
            return "printer_error"
        return "" if self.online else "printer_offline"


class AnswerReader:
    """Sorts the bytes a printer sends; keeps its place inside an automatic status across chunks."""

    def __init__(self) -> None:
        self._automatic = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[AnswerKind, bytes]]:
        """Yield each answer with its kind: one byte, or the four of an automatic status; flow control is stray."""
        for byte in received:
            yield from self._sorted(byte)

    def _sorted(self, byte: int) -> Iterator[tuple[AnswerKind, bytes]]:
        if self._automatic and not byte & 0x90:
            self._automatic.append(byte)
            if len(self._automatic) == _ASB_BYTES:
                yield "automatic", bytes(self._automatic)
                self._automatic.clear()
            return
        for cut_off in self._automatic:
            yield "stray", bytes((cut_off,))
        self._automatic.clear()
        if byte & 0x93 == 0x10:
            self._automatic.append(byte)
        elif byte & 0x93 == 0x12:
            yield "realtime", bytes((byte,))
        else:
            yield "stray" if byte & 0x90 else "ordered", bytes((byte,))


def realtime_status_request(number: int) -> bytes:
    """Return DLE EOT n for n in REALTIME_STATUS_NUMBERS."""
    assert number in REALTIME_STATUS_NUMBERS, number
    return bytes((0x10, 0x04, number))


def decode_status(answers: Mapping[int, int]) -> PrinterStatus:
    """Return what the answers to DLE EOT, by number, say; a number that was not answered counts as all well."""
    printer, offline, error, paper = (answers.get(number, 0x12) for number in REALTIME_STATUS_NUMBERS)
    return PrinterStatus(
        online=not printer & 0x08,
        drawer_pin_high=bool(printer & 0x04),
        cover_open=bool(offline & 0x04),
        feed_button=bool(printer & 0x40 or offline & 0x08),
        paper_out=bool(offline & 0x20 or paper & 0x60),
        paper_near_end=bool(paper & 0x0C),
        cutter_error=bool(error & 0x08),
        fatal_error=bool(error & 0x20),
        error=bool(offline & 0x40 or error & 0x44),
    )


def decode_automatic(four: bytes) -> PrinterStatus:
    """Return what the four bytes of an automatic status say."""
    printer, error, paper, _ = four
    return PrinterStatus(
        online=not printer & 0x08,
        drawer_pin_high=bool(printer & 0x04),
        cover_open=bool(printer & 0x20),
        feed_button=bool(printer & 0x40),
        paper_out=bool(paper & 0x0C),
        paper_near_end=bool(paper & 0x03),
        cutter_error=bool(error & 0x08),
        fatal_error=bool(error & 0x20),
        error=bool(error & 0x44),
    )
