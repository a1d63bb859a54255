"""Labels out of the bytes of a serial scanner. Pure: no port, no clock; the same bytes give the same labels however
they are cut into chunks. What the label says is not decided here (gs1.py).

    suffix      a label is                                    without its suffix (`flush`)
    cr, lf      bytes up to CR / LF                           refused: cut
    crlf        bytes up to CR LF                             refused: cut
    cr_or_lf    bytes up to CR or LF, whichever comes         refused: cut
    tab         bytes up to TAB                               refused: cut
    etx         bytes between STX and ETX                     refused: cut
    0x2a0d      bytes up to these bytes (one to four)         refused: cut
    none        bytes up to the next silence of the line      the label

A prefix (one to four bytes) is taken off; a label without it lost its head and is refused: cut. Line ends round a label are
dropped, and so are empty labels: a scanner that sends CR LF works with every line suffix. Text is UTF-8; where a second
encoding is declared, what is no UTF-8 is read in that.
"""

import re
from dataclasses import dataclass
from typing import Literal

from devices.errors import OptionError

LABEL_MAX_BYTES = 4096
"""Longest label: a QR code version 40-L holds 2,953 bytes. A longer one is discarded up to its suffix, refused once."""

SUFFIXES = ("cr", "lf", "crlf", "cr_or_lf", "tab", "etx", "none")
Encoding = Literal["big5", "gb18030", "shift_jis", "latin-1"]
RefusalReason = Literal["too_long", "not_text", "cut"]

_ENDS = {
    "cr": re.compile(rb"\r"),
    "lf": re.compile(rb"\n"),
    "crlf": re.compile(rb"\r\n"),
    "cr_or_lf": re.compile(rb"[\r\n]"),
    "tab": re.compile(rb"\t"),
    "etx": re.compile(rb"[\x02\x03]"),
    "none": re.compile(rb"(?!)"),
}
_LINE_ENDS = b"\r\n"
_BYTES = re.compile(r"0x(?:[0-9A-Fa-f]{2}){1,4}")
_CODECS = {"big5": "cp950"}  # Microsoft's Big5, which tills in Taiwan use
# GS, RS and EOT belong to GS1 and ISO/IEC 15434 data, TAB and line ends to text in a QR code.
_CONTROL = re.compile("[\x00-\x03\x05-\x08\x0b\x0c\x0e-\x1c\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes that are no label. `detail` says how they look and never what they say."""

    reason: RefusalReason
    detail: str


class LabelFramer:
    """Holds at most the bytes of one unfinished label: prefix, `label_max`, and a suffix but for its last byte.

    Raise OptionError for a prefix or suffix that is none.
    """

    def __init__(
        self,
        suffix: str = "cr_or_lf",
        *,
        prefix: str = "",
        encoding: Encoding | None = None,
        label_max: int = LABEL_MAX_BYTES,
    ) -> None:
        self._suffix = suffix
        self._prefix = _bytes_of("prefix", prefix) if prefix else b""
        self._encoding = encoding
        # What `_end` finds, where it has more than one byte: it may be cut between two chunks.
        self._long_end = b"\r\n" if suffix == "crlf" else b"" if suffix in _ENDS else _bytes_of("suffix", suffix)
        self._end = _ENDS.get(suffix) or re.compile(re.escape(self._long_end))
        self._line_max = label_max + len(self._prefix)
        self._label_max = label_max
        self._pending_max = self._line_max + max(len(self._long_end) - 1, 0)
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
            return self._label(rest)
        return [_cut(rest)]

    def tear(self, refusal: Refusal) -> list[str | Refusal]:
        """Discard the label under way up to its suffix or a silence: part of it was lost. Refused once."""
        was_discarding, self._is_discarding = self._is_discarding, True
        self._pending.clear()
        return [] if was_discarding else [refusal]

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
        if len(line) > self._line_max:
            return [_too_long(self._label_max)]
        if self._suffix == "etx" and not (was_framed and end == b"\x03"):
            return [_cut(line)] if line.strip(_LINE_ENDS) else []
        return self._label(line)

    def _label(self, line: bytes) -> list[str | Refusal]:
        whole = line.strip(_LINE_ENDS)
        if not whole:
            return []
        if not whole.startswith(self._prefix):
            return [Refusal("cut", f"{len(whole)} bytes without the prefix")]
        return _text(whole.removeprefix(self._prefix), self._encoding)

    def _discard_too_long(self, found: list[str | Refusal]) -> None:
        if len(self._pending) > self._pending_max:
            if not self._is_discarding:
                found.append(_too_long(self._label_max))
            self._is_discarding = True
        if self._is_discarding:
            self._pending[:] = self._begun_end()

    def _begun_end(self) -> bytes:
        """Return how much of a suffix of several bytes has come."""
        parts = (self._long_end[:length] for length in range(len(self._long_end) - 1, 0, -1))
        return next((part for part in parts if self._pending.endswith(part)), b"")


def _text(line: bytes, encoding: Encoding | None) -> list[str | Refusal]:
    try:
        text = line.decode()
    except UnicodeDecodeError as err:
        try:
            text = line.decode(_CODECS.get(encoding, encoding)) if encoding else ""
        except UnicodeDecodeError:
            text = ""
        if not text:
            return [Refusal("not_text", f"{len(line)} bytes, not UTF-8 from byte {err.start} on")]
    if not text:
        return []
    controls = len(_CONTROL.findall(text))
    if controls:
        return [Refusal("not_text", f"{len(line)} bytes, {controls} of them control characters")]
    return [text]


def _cut(line: bytes) -> Refusal:
    return Refusal("cut", f"{len(line)} bytes without the whole suffix")


def _bytes_of(option: str, value: str) -> bytes:
    if not _BYTES.fullmatch(value):
        words = ", ".join(SUFFIXES) if option == "suffix" else ""
        raise OptionError(f"{option} {value!r}: {words and words + ', or '}one to four bytes such as '0x2a0d'")
    if option == "prefix" and value[2:4].lower() in ("0a", "0d"):
        raise OptionError(f"prefix {value!r}: line ends round a label are dropped; leave them out")
    return bytes.fromhex(value[2:])


def _too_long(label_max: int) -> Refusal:
    return Refusal("too_long", f"more than {label_max} bytes without a suffix")
