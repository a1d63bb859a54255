"""Lines out of a serial stream: what stands between two line ends, whatever chunks it came in.

For devices that send a short line of text at a time (scales, gates, mats, RFID readers). Labels of scanners have rules of their
own (devices.codecs.labels).
"""

LINE_MAX_BYTES = 128  # a longer one is noise or another protocol: dropped up to the next line end, and counted

_ENDS = b"\r\n\x03"  # CR, LF, and the ETX that some scales send behind them
_CONTROLS = bytes(code for code in range(0x20)) + b"\x7f"


class LineFramer:
    """Bytes in, lines out: without ends and control characters, never empty. `dropped` counts those that were too long."""

    def __init__(self) -> None:
        self.dropped = 0
        self._held = bytearray()
        self._is_dropping = False

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that this chunk ended; a byte beyond ASCII reads as U+FFFD."""
        lines = []
        for byte in chunk:
            if byte in _ENDS:
                if (line := self._ended()) is not None:
                    lines.append(line)
            elif not self._is_dropping:
                self._held.append(byte)
                self._is_dropping = len(self._held) > LINE_MAX_BYTES
        return lines

    def _ended(self) -> str | None:
        held, was_dropping = bytes(self._held), self._is_dropping
        self._held.clear()
        self._is_dropping = False
        if was_dropping:
            self.dropped += 1
            return None
        return held.translate(None, _CONTROLS).decode("ascii", "replace").strip() or None
