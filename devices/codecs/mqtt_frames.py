"""MQTT packets in a stream of bytes, so far as it takes to keep a monster out: a packet that is too long is cut short.

Pure. MQTT 3.1.1, 2.2: one byte of kind and flags, the remaining length in 1 to 4 bytes of 7 bits, then so many bytes. A broker
for MQTT 5 keeps the Maximum Packet Size of the client itself; one for 3.1.1 sends up to 256 MB, and a client's library would
gather all of it. A cut PUBLISH keeps its topic and packet id, so that it can be acknowledged; its payload is still too long.
"""

from typing import NamedTuple

LENGTH_BYTES_MAX = 4


class FrameCutter:
    """Bytes in, the same bytes out; of a packet longer than `frame_max` only the beginning, with its length made true.

    A header that is split between two reads is held back until it is whole.
    """

    def __init__(self, frame_max: int) -> None:
        self._frame_max = frame_max
        self._held = b""
        self._passing = 0
        self._dropping = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return what the reader may see of a chunk."""
        chunk, self._held = self._held + chunk, b""
        out: list[bytes] = []
        begin = place = 0  # chunk[begin:place] passes as it is
        while place < len(chunk):
            left = len(chunk) - place
            if self._passing:
                step = min(self._passing, left)
                self._passing -= step
                place += step
            elif self._dropping:
                out.append(chunk[begin:place])
                step = min(self._dropping, left)
                self._dropping -= step
                begin = place = place + step
            elif not (header := _header(chunk, place)):
                self._held = chunk[place:]
                break
            elif header.length <= self._frame_max:
                place += header.size
                self._passing = header.length
            else:
                out += (chunk[begin : place + 1], _encoded(self._frame_max))
                begin = place = place + header.size
                self._passing, self._dropping = self._frame_max, header.length - self._frame_max
        out.append(chunk[begin:place])
        return b"".join(out)


class _Header(NamedTuple):
    size: int
    length: int


def _header(chunk: bytes, begin: int) -> _Header | None:
    """Return the fixed header at a place, None when it is not all here.

    A length of more than 4 bytes is against the protocol; it is handed on as it is, and the library ends the connection.
    """
    length = 0
    for n, byte in enumerate(chunk[begin + 1 : begin + 1 + LENGTH_BYTES_MAX]):
        length |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            return _Header(n + 2, length)
        if n + 1 == LENGTH_BYTES_MAX:
            return _Header(1 + LENGTH_BYTES_MAX, 0)
    return None


def _encoded(length: int) -> bytes:
    out = bytearray()
    while True:
        length, low = length >> 7, length & 0x7F
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)
