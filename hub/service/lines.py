"""The lines that a hub keeps up: to the cloud, the other hub, the second medium. Not here: who starts them (hub.app)."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from ssl import SSLContext

from hub.enrolment.credentials import context_of, token_to_dial
from hub.following.keys import run_keys
from hub.following.members import run_members
from hub.following.tls import FollowedAuthority
from hub.runtime import Runtime
from hub.settings.lines import CloudLine
from sync.line.dialler import Dialler


async def run_line(hub: Runtime, *, rng: random.Random) -> None:
    """Replicate as the configuration says, until cancelled: fold, tell, dial the cloud and the store's other hub."""
    cloud, follows, replication = hub.config.cloud, hub.config.follows, hub.replication
    grown = [replication.standby.grown, hub.coupons.grown, hub.point_holds.grown]
    hub.db.on_group = _both(hub.metrics.count_group, grown)
    async with asyncio.TaskGroup() as group:
        group.create_task(replication.run(), name="replication")
        if hub.config.backup.feed_to:
            from hub.medium.copying import FeedCopy  # here: a hub without one saves 3 MiB

            copy = FeedCopy(hub.config, hub.db, replication.books, now_ms=hub.now_ms, on_change=replication.told)
            replication.medium = lambda: copy.view
            grown.append(copy.grown)
            group.create_task(copy.run(), name="feed copy")
        group.create_task(hub.hubs.run(), name="hubs")
        if follows is not None:
            reconnect_max_s = follows.reconnect_max_s
            authority = FollowedAuthority(follows, is_sure=lambda: hub.clock.is_sure)
            following = replication.standby.run(
                follows.url, follows.token, rng=rng, reconnect_max_s=reconnect_max_s, context=authority.context
            )
            group.create_task(following, name="standby")
            group.create_task(run_keys(hub, follows, authority), name="keys")
            group.create_task(run_members(hub, follows, authority), name="members beside")
        if cloud is not None and cloud.url is not None and cloud.mode == "realtime":
            dialler = Dialler(
                cloud.url,
                partial(token_to_dial, cloud),
                replication.books,
                now_ms=hub.clock.corrected_ms,
                rng=rng,
                on_state=replication.on_link,
                reconnect_max_s=cloud.reconnect_max_s,
                schedule=cloud.schedule,
                transport=cloud.transport,
                is_wanted=lambda: replication.has_waiting(cloud.wake_for),
                context=partial(_context, cloud),
                status=replication.status,
            )
            grown.append(dialler.grown)
            group.create_task(dialler.run(), name="dialler")


async def _context(cloud: CloudLine) -> SSLContext | None:
    return context_of(cloud)


def _both(count: Callable[[int, bool], None], grown: list[Callable[[], None]]) -> Callable[[int, bool], None]:
    def on_group(jobs: int, ok: bool) -> None:
        count(jobs, ok)
        for each in grown:
            each()

    return on_group
