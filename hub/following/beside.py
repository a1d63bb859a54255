"""What the hub that follows tells the other one and is told every few seconds, beside the line: one request where nothing is new.

    a round    cards, preference, keys of receipt links; digests of both tables of pairings
    differ     both tell their tables, both merge; a table that stays different (names that clash) is told once and not each round

Not here: the routes (hub.api.replica.hubs), members (hub.following.members), PIN keys and the CA (hub.following.keys).
"""

import logging

from hub.api.replica.hubs import BesideTold, take_beside, tell_beside
from hub.client import HubClient, ProblemError
from hub.runtime import Runtime
from hub.store.replica.beside import FOLLOWED

NOT_FOUND = 404
log = logging.getLogger(__name__)


class BesideClient(HubClient):
    """The hub that follows, at the other one."""

    async def share_beside(self, told: BesideTold) -> BesideTold:
        """Tell and be told; raise UnreachableError, ProblemError."""
        return await self.ask_beside("/sync/v1/beside", BesideTold, told)


class Rounds:
    """Remembers which difference of the pairings is settled."""

    def __init__(self) -> None:
        self._settled = ("", "")
        self._has_said_old = False

    async def share(self, hub: Runtime, client: BesideClient) -> None:
        """Tell and be told once; raise SyncError when the other hub does not answer."""
        told = tell_beside(hub, with_pairings=False)
        try:
            theirs = await client.share_beside(told)
        except ProblemError as err:
            if err.problem.status != NOT_FOUND:
                raise
            self._say_old()
            return
        await take_beside(hub, FOLLOWED, theirs)
        digests = (told.pairings_digest, theirs.pairings_digest)
        if digests[0] == digests[1] or digests == self._settled:
            return
        told = tell_beside(hub, with_pairings=True)
        theirs = await client.share_beside(told)
        await take_beside(hub, FOLLOWED, theirs)
        self._settled = (told.pairings_digest, theirs.pairings_digest)  # not what changed here since it was told

    def _say_old(self) -> None:
        if not self._has_said_old:
            self._has_said_old = True
            log.warning("the other hub is of a version that tells no pairings; upgrade it, tills are not let in here")
