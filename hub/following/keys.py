"""Secrets that both hubs of a store need: the keys by which PINs are hashed, and the store's CA with its key.

    due      when the line has come up, when a key was made here, when a cashier names a key that is not held here
    then     one POST with all keys of this side, answered with all of the other's; both keep what they had not
    the CA   asked for while this side has none: tablets that trust it trust both hubs. One that is here is never replaced

They are in no stream: the cloud never sees them. Not here: the routes (hub.api.replica.standby_keys), where the secrets lie
(hub.store.staff.pin_keys, hub.tls).
"""

import asyncio
import logging

from hub.client import HubClient
from hub.following.tls import FollowedAuthority
from hub.runtime import Runtime
from hub.settings.lines import Follows
from hub.store.staff.pin_keys import add_keys, all_keys, missing_keys
from sync.errors import SyncError

LOOK_EVERY_S = 2.0  # whether it is due: two small reads
AGAIN_S = 60.0  # after an exchange that failed, or brought nothing that was missing

log = logging.getLogger(__name__)


async def run_keys(hub: Runtime, follows: Follows, authority: FollowedAuthority) -> None:
    """Share keys with the hub that is followed, until cancelled."""
    shared: list[tuple[str, int]] | None = None
    said = ""  # the reason that the log was told
    if follows.ca_sha256 and hub.ca_fingerprint() not in ("", follows.ca_sha256):
        log.warning(
            "this hub has a CA of its own and not the store's; to get that one move tls/authority.pem away",
            extra={"own": hub.ca_fingerprint()},
        )
    while True:
        pause_s = LOOK_EVERY_S
        if _is_up(hub) and (all_keys(hub.db.read) != shared or missing_keys(hub.db.read) or _lacks_authority(hub)):
            try:
                await share(hub, follows, authority)
            except SyncError as err:
                if err.code != said:
                    log.warning("the other hub's keys did not come", extra={"reason": err.code})
                said, pause_s = err.code, AGAIN_S
            else:
                said, shared = "", all_keys(hub.db.read)
                pause_s = AGAIN_S if missing_keys(hub.db.read) or _lacks_authority(hub) else LOOK_EVERY_S
        await asyncio.sleep(pause_s)


async def share(hub: Runtime, follows: Follows, authority: FollowedAuthority) -> None:
    """Tell the followed hub our keys and keep its own; raise SyncError when it does not answer."""
    async with HubClient(follows.url, follows.token, context=await authority.context()) as client:
        theirs = await client.share_pin_keys(all_keys(hub.db.read))
        await hub.db.write(lambda tx: add_keys(tx, theirs))
        tls = hub.tls
        if tls is not None and tls.authority is None:
            pem = await client.store_authority()
            await tls.alone(lambda: tls.adopt(pem))


def _lacks_authority(hub: Runtime) -> bool:
    return hub.tls is not None and hub.tls.authority is None


def _is_up(hub: Runtime) -> bool:
    view = hub.replication.standby.view()
    return view is not None and view.up
