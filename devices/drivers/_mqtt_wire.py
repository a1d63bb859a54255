"""The socket below paho: non-blocking, read and written in large pieces, with or without TLS. Nothing of MQTT but its frames.

What TLS has unpacked and nobody has read makes no socket readable: `fill` is asked until it says that nothing is there.
"""

import asyncio
import socket
import ssl
from contextlib import suppress

from devices.codecs.mqtt_frames import FrameCutter

PACKET_BYTES_MAX = 72 * 1024  # the longest topic (64 KiB) and a payload that is refused as too long
READ_BYTES_MAX = 64 * 1024
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


async def shake_hands(sock: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        may_go_on = asyncio.Event()
        try:
            sock.do_handshake()
            return
        except ssl.SSLWantReadError:
            loop.add_reader(sock, may_go_on.set)
        except ssl.SSLWantWriteError:
            loop.add_writer(sock, may_go_on.set)
        try:
            await may_go_on.wait()
        finally:
            loop.remove_reader(sock)
            loop.remove_writer(sock)


class MqttWire:
    """A non-blocking socket as paho wants one, read and written in large pieces."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._cutter = FrameCutter(PACKET_BYTES_MAX)
        self._read = b""
        self._place = 0
        self._is_ended = False
        self._unsent = bytearray()

    def fill(self) -> bool:
        """Read on when nothing is left; say whether `recv` has an answer."""
        while self._place >= len(self._read) and not self._is_ended:
            try:
                chunk = self._sock.recv(READ_BYTES_MAX)
            except _WAIT:
                return False
            except OSError:
                chunk = b""  # reset by the peer: for paho an end like any other
            self._is_ended = not chunk
            self._read, self._place = self._cutter.feed(chunk), 0
        return True

    def recv(self, size: int) -> bytes:
        """What the buffer has; BlockingIOError when it is empty, nothing at the end."""
        if self._place >= len(self._read) and not self._is_ended:
            raise BlockingIOError
        piece = self._read[self._place : self._place + size]
        self._place += len(piece)
        return piece

    def send(self, data: bytes | bytearray) -> int:
        """Keep for `flush`; bounded by what there is to acknowledge."""
        self._unsent += data
        return len(data)

    def flush(self) -> bool:
        """Send what was kept; say whether some is left."""
        if self._unsent:
            with suppress(*_WAIT):
                del self._unsent[: self._sock.send(self._unsent)]
        return bool(self._unsent)

    def close(self) -> None:
        """Send what the socket still takes, and close it."""
        with suppress(OSError):
            self.flush()
        self._unsent.clear()
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""
