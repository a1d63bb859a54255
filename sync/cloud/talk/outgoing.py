"""Calls to services of others, the only file that makes them for the senders. Not here: what is said (sync.cloud.senders).

An answer that does not come in time, or is cut off, may have been taken; one that nobody was there for was not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from sync.cloud.campaigns.work import CampaignWork
from sync.cloud.senders.calls import Call, Reply, Speak

TIMEOUT_S = 20.0  # a gateway that takes longer is asked again by the key, or the message is unknown
REPLY_MAX = 64 * 1024


@asynccontextmanager
async def speaking() -> AsyncIterator[Speak]:
    """Yield the function that makes a call; no redirect is followed, which would carry a token elsewhere."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:

        async def speak(call: Call) -> Reply:
            try:
                async with session.request(
                    call.method, call.url, headers=dict(call.headers), data=call.body or None, allow_redirects=False
                ) as response:
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return Reply(response.status, headers, await response.content.read(REPLY_MAX))
            except aiohttp.ClientConnectorError:
                return Reply(0, was_sent=False)
            except (aiohttp.ClientError, TimeoutError):
                return Reply(0)

        yield speak


async def send(work: CampaignWork) -> None:
    """Give coupons and send messages until cancelled."""
    async with speaking() as speak:
        await work.run(speak)
