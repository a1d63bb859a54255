"""Members between the two hubs of a store: whoever follows asks every few seconds, by the connection of hub.following.beside.

Not here: what is told and taken (hub.standby_registers), the route (hub.api.replica.standby_registers).
"""

import asyncio
import logging

from hub.api.replica.standby_registers import read_rows, told_by
from hub.client import HubClient
from hub.following.beside import BesideClient, Rounds
from hub.following.tls import FollowedAuthority
from hub.runtime import Runtime
from hub.settings.lines import Follows
from hub.standby_registers import take_registers
from sync.errors import ProtocolError, SyncError

LOOK_EVERY_S = 2.0  # a member is at the other hub before the customer is
AGAIN_S = 60.0  # after an exchange that failed

log = logging.getLogger(__name__)


async def run_members(hub: Runtime, follows: Follows, authority: FollowedAuthority) -> None:
    """Share pairings and members with the hub that is followed, until cancelled."""
    said = ""  # the reason that the log was told
    rounds = Rounds()
    while True:
        pause_s, view = LOOK_EVERY_S, hub.replication.standby.view()
        if view is not None and view.up:
            try:
                async with BesideClient(follows.url, follows.token, context=await authority.context()) as client:
                    await rounds.share(hub, client)
                    await share_members(hub, client)
                said = ""
            except SyncError as err:
                if err.code != said:
                    log.warning("pairings and members are not shared with the other hub", extra={"reason": err.code})
                said, pause_s = err.code, AGAIN_S
        await asyncio.sleep(pause_s)


async def share_members(hub: Runtime, client: HubClient) -> None:
    """Tell and be told until neither has more; raise SyncError when the other hub does not answer, or nothing moves on."""
    theirs, before = await client.share_registers(told_by(hub, None)), None
    while True:
        await take_registers(hub, theirs.rep, theirs.cloud, read_rows(theirs))
        ours = told_by(hub, theirs)
        if not ours.rows and not theirs.rows:
            return
        if (ours, theirs) == before:
            raise ProtocolError(f"{theirs.rep}: the same rows are told again and again")
        before = (ours, theirs)
        theirs = await client.share_registers(ours)
