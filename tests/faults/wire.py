"""The network between two hubs of a store: a relay that can be cut and mended."""

import asyncio
from contextlib import suppress


class Wire:
    """A relay from a port of its own to a hub's; use the server that `begin` returns as a context manager."""

    def __init__(self, port: int) -> None:
        self._to, self._open, self.is_cut = port, set[asyncio.StreamWriter](), False
        self.port = 0

    async def begin(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self) -> None:
        self.is_cut = True
        for writer in tuple(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        with suppress(OSError):
            back, on = await asyncio.open_connection("127.0.0.1", self._to)
            self._open |= {writer, on}
            await asyncio.gather(self._carry(reader, on), self._carry(back, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(4096):
                writer.write(chunk)
                await writer.drain()
        self._open.discard(writer)
        writer.close()
