"""Calls to a shop over HTTP: paced, bounded, tried again where that is harmless. The only file that sends them.

    429, or a call whose cost was too much    waited for as the shop says (Retry-After), at most WAITS_MAX times
    a time-out, no connection, 5xx            ShopFaultError: the round ends, the next one begins where this one stood
    401, 403, 404, any other                  ShopFaultError with its reason: a person must look

All calls of ours set what they say: sent twice they say the same. Not here: what is asked (sync.cloud.channels).
"""

import asyncio
from collections.abc import Callable
from math import isfinite
from typing import TypeVar

import aiohttp

from sync.cloud.channels.calls import Conversation, ShopAnswer, ShopCall, ShopFaultError
from sync.cloud.channels.kinds import SHOPS
from sync.cloud.channels.settings import Channel

T = TypeVar("T")
CALL_TIMEOUT_S = 60.0  # a hundred products of a small host with plugins take half a minute
CONNECT_TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
BURST = 4  # calls at once before the bucket leaks one at a time
WAITS_MAX = 8
RETRY_AFTER_MIN_S, RETRY_AFTER_S, RETRY_AFTER_MAX_S = 0.01, 2.0, 120.0


class LeakyBucket:
    """How many calls may go: a burst, then so many a second."""

    def __init__(self, per_s: float, burst: int = BURST) -> None:
        self._per_s, self._burst = per_s, float(burst)
        self._level, self._at_s = 0.0, 0.0

    def wait_s(self, now_s: float) -> float:
        """Put a call into the bucket; return how long it waits there."""
        self._level = max(0.0, self._level - (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        self._level += 1
        return max(0.0, (self._level - self._burst) / self._per_s)


class ShopHttp:
    """One shop's API."""

    def __init__(self, http: aiohttp.ClientSession, channel: Channel, *, clock_s: Callable[[], float]) -> None:
        self._http = http
        self._channel = channel
        self._shop = SHOPS[channel.kind]
        self._clock_s = clock_s
        self._bucket = LeakyBucket(channel.requests_per_s)

    async def hold(self, conversation: Conversation[T]) -> T:
        """Send what a conversation asks for until it ends; return what it came to."""
        answer: ShopAnswer | None = None
        try:
            while True:
                call = next(conversation) if answer is None else conversation.send(answer)
                answer = await self._ask(call)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            conversation.close()

    async def _ask(self, call: ShopCall) -> ShopAnswer:
        for _ in range(WAITS_MAX):
            await asyncio.sleep(self._bucket.wait_s(self._clock_s()))
            status, answer = await self._send(call)
            wait_s = retry_after_s(answer) if status == 429 else self._shop.wait_s(answer) if status == 200 else 0.0
            if wait_s == 0.0:
                check_status(status, self._channel.url)
                return answer
            await asyncio.sleep(wait_s)
        raise ShopFaultError("shop_busy", f"{self._channel.url} asks to wait again and again")

    async def _send(self, call: ShopCall) -> tuple[int, ShopAnswer]:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._http.request(
                call.method,
                self._channel.url + call.path,
                data=call.body or None,
                params=call.query,
                headers=self._shop.headers(self._channel),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(ANSWER_BYTES_MAX + 1)
                while not response.content.at_eof() and len(body) <= ANSWER_BYTES_MAX:
                    body += await response.content.read(ANSWER_BYTES_MAX + 1 - len(body))
                headers = {name.lower(): value for name, value in response.headers.items()}
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise ShopFaultError("shop_unreachable", f"{self._channel.url}: {type(err).__name__}: {err}"[:300]) from err
        if len(body) > ANSWER_BYTES_MAX:
            raise ShopFaultError("shop_answer", f"{call.path}: more than {ANSWER_BYTES_MAX} bytes")
        return response.status, ShopAnswer(body, headers)


def retry_after_s(answer: ShopAnswer) -> float:
    """Return how long a shop that has enough wants to be left alone; never 0."""
    try:
        told = float(answer.headers.get("retry-after", RETRY_AFTER_S))
    except ValueError:
        told = RETRY_AFTER_S  # a date: the least that is polite
    return min(RETRY_AFTER_MAX_S, max(RETRY_AFTER_MIN_S, told)) if isfinite(told) else RETRY_AFTER_S


def check_status(status: int, url: str) -> None:
    """Raise ShopFaultError for any answer but a good one."""
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise ShopFaultError("shop_token", f"{url} answered {status}: the token is not good for this; renew token_file")
    if status >= 500:
        raise ShopFaultError("shop_unreachable", f"{url} answered {status}")
    raise ShopFaultError("shop_refused", f"{url} answered {status}; look whether url and the API's version are right")
