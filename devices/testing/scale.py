"""A Mettler Toledo 8217 scale without hardware, with faults on demand: it answers W and Z as the scale's manual says.

Written from the manual's tables, not from the hub's codec: what the two disagree on, a test shows.
"""

from decimal import Decimal

from devices.testing.serial_end import SerialEnd
from devices.testing.serial_line import VirtualSerialLine


class SimulatedScale(SerialEnd):
    """Put goods on it by `load_g`; over 15 kg it says so. Faults: `is_moving`, `is_silent`, `noise` (before the next answer)."""

    CAPACITY_G = 15_000

    def __init__(self, line: VirtualSerialLine) -> None:
        super().__init__(line)
        self.load_g = 0
        self.is_moving = self.is_silent = False
        self.noise = b""
        self.asked = 0
        self._zero_g = 0

    def heard(self, chunk: bytes) -> None:
        """Answer each command."""
        for letter in chunk.decode("latin-1"):
            if self.is_silent:
                continue
            if letter == "Z":
                self._zero_g = self.load_g
                self._answer(b"?\x70")
            elif letter == "W":
                self.asked += 1
                self._answer(self._weight())

    def _answer(self, body: bytes) -> None:
        noise, self.noise = self.noise, b""
        self.say(noise + b"\x02" + body + b"\r")

    def _weight(self) -> bytes:
        net_g = self.load_g - self._zero_g
        if self.load_g > self.CAPACITY_G:
            return b"?b"
        if net_g < 0:
            return b"?d"
        if self.is_moving:
            return b"?a"
        return f"{Decimal(net_g) / 1000:06.3f}".encode()
