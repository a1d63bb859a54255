"""A hub's HTTP side as the cloud asks it: every answer bounded, checked, and every fault with a name and a remedy.

Not here: what is asked for and when (sync.cloud.talk.pull).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import aiohttp
import msgspec
from backports import zstd
from msgspec import Meta, Struct

from sync.batch import BYTES_MAX, Batch, Boundary, Head, Rep, Seq, StreamName
from sync.errors import ProtocolError, SyncError
from sync.feed import CONTENT_TYPE, read_feed
from sync.protocol import LIVES_MAX, Features, Snapshot, decode

CONNECT_TIMEOUT_S = 10.0  # a handshake takes two round trips; 600 ms each on the worst line we serve
ANSWER_TIMEOUT_S = 30.0  # one request and its whole answer: 1,000 rows at 64 kbit/s
BODY_MAX = 4 * BYTES_MAX  # an answer, packed or unpacked; a longer one is none of ours
ROWS_ASKED = 1000
REMEDIES = {
    "unreachable": "check that the hub runs, the store's line and the store's url in cloud.toml",
    "timeout": "the hub does not answer in time: check the store's line and the hub's load",
    "refused": "the hub does not know this token: pair again with `storehub pair --scope cloud`, write it into hub_token",
    "server_error": "the hub has a fault of its own: look at its log; the cloud asks again",
    "not_a_hub": "something else answers at this url (a captive portal, a proxy): log in there or correct url",
    "cut": "the answer ended early: check the store's line",
    "too_large": f"the answer is longer than {BODY_MAX} bytes: something else answers, or the hub is newer than this cloud",
    "protocol": "what came is no true batch: look for a proxy that changes what passes, and at the hub's version",
    "gap": "the hub does not have rows that it numbered: keep its disk, call support",
    "fork": "this store or the cloud was restored from a copy and begins a new life by itself: look whether two machines are on",
    "cannot_write": "the cloud's disk takes no commit: make room",
    "shut_out": "the store was revoked, and hub_token with it: pair again with `storehub pair --scope cloud`, write it, restart",
    "line_down": "the demo's line is cut: POST /cloud/v1/demo/line",
}

T = TypeVar("T", bound=Struct)


class Mark(Struct, frozen=True):
    """A boundary in JSON."""

    last: int
    digest: str

    @property
    def boundary(self) -> Boundary:
        """As a boundary; raise ProtocolError when the digest is not hexadecimal."""
        try:
            return Boundary(self.last, bytes.fromhex(self.digest))
        except ValueError as err:
            raise ProtocolError(f"digest {self.digest[:40]!r} is not hexadecimal") from err


class StreamMark(Mark, frozen=True):
    """How far a stream is held."""

    rep: str
    stream: str


class Life(Struct, frozen=True):
    """A life of the hub that has ended, and how far the hub holds its logs."""

    rep: Rep
    heads: dict[StreamName, Seq]


class Greeting(Struct, frozen=True):
    """Who speaks, and how far it holds the streams of the other."""

    rep: str
    vector: tuple[StreamMark, ...]


class HelloBody(Greeting, frozen=True, omit_defaults=True):
    """What the cloud says: also which lives of the store it has sealed, and what time it is."""

    sealed: tuple[str, ...] = ()
    now_ms: int | None = None


class HelloAnswer(Greeting, frozen=True):
    """The hub's answer, with its clock, its lives that have ended, its features."""

    now_ms: int | None = None
    former: Annotated[tuple[Life, ...], Meta(max_length=LIVES_MAX)] = ()
    features: Features = ()


class Offered(Head, frozen=True):
    """A stream of the hub, how far the hub knows it to be held here, and up to where its rows are no more there."""

    acked: int = 0
    floor: Seq = 0


class StreamsBody(Struct, frozen=True):
    """What the hub offers."""

    rep: str
    streams: tuple[Offered, ...]


class Held(Mark, frozen=True):
    """The answer to a batch: how far it is held; with `gap` that rows are missing and are to be sent again from there."""

    gap: bool = False


class PullFaultError(SyncError):
    """A round ends here; `code` is a key of REMEDIES. What was committed stands, the next round goes on."""


class HubHttp:
    """One hub's addresses, every answer bounded and checked."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def post(self, path: str, body: Struct, kind: type[T]) -> T:
        """Send JSON, return JSON."""
        return _json(await self.request("POST", path, json=body), kind)

    async def post_frame(self, path: str, frame: bytes) -> Held:
        """Send a frame."""
        return _json(await self.request("POST", path, frame=frame), Held)

    async def get_json(self, path: str, kind: type[T]) -> T:
        """Return JSON."""
        return _json(await self.request("GET", path), kind)

    async def get_feed(
        self, stream: str, after: Boundary, *, rep: str = "", rows_max: int = ROWS_ASKED
    ) -> Batch | None:
        """Return the next rows of a stream: the hub's own, or one of another life, named by `rep`, that it passes on."""
        query = {"stream": stream, "after": str(after.last), "limit": str(rows_max)}
        if rep:
            query |= {"rep": rep, "digest": after.digest.hex()}
        return read_feed(await self.request("GET", "/sync/v1/feed", query=query, wanted=CONTENT_TYPE))

    async def get_snapshot(self, stream: str, *, rep: str, n: int) -> Snapshot:
        """Return a part of what rows below a log's floor came to; raise ProtocolError for anything else."""
        query = {"stream": stream, "rep": rep, "n": str(n)}
        body = await self.request("GET", "/sync/v1/snapshot", query=query, wanted="application/octet-stream")
        frame = decode(body)
        if not isinstance(frame, Snapshot) or (frame.rep, frame.stream) != (rep, stream):
            raise ProtocolError(f"asked for what {stream} of {rep} came to, got a {type(frame).__name__}")
        return frame

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Struct | None = None,
        frame: bytes | None = None,
        query: dict[str, str] | None = None,
        wanted: str = "",
    ) -> bytes:
        """Return the body of a good answer; raise PullFaultError for everything else."""
        headers = {"Accept-Encoding": "zstd"}
        if json is not None:
            headers["Content-Type"] = "application/json"
        elif frame is not None:
            headers["Content-Type"] = "application/octet-stream"
        data = msgspec.json.encode(json) if json is not None else frame
        async with (
            _named_faults(path),
            self._http.request(
                method, self._url + path, data=data, params=query, headers=headers, allow_redirects=False
            ) as response,
        ):
            _check_status(path, response.status)
            if wanted and response.content_type != wanted:
                raise PullFaultError("not_a_hub", f"{path}: {response.content_type}, not {wanted}")
            body = await _read(response.content, path)
            return _unpacked(body, response.headers.get("Content-Encoding", ""), path)


@asynccontextmanager
async def _named_faults(path: str) -> AsyncIterator[None]:
    try:
        yield
    except TimeoutError as err:
        raise PullFaultError("timeout", f"{path}: no whole answer within {ANSWER_TIMEOUT_S:g} s") from err
    except aiohttp.ClientPayloadError as err:
        raise PullFaultError("cut", f"{path}: {err}") from err
    except (aiohttp.ServerDisconnectedError, ConnectionResetError) as err:
        raise PullFaultError("cut", f"{path}: the connection ended") from err
    except (aiohttp.ClientConnectionError, OSError) as err:
        raise PullFaultError("unreachable", f"{path}: {err}") from err
    except (aiohttp.ClientError, ValueError) as err:
        raise PullFaultError("not_a_hub", f"{path}: {err}") from err


async def _read(content: aiohttp.StreamReader, path: str) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > BODY_MAX:
            raise PullFaultError("too_large", f"{path}: more than {BODY_MAX} bytes")
    return bytes(body)


def _check_status(path: str, status: int) -> None:
    if status in (401, 403):
        raise PullFaultError("refused", f"{path}: HTTP {status}")
    if status == 409:
        raise PullFaultError("fork", f"{path}: the hub never offered what is held here")
    if status == 400:
        raise PullFaultError("protocol", f"{path}: the hub cannot read what was sent")
    if status >= 500:
        raise PullFaultError("server_error", f"{path}: HTTP {status}")
    if status >= 300:
        raise PullFaultError("not_a_hub", f"{path}: HTTP {status}")


def _unpacked(body: bytes, encoding: str, path: str) -> bytes:
    if not encoding or encoding == "identity":
        return body
    if encoding != "zstd":
        raise PullFaultError("not_a_hub", f"{path}: Content-Encoding {encoding[:40]!r} was not asked for")
    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(body, max_length=BODY_MAX)
    except zstd.ZstdError as err:
        raise PullFaultError("protocol", f"{path}: {err}") from err
    if not decompressor.eof:
        code = "too_large" if len(raw) >= BODY_MAX else "cut"
        raise PullFaultError(code, f"{path}: {len(raw)} bytes unpacked, and no end")
    return raw


def _json(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as err:
        raise PullFaultError("not_a_hub", f"an answer is no {kind.__name__}: {err}") from err
