"""Whoever asks something of the hub in a scripted day: repeats under the same id until answered, as every till must, and writes
down every try with what came back."""

import asyncio
import json
from typing import Any

import aiohttp

from hub.client import now_ms
from hub.demo.journal import Journal

ANSWER_TIMEOUT_S = 5.0
AGAIN_S = 0.15  # between two tries
SERVER_TROUBLE = 500  # below it an answer is an answer

Json = dict[str, Any]  # Any: JSON


class Desk:
    """A till's or the manager's side of the wire; `posting` is set while a sale is under way."""

    def __init__(
        self,
        name: str,
        token: str,
        session: aiohttp.ClientSession,
        journal: Journal,
        *,
        hub_url: str,
        sales_url: str = "",
    ) -> None:
        self.name = name
        self.token = token
        self.hub_url = hub_url
        self.posting = asyncio.Event()
        self._session = session
        self._journal = journal
        self._sales_url = sales_url or hub_url

    async def post(self, ask: str, path: str, sent: Json, **about: str) -> Json:
        """Send until it is answered; return the answer."""
        url = (self._sales_url if ask == "sale" else self.hub_url) + path
        tries = 0
        while True:
            at, tries = now_ms(), tries + 1
            if ask == "sale":
                self.posting.set()
            status, answer, error = await self._try(url, sent)
            self._journal.note(
                at=at,
                until=now_ms(),
                till=self.name,
                ask=ask,
                path=path,
                sent=sent,
                tries=tries,
                status=status,
                answer=answer,
                error=error,
                **about,
            )
            if status is not None and status < SERVER_TROUBLE:
                return answer or {}
            await asyncio.sleep(AGAIN_S)

    async def _try(self, url: str, sent: Json) -> tuple[int | None, Json | None, str]:
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        try:
            async with self._session.post(url, json=sent, headers=headers, timeout=timeout) as response:
                return response.status, json.loads(await response.read()), ""
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
            return None, None, repr(err)
