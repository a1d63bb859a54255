"""Labels out of the bytes of a serial scanner. Pure: no port, no clock; the same bytes give the same labels however
they are cut into chunks. What the label says is not decided here (gs1.py).

    suffix      a label is                                    without its suffix (`flush`)
    cr, lf      bytes up to CR / LF                           refused: cut
    crlf        bytes up to CR LF                             refused: cut
    cr_or_lf    bytes up to CR or LF, whichever comes         refused: cut
    etx         bytes between STX and ETX                     refused: cut
    none        bytes up to the next silence of the line      the label

Line ends round a label are dropped, and so are empty labels: a scanner that sends CR LF works with every line suffix.
"""

import re
from dataclasses import dataclass
from typing import Literal

LABEL_MAX_BYTES = 4096
"""Longest label: a QR code version 40-L holds 2,953 bytes. A longer one is discarded up to its suffix, refused once."""

Suffix = Literal["cr", "lf", "crlf", "cr_or_lf", "etx", "none"]
RefusalReason = Literal["too_long", "not_text", "cut"]

_ENDS = {
    "cr": re.compile(rb"\r"),
    "lf": re.compile(rb"\n"),
    "crlf": re.compile(rb"\r\n"),
    "cr_or_lf": re.compile(rb"[\r\n]"),
    "etx": re.compile(rb"[\x02\x03]"),
    "none": re.compile(rb"(?!)"),
}
_LINE_ENDS = b"\r\n"
# GS, RS and EOT belong to GS1 and ISO/IEC 15434 data, TAB and line ends to text in a QR code.
_CONTROL = re.compile("[\x00-\x03\x05-\x08\x0b\x0c\x0e-\x1c\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes that are no label. `detail` says how they look and never what they say."""

    reason: RefusalReason
    detail: str


class LabelFramer:
    """Holds at most the bytes of one unfinished label: `label_max` and one more for a suffix of two bytes."""

    def __init__(self, suffix: Suffix = "cr_or_lf", *, label_max: int = LABEL_MAX_BYTES) -> None:
        self._suffix = suffix
        self._end = _ENDS[suffix]
        self._label_max = label_max
        self._pending_max = label_max + (suffix == "crlf")
        self._pending = bytearray()
        self._is_discarding = False
        self._is_framed = suffix != "etx"

    @property
    def is_partial(self) -> bool:
        """Say whether a label has begun that is not finished."""
        return bool(self._pending) or self._is_discarding

    def feed(self, chunk: bytes) -> list[str | Refusal]:
        """Return the labels and refusals that end in `chunk`; a label too long is refused as soon as it is."""
        found: list[str | Refusal] = []
        for start in range(0, len(chunk), self._label_max):
            self._pending += chunk[start : start + self._label_max]
            self._take_ended(found)
            self._discard_too_long(found)
        return found

    def flush(self) -> list[str | Refusal]:
        """Return what the silence of the line makes of the unfinished label, and begin anew."""
        rest, was_discarding, was_framed = bytes(self._pending), self._is_discarding, self._is_framed
        self._pending.clear()
        self._is_discarding = False
        self._is_framed = self._suffix != "etx"
        if was_discarding or not rest.strip(_LINE_ENDS):
            return []
        if self._suffix == "none" and was_framed:
            return _label(rest)
        return [_cut(rest)]

    def _take_ended(self, found: list[str | Refusal]) -> None:
        done = 0
        while end := self._end.search(self._pending, done):
            line = bytes(self._pending[done : end.start()])
            done = end.end()
            found += self._ended(line, end[0])
        del self._pending[:done]

    def _ended(self, line: bytes, end: bytes) -> list[str | Refusal]:
        was_framed, self._is_framed = self._is_framed, self._suffix != "etx" or end == b"\x02"
        if self._is_discarding:
            self._is_discarding = False
            return []
        if len(line) > self._label_max:
            return [_too_long(self._label_max)]
        if self._suffix == "etx" and not (was_framed and end == b"\x03"):
            return [_cut(line)] if line.strip(_LINE_ENDS) else []
        return _label(line)

    def _discard_too_long(self, found: list[str | Refusal]) -> None:
        if len(self._pending) > self._pending_max:
            if not self._is_discarding:
                found.append(_too_long(self._label_max))
            self._is_discarding = True
        if self._is_discarding:
            # A suffix of two bytes may be cut between them: keep its first.
            keep = self._suffix == "crlf" and self._pending.endswith(b"\r")
            self._pending[:] = b"\r" if keep else b""


def _label(line: bytes) -> list[str | Refusal]:
    line = line.strip(_LINE_ENDS)
    if not line:
        return []
    try:
        text = line.decode()
    except UnicodeDecodeError as err:
        return [Refusal("not_text", f"{len(line)} bytes, not UTF-8 from byte {err.start} on")]
    controls = len(_CONTROL.findall(text))
    if controls:
        return [Refusal("not_text", f"{len(line)} bytes, {controls} of them control characters")]
    return [text]


def _cut(line: bytes) -> Refusal:
    return Refusal("cut", f"{len(line)} bytes without the whole suffix")


def _too_long(label_max: int) -> Refusal:
    return Refusal("too_long", f"more than {label_max} bytes without a suffix")
