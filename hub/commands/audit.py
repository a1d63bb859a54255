"""`storehub audit [--repair] [--peer]`: recompute the books from the facts, say in plain words what differs (exit code 1).

It reads the file beside a running hub. A repair corrects what is derived, never a fact: through the hub's control socket, or with
the folder's lock where none runs. Not here: the checks (hub.store.upkeep.audit), repairs (hub.store.upkeep.mending), once a day
(hub.upkeep).
"""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing

from hub.audit_peer import Compared, compare
from hub.client import CloudClient, HubClient, now_ms
from hub.config import HUB_LOCK, Config
from hub.enrolment.credentials import context_of, token_of
from hub.migrations import MIGRATIONS
from hub.store.readers import open_to_read
from hub.store.upkeep.audit import Finding, audit
from hub.store.upkeep.mending import MENDED_MAX, mend, repairs_done
from sync.db import open_database
from sync.errors import StartError, one_error
from sync.folder import own_folder
from sync.model import Replica
from sync.store.replicas import own_replica

PROGRESS_EVERY = 5000  # rows


def run_audit(args: argparse.Namespace, config: Config) -> int:
    """Run the command."""
    found, seen = look(config, with_peer=args.peer)
    for finding in found:
        print(finding.said)
    if not found:
        print("audit: nothing differs")
        return 0
    can = [finding for finding in found if finding.can_repair]
    if not args.repair:
        print(f"audit: {len(found)} differences; --repair can correct {len(can)} of them")
        return 1
    with one_error():
        mended = asyncio.run(repair(config, can, seen=seen))
    print(f"audit: {len(found)} differences, {mended} corrected")
    left, _ = look(config)
    return 1 if left or len(can) < len(found) else 0


def look(config: Config, *, with_peer: bool = False) -> tuple[list[Finding], int]:
    """Return what differs, and how many repairs there had been."""
    with closing(open_to_read(config.database)) as read:
        own = own_replica(read)
        if own is None:
            raise StartError(f"{config.database}: this hub has never run; there is nothing to audit")
        seen, progress = repairs_done(read), _Progress()
        found = audit(read, own, progress.more)
        progress.done()
        if with_peer:
            with one_error():
                found += asyncio.run(compare_with_cloud(config, read, own)).findings
    return found, seen


async def compare_with_cloud(
    config: Config, read: sqlite3.Connection, own: Replica, part: int | None = None
) -> Compared:
    """Compare with the cloud that this store dials; raise StartError where it dials none."""
    if config.cloud is None or config.cloud.url is None or not token_of(config.cloud):
        raise StartError("this hub dials no cloud: nothing to compare with; leave out --peer")
    async with CloudClient(config.cloud.url, token_of(config.cloud), context=context_of(config.cloud)) as cloud:
        return await compare(read, own, sums=cloud.audit_sums, names=cloud.audit_names, part=part)


async def repair(config: Config, findings: Sequence[Finding], *, seen: int) -> int:
    """Correct findings, a job at a time; return how many were."""
    batches = [findings[at : at + MENDED_MAX] for at in range(0, len(findings), MENDED_MAX)]
    mended = 0
    if config.is_running():
        async with HubClient("http://hub", unix_socket=config.control_socket) as hub:
            for done, batch in enumerate(batches):
                mended += await hub.repair(batch, seen=seen + done)
        return mended
    with own_folder(config.data_dir, HUB_LOCK):
        async with open_database(config.database, migrations=MIGRATIONS, synchronous=config.synchronous) as db:
            own = own_replica(db.read)
            assert own is not None, "it was audited just now"
            for done, batch in enumerate(batches):
                mended += await db.write(
                    lambda tx, part=batch, n=seen + done: mend(tx, own, part, seen=n, now_ms=now_ms())  # type: ignore[misc]
                )
    return mended


class _Progress:
    """A line on a terminal that replaces itself."""

    def __init__(self) -> None:
        self._rows = self._told = 0

    def more(self, what: str, rows: int) -> None:
        """So many rows more were read."""
        self._rows += rows
        if self._rows - self._told >= PROGRESS_EVERY and sys.stderr.isatty():
            self._told = self._rows
            print(f"\r\033[K{what}: {self._rows} rows read", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Clear the line."""
        if self._told:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
