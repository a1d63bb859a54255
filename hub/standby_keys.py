"""The keys by which PINs are hashed, between the two hubs of a store: the one that follows tells its own and gets the other's.

    due      when the line has come up, when a key was made here, when a cashier names a key that is not held here
    then     one POST with all keys of this side, answered with all of the other's; both keep what they had not

Keys are in no stream: the cloud never sees them. Not here: the route (hub.api.standby_keys), their table (hub.store.pin_keys).
"""

import asyncio
import logging

from hub.client import HubClient
from hub.runtime import Runtime
from hub.settings.lines import Follows
from hub.store.pin_keys import add_keys, all_keys, missing_keys
from sync.errors import SyncError

LOOK_EVERY_S = 2.0  # whether it is due: two small reads
AGAIN_S = 60.0  # after an exchange that failed, or brought nothing that was missing

log = logging.getLogger(__name__)


async def run_keys(hub: Runtime, follows: Follows) -> None:
    """Share keys with the hub that is followed, until cancelled."""
    shared: list[tuple[str, int]] | None = None
    while True:
        pause_s = LOOK_EVERY_S
        if _is_up(hub) and (all_keys(hub.db.read) != shared or missing_keys(hub.db.read)):
            try:
                await share(hub, follows)
            except SyncError as err:
                log.warning("the other hub's PIN keys did not come", extra={"reason": err.code})
                pause_s = AGAIN_S
            else:
                shared = all_keys(hub.db.read)
                pause_s = AGAIN_S if missing_keys(hub.db.read) else LOOK_EVERY_S
        await asyncio.sleep(pause_s)


async def share(hub: Runtime, follows: Follows) -> None:
    """Tell the followed hub our keys and keep its own; raise SyncError when it does not answer."""
    async with HubClient(follows.url, follows.token) as client:
        theirs = await client.share_pin_keys(all_keys(hub.db.read))
    await hub.db.write(lambda tx: add_keys(tx, theirs))


def _is_up(hub: Runtime) -> bool:
    view = hub.replication.standby.view()
    return view is not None and view.up
