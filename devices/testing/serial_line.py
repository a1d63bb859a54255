"""A serial cable without hardware: two pseudo-terminals joined in this process, as `socat pty pty` would.

The hub opens `device_path`; whoever plays the device opens `outside_path` as often as it likes, or calls `write`.
`unplug` hangs the hub's end up as a pulled USB plug does, `replug` brings it back under the same symlink.
"""

import asyncio
import contextlib
import os
import tty
from pathlib import Path
from typing import Self

PENDING_MAX_BYTES = 4096
"""Bytes held each way. When full, the sending end is not read, so its writer waits; nothing drops."""
WRITE_TIMEOUT_S = 10.0  # a test that fills the line and never reads it should fail, not hang


class VirtualSerialLine:
    """Both ends of one cable; enter it on the running loop. Bytes sent while unplugged are lost, as with hardware."""

    def __init__(self, device_link: Path | None = None, outside_link: Path | None = None) -> None:
        self._device_link = device_link
        self._outside_link = outside_link
        self._outside: _PseudoTerminal | None = None
        self._device: _PseudoTerminal | None = None
        self._to_device: _Pump | None = None
        self._to_outside: _Pump | None = None

    @property
    def device_path(self) -> str:
        """The path the hub opens: the symlink if there is one, else the pseudo-terminal of the moment."""
        if self._device_link is not None:
            return str(self._device_link)
        assert self._device is not None, "unplugged, and no device_link was asked for"
        return self._device.path

    @property
    def outside_path(self) -> str:
        """The path the player of the device opens; stays through unplug and replug."""
        assert self._outside is not None, "enter the line first"
        return str(self._outside_link or self._outside.path)

    async def __aenter__(self) -> Self:
        self._outside = _PseudoTerminal(self._outside_link)
        self.replug()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.unplug()
        assert self._to_device is not None and self._outside is not None
        self._to_device.stop()
        self._outside.close()

    async def write(self, sent: bytes) -> None:
        """Send as the device does; return when the hub's end has taken it all, raise TimeoutError if it does not."""
        assert self._to_device is not None, "enter the line first"
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            for start in range(0, len(sent), PENDING_MAX_BYTES):
                await self._to_device.put(sent[start : start + PENDING_MAX_BYTES])

    def unplug(self) -> None:
        """Take the hub's end away: its open file hangs up and its path is gone. What was under way is lost."""
        if self._device is None or self._to_outside is None:
            return
        self._to_outside.stop()
        self._link_outside_to(None)
        self._device.close()
        self._device = self._to_outside = None

    def replug(self) -> None:
        """Bring the hub's end back: a new pseudo-terminal, under the old symlink if there is one."""
        assert self._outside is not None, "enter the line first"
        if self._device is not None:
            return
        self._device = _PseudoTerminal(self._device_link)
        self._link_outside_to(self._device.master)
        self._to_outside = _Pump(self._device.master, self._outside.master)

    def _link_outside_to(self, target: int | None) -> None:
        assert self._outside is not None
        if self._to_device is not None:
            self._to_device.stop()
        self._to_device = _Pump(self._outside.master, target)


class _PseudoTerminal:
    """One raw pseudo-terminal. We keep its slave open too: others may open and close it without a hang-up."""

    def __init__(self, link: Path | None) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self._link = link
        if link is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)

    def close(self) -> None:
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self.master)
        os.close(self._slave)


class _Pump:
    """Bytes from one file to another, PENDING_MAX_BYTES at most under way; a target of None swallows them."""

    def __init__(self, source: int, target: int | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._target = target
        self._pending = b""
        self._is_stopped = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._loop.add_reader(source, self._on_readable)

    def stop(self) -> None:
        self._loop.remove_reader(self._source)
        if self._target is not None:
            self._loop.remove_writer(self._target)
        self._is_stopped = True
        self._pending = b""
        self._is_empty.set()

    async def put(self, sent: bytes) -> None:
        await self._is_empty.wait()
        if not self._is_stopped:
            self._begin(sent)
            await self._is_empty.wait()

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._begin(os.read(self._source, PENDING_MAX_BYTES))

    def _begin(self, sent: bytes) -> None:
        self._pending += sent
        self._loop.remove_reader(self._source)
        self._is_empty.clear()
        self._send()

    def _send(self) -> None:
        if self._target is not None:
            self._pending = self._pending[_written(self._target, self._pending) :]
            if self._pending:
                self._loop.add_writer(self._target, self._send)
                return
            self._loop.remove_writer(self._target)
        self._pending = b""
        self._is_empty.set()
        self._loop.add_reader(self._source, self._on_readable)


def _written(target: int, pending: bytes) -> int:
    try:
        return os.write(target, pending)
    except BlockingIOError:
        return 0
