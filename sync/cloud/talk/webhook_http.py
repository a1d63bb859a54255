"""Posts messages to subscribers: to addresses that may be spoken to only, without redirects, within a time.

Not here: to whom, and when (sync.cloud.handing.deliverer).
"""

import socket
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from sync.cloud.handing.addresses import Allowed
from sync.cloud.handing.deliverer import Outcome
from sync.cloud.handing.subscriptions import SUBSCRIPTIONS_MAX
from sync.errors import RuleError

ANSWER_TIMEOUT_S = 15.0  # as receivers of others' webhooks are used to: take it, answer, work later
CONNECT_TIMEOUT_S = 5.0
ANSWER_READ = 1024  # what a subscriber says beside its status is read no further
HEADERS = {"Content-Type": "application/json", "User-Agent": "store-hub-webhooks/1"}


class GuardedResolver(AbstractResolver):
    """Names to those of their addresses that may be spoken to: judged at each connection, so no name can change under it."""

    def __init__(self, allowed: Allowed, *, is_plain: bool) -> None:
        self._allowed = allowed
        self._is_plain = is_plain
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return addresses; raise OSError where none may be spoken to."""
        found = await self._resolver.resolve(host, port, family)
        open_ones = [each for each in found if self._allowed.may_reach(each["host"], is_plain=self._is_plain)]
        if not open_ones:
            raise OSError(None, f"no address of {host} is public, nor in [handing] allow")
        return open_ones

    async def close(self) -> None:
        """Nothing is held."""


class WebhookHttp:
    """Sends; use as a context manager."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._held = AsyncExitStack()
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
        for scheme in ("https", "http"):
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._allowed, is_plain=scheme == "http"),
                use_dns_cache=False,
                limit=SUBSCRIPTIONS_MAX,
            )
            session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS
            )
            self._sessions[scheme] = await self._held.enter_async_context(session)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Post once."""
        try:
            self._allowed.check_url(url)
            session = self._sessions[urlsplit(url).scheme]
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                said = await response.content.read(ANSWER_READ)
                if 200 <= response.status < 300:
                    return Outcome(response.status)
                why = f"answered {response.status} {said.decode('utf-8', 'replace')[:80]!r}"
                return Outcome(response.status, why, _retry_after_s(response))
        except RuleError as err:
            return Outcome(0, err.detail)
        except TimeoutError:
            return Outcome(0, f"no answer within {ANSWER_TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as err:
            return Outcome(0, str(err) or type(err).__name__)


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    """Return what Retry-After says in seconds, or as a date beside the answer's own; 0 where it says nothing."""
    said = response.headers.get("Retry-After", "")
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    try:
        until = parsedate_to_datetime(said)
        return max(0.0, (until - parsedate_to_datetime(response.headers.get("Date", ""))).total_seconds())
    except (TypeError, ValueError):
        return 0.0
