"""Asks a device what it is, by questions that do no harm to one that does not know them: `storehub probe --ask` only.

Blocking, for a process of its own; it opens the node exclusively, so that nothing that a hub uses is disturbed.
Epson ESC/POS command reference, DLE EOT 1; Mettler Toledo 8217 protocol, W.
"""

import errno
import fcntl
import os
import re
import select
import termios
import tty
from collections.abc import Mapping
from typing import NamedTuple

from devices.plug.attachment import Attached
from devices.plug.suggestion import Answered
from devices.remedies import wire_error

ANSWER_TIMEOUT_S = 0.7  # a printer answers DLE EOT within 100 ms; a scale, within half a second
ANSWER_MAX_BYTES = 64


class Question(NamedTuple):
    """`answer` is held against all that came; the rest is of a serial line: as it is set, and how a driver's section says so."""

    kind: str
    sent: bytes
    answer: re.Pattern[bytes]
    speed: int = termios.B9600
    is_seven_bits: bool = False
    options: Mapping[str, str | int] = {}


_STATUS = re.compile(rb"[\x12\x16\x1a\x1e\x32\x36\x3a\x3e\x52\x56\x5a\x5e\x72\x76\x7a\x7e]")  # 0xx1xx10, Epson
_TOLEDO = re.compile(rb"\x02(?:[ 0-9]{1,3}[.,]?[0-9]{1,4}|\?.)[\x00-\x7f]{0,3}\r")
PRINTER = Question("escpos_printer", b"\x10\x04\x01", _STATUS)
QUESTIONS = {
    "usbmisc": (PRINTER,),
    "tty": (
        PRINTER._replace(options={"baudrate": 9600}),
        PRINTER._replace(speed=termios.B38400, options={"baudrate": 38_400}),
        PRINTER._replace(speed=termios.B115200, options={"baudrate": 115_200}),
        Question("toledo_scale", b"W\r", _TOLEDO, options={"data_bits": 8, "parity": "none"}),
        Question("toledo_scale", b"W\r", _TOLEDO, is_seven_bits=True),
    ),
}


def asked(attached: Attached) -> Answered | None:
    """Return what answers at a node, None where nobody does; raise WireError when it does not open."""
    for question in QUESTIONS.get(attached.subsystem, ()):
        try:
            answer = _answer(attached, question)
        except OSError as err:
            raise wire_error(attached.node, err, subsystem=attached.subsystem) from err
        if question.answer.fullmatch(answer):
            return Answered(question.kind, question.options)
    return None


def _answer(attached: Attached, question: Question) -> bytes:
    node = os.open(attached.node, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if attached.subsystem == "tty":
            fcntl.ioctl(node, termios.TIOCEXCL)
            try:
                _set_line(node, question)
            except termios.error:
                return b""  # a line that cannot be set so has nobody who speaks so
        os.write(node, question.sent)
        return _heard(node, question)
    finally:
        os.close(node)


def _heard(node: int, question: Question) -> bytes:
    heard = b""
    while len(heard) < ANSWER_MAX_BYTES and not question.answer.fullmatch(heard):
        ready, _, _ = select.select([node], [], [], ANSWER_TIMEOUT_S)
        if not ready:
            break
        try:
            received = os.read(node, ANSWER_MAX_BYTES)
        except OSError as err:
            if err.errno != errno.EAGAIN:
                raise
            break
        if not received:
            break
        heard += received
    return heard


def _set_line(node: int, question: Question) -> None:
    tty.setraw(node)
    settings = termios.tcgetattr(node)
    settings[2] &= ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    settings[2] |= termios.CLOCAL | termios.CREAD
    settings[2] |= termios.CS7 | termios.PARENB if question.is_seven_bits else termios.CS8
    settings[4] = settings[5] = question.speed
    termios.tcsetattr(node, termios.TCSANOW, settings)
    termios.tcflush(node, termios.TCIOFLUSH)
