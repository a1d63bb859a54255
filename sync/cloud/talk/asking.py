"""One question to a cloud end by HTTP, for commands: a store's hub that enrols, head office. Every refusal names the remedy."""

import asyncio
import ssl
from typing import Any, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from sync.errors import SyncError

ASK_TIMEOUT_S = 20.0  # a question is small; a fleet of a thousand stores is answered within a second
ANSWER_MAX = 16 * 1024 * 1024
NO_CONTENT = 204
T = TypeVar("T")


class RefusedError(SyncError):
    """The cloud answered with a problem; nothing was changed unless its code is outcome_unknown."""


class AwayError(SyncError):
    """Nobody answers there, or no cloud; whether it was carried out is not known, and it may be asked again."""


class _Problem(Struct, frozen=True):
    title: str
    code: str
    detail: str = ""
    remedy: dict[str, str] = {}


async def ask(
    url: str,
    method: str,
    path: str,
    answer: type[T],
    *,
    token: str = "",
    body: Any = None,
    context: ssl.SSLContext | None = None,
) -> T:
    """Return the answer as what it is, an empty object where there is none (204); raise RefusedError or AwayError. Any: JSON."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else msgspec.json.encode(body)
    try:
        async with (
            asyncio.timeout(ASK_TIMEOUT_S),
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url.rstrip("/") + path, data=data, ssl=context or True) as response,
        ):
            raw = await response.content.read(ANSWER_MAX)
            if response.status >= 400:
                raise _refusal(response.status, raw)
            if response.status == NO_CONTENT:
                raw = b"{}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
        raise AwayError("unreachable", f"{url} does not answer: {err or type(err).__name__}") from err
    try:
        return msgspec.json.decode(raw, type=answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise AwayError("not_a_cloud", f"what answers at {url} is no cloud end: {err}") from err


def _refusal(status: int, raw: bytes) -> SyncError:
    try:
        problem = msgspec.json.decode(raw, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return AwayError("not_a_cloud", f"HTTP {status}, from something that is no cloud end of this version")
    said = (f"{problem.title}: {problem.detail}".rstrip(": "), problem.remedy.get("en", ""))
    return RefusedError(problem.code, "; ".join(filter(None, said)))
