"""A customer display of two lines without hardware: it keeps what a person would read on the glass.

Reads the CD5220 and Epson DM-D commands that such displays have in common, as their manuals list them; any other control
character fails the test that sent it.
"""

import asyncio

from devices.testing.serial_end import SerialEnd
from devices.testing.serial_line import VirtualSerialLine


class SimulatedDisplay(SerialEnd):
    """`rows` are the two lines of glass, decoded by the character set it was built with."""

    def __init__(self, line: VirtualSerialLine, *, charset: str = "cp950", columns: int = 20) -> None:
        super().__init__(line)
        self._charset, self._columns = charset, columns
        self._cells = [bytearray(), bytearray()]
        self._row = 0
        self._held = b""
        self._changed = asyncio.Event()

    @property
    def rows(self) -> list[str]:
        """What is read on the glass."""
        return [bytes(cells).decode(self._charset).rstrip() for cells in self._cells]

    def heard(self, chunk: bytes) -> None:
        """Take bytes; a command that is not whole yet waits for the rest."""
        self._held += chunk
        while self._held and (taken := self._take(self._held)):
            self._held = self._held[taken:]
        self._changed.set()

    async def shows(self, upper: str, lower: str) -> None:
        """Return when this is on the glass."""
        while self.rows != [upper, lower]:
            self._changed.clear()
            await self._changed.wait()

    def _take(self, held: bytes) -> int:
        """Do the first command or character; return its length, 0 when more is needed."""
        if held[:1] == b"\x0c":
            self._cells, self._row = [bytearray(), bytearray()], 0
            return 1
        if held[:1] == b"\x1b":
            return self._escape(held)
        if held[:1] == b"\x1f":
            if len(held) < 4:
                return 0
            assert held[1:3] == b"\x24\x01", held[:4]
            self._row = held[3] - 1
            return 4
        assert held[0] >= 0x20, f"an unknown command {held[:4].hex(' ')}"
        self._cells[self._row].append(held[0])
        assert len(self._cells[self._row]) <= self._columns, "it would wrap"
        return 1

    def _escape(self, held: bytes) -> int:
        if held[:2] == b"\x1b@":
            self._cells = [bytearray(), bytearray()]
            return 2
        if len(held) < 3 or b"\r" not in held:
            return 0
        assert held[:3] in (b"\x1bQA", b"\x1bQB"), held[:3]
        end = held.index(b"\r")
        assert end - 3 <= self._columns, "a line is longer than the glass"
        self._cells[held[2] - ord("A")] = bytearray(held[3:end])
        return end + 1
