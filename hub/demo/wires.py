"""Wires of a scripted day that somebody listens to, and that can be made to lie. The auditor does not know of it.

PrinterWire   hub -> printer: keeps the bytes that the printer gets; a lying one prints one receipt twice
TillWire      till -> hub, only in a day with a fault: answers one sale by itself, or posts one again under a new id
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Literal, Self

import aiohttp
import msgspec
from aiohttp import web

from devices.testing.escpos_reader import EscposReader
from devices.testing.paper import PaperCut, StatusRequest
from hub.client import new_id

CHUNK_BYTES = 4096
STOP_TIMEOUT_S = 0.5


class PrinterWire:
    """A relay on a port of its own; `folder` gets one file a connection. Armed, it repeats the next receipt."""

    def __init__(self, folder: Path, *, encoding: str) -> None:
        self._folder = folder
        self._encoding = encoding
        self._connections = 0
        self._is_armed = False
        self._printer: tuple[str, int] = ("", 0)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def connect(self, address: str) -> str:
        """Lead to the printer at an address; return where the wire begins."""
        host, _, port = address.rpartition(":")
        self._printer = (host, int(port))
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def arm(self) -> None:
        """Lie once, from now on."""
        self._is_armed = True

    def close(self) -> None:
        """Cut the wire."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        file = self._folder / f"{self._connections:03}.bin"
        with suppress(OSError):
            back, on = await asyncio.open_connection(*self._printer)
            self._open |= {writer, on}
            try:
                async with asyncio.TaskGroup() as group:
                    answers = group.create_task(_pass_on(back, writer), name="printer's answers")
                    await self._print(reader, on, file)
                    answers.cancel()
            finally:
                self._open -= {writer, on}
                on.close()
                writer.close()

    async def _print(self, reader: asyncio.StreamReader, on: asyncio.StreamWriter, file: Path) -> None:
        seen, receipt = EscposReader(self._encoding), bytearray()
        with file.open("ab", buffering=0) as kept:
            while chunk := await _read(reader):
                for byte in chunk:
                    piece = bytes((byte,))
                    kept.write(piece)
                    on.write(piece)
                    receipt += piece
                    for element in seen.feed(piece):
                        if isinstance(element, PaperCut) and self._is_armed:
                            self._is_armed = False
                            kept.write(receipt)
                            on.write(receipt)
                        if isinstance(element, PaperCut | StatusRequest):
                            receipt.clear()
                with suppress(ConnectionError):
                    await on.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await _read(reader):
        writer.write(chunk)
        with suppress(ConnectionError):
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await reader.read(CHUNK_BYTES)
    return b""


class TillWire:
    """Takes POST /v1/sales at `url` while it is entered; armed, it strikes the next sale without a receipt."""

    def __init__(self, hub_url: str, fault: Literal["lose", "double"]) -> None:
        self.url = ""
        self._hub_url = hub_url
        self._fault = fault
        self._is_armed = False
        self._last_answer: dict[str, Any] = {}  # Any: JSON
        app = web.Application()
        app.router.add_post("/v1/sales", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            self._session = await undo.enter_async_context(aiohttp.ClientSession(self._hub_url))
            undo.push_async_callback(self._runner.cleanup)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self._undo = undo.pop_all()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    def arm(self) -> None:
        """Lie once, from now on."""
        self._is_armed = True

    async def _post(self, request: web.Request) -> web.StreamResponse:
        sale = msgspec.json.decode(await request.read())
        is_struck = self._is_armed and not sale.get("print") and bool(self._last_answer)
        if is_struck:
            self._is_armed = False
        if is_struck and self._fault == "lose":
            return web.json_response(_made_up(sale, self._last_answer), status=201)
        authorization = request.headers["Authorization"]
        status, body = await self._send(sale, authorization)
        if status == 201:
            self._last_answer = msgspec.json.decode(body)
        if is_struck and self._fault == "double":
            await self._send(sale | {"sale_id": new_id()}, authorization)
        return web.Response(status=status, body=body, content_type="application/json")

    async def _send(self, sale: dict[str, Any], authorization: str) -> tuple[int, bytes]:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            async with self._session.post("/v1/sales", data=msgspec.json.encode(sale), headers=headers) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 503, b"{}"


def _made_up(sale: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as the hub could have given it. Any: JSON."""
    series, _, number = last["receipt_no"].rpartition("-")
    return {
        **last,
        "sale_id": sale["sale_id"],
        "receipt_no": f"{series}-{int(number) + 1:06}",
        "dot": {**last["dot"], "seq": last["dot"]["seq"] + 1},
        "stock": {},
        "print_job": None,
    }
