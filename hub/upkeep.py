"""Once a day, behind the selling: old rows are forgotten, then the books are audited. What was found: the log, the metrics.

    retention   marks how far the cloud holds every stream; then steps of at most 500 rows, a pause after each
    audit       all checks, in a thread with a connection of its own; then the part that is due is compared with the cloud

Orders that nobody fetched expire with the same look (hub.orders).
A day is 24 hours after the last time, by the earlier of this clock and the cloud's: one that runs ahead forgets nothing early.
Rows age by what has been counted so: where both clocks jump ahead, by AGES_MS_MAX from one day's upkeep to the next; while this
one stands behind what was counted, nothing is marked or forgotten: by a mark of 1970 the cloud has held today's rows for years.
Not here: what is forgotten (hub.store.upkeep.retention), the checks (hub.store.upkeep.audit, hub.audit_peer).
"""

import asyncio
import logging
from contextlib import closing
from sqlite3 import Connection

from hub.audit_peer import Compared, compare
from hub.client import CloudClient
from hub.enrolment.credentials import context_of, token_of
from hub.holders import PEER
from hub.runtime import Runtime
from hub.store.readers import open_to_read
from hub.store.upkeep.audit import Finding, audit
from hub.store.upkeep.mending import note_counted, note_done
from hub.store.upkeep.retention import note_marks, prune
from hub.store.upkeep.upkeep import Done, last_done
from sync.errors import SyncError
from sync.store.audit import note_audited
from sync.store.replicas import own_replica
from sync.store.retention import DAY_MS

FIRST_AFTER_S = 300.0  # after a start: a shop that opens has other work, and a new one downloads its catalogue
LOOK_EVERY_S = 600.0  # whether a day has passed
PAUSE_S = 0.1  # between two steps: a thousand rows a second are enough, and a sale waits for one step at most
AGES_MS_MAX = (
    2 * DAY_MS
)  # from one upkeep to the next; a hub that was off for a month has forgotten what is due a month later
NAMED_MAX = 5  # findings in the log; `storehub audit` names them all

log = logging.getLogger(__name__)


async def run_upkeep(hub: Runtime) -> None:
    """Do what is due until cancelled."""
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        try:
            await hub.orders.expire()
            await do_due(hub)
        except SyncError as err:  # a full disk, a writer with too much to do: tomorrow is another day
            log.warning("the day's upkeep was put off", extra={"error": str(err)})
        await asyncio.sleep(LOOK_EVERY_S)


async def do_due(hub: Runtime) -> None:
    """Do what has not been done for a day."""
    done = last_done(hub.db.read)
    if _is_due(hub, done.get("retention")):
        await forget(hub)
    if _is_due(hub, done.get("audit")):
        await look(hub)


async def forget(hub: Runtime) -> int:
    """Forget what is old; return how many rows."""
    own, done_ms, now_ms = hub.replica, _now_ms(hub), _counted_ms(hub)
    peer = PEER if hub.config.cloud is not None else None
    is_behind = _is_behind(hub, now_ms)
    if not is_behind:
        await hub.db.write(lambda tx: note_marks(tx, own, peer=peer, now_ms=now_ms))
    total = 0
    stopped: tuple[str, ...] = ()
    while not is_behind:
        step = await hub.db.write(lambda tx: prune(tx, own, peer=peer, now_ms=now_ms))
        total, stopped = total + step.rows, step.stopped
        if not step.rows or hub.replica != own:
            break
        await asyncio.sleep(PAUSE_S)
    for why in stopped:
        log.error("a log cannot be pruned; run `storehub audit`", extra={"why": why})

    def job(tx: Connection) -> None:
        note_done(tx, "retention", found=total, said="", now_ms=done_ms)
        note_counted(tx, now_ms=now_ms)

    await hub.db.write(job)
    if total:
        log.info("old rows were forgotten", extra={"rows": total})
    return total


async def look(hub: Runtime) -> list[Finding]:
    """Audit the books, compare the part that is due with the cloud; return what differs."""
    now_ms, done = _now_ms(hub), last_done(hub.db.read).get("audit")
    found = await asyncio.to_thread(_audit_file, hub)
    compared = await _compared(hub, part=done.n if done else 0)
    if compared is not None:
        found += compared.findings
    said = "; ".join(finding.said for finding in found[:NAMED_MAX])
    own = hub.replica

    def job(tx: Connection) -> None:
        if compared is not None:
            note_audited(tx, own.local_id, compared.upto)
        note_done(tx, "audit", found=len(found), said=said, now_ms=now_ms)

    await hub.db.write(job)
    if found:
        log.error("the books differ; run `storehub audit`", extra={"differences": len(found), "first": said})
    else:
        log.info("the books are right", extra={"compared_rows": compared.rows if compared else 0})
    return found


def _audit_file(hub: Runtime) -> list[Finding]:
    with closing(open_to_read(hub.config.database)) as read:
        own = own_replica(read)
        assert own is not None, "the hub runs"
        return audit(read, own)


async def _compared(hub: Runtime, *, part: int) -> Compared | None:
    """Compare with the cloud; None where it does not answer, or is not dialled: then another day."""
    cloud = hub.config.cloud
    if cloud is None or cloud.url is None or not token_of(cloud):
        return None
    try:
        async with CloudClient(cloud.url, token_of(cloud), context=context_of(cloud)) as client:
            read, own = hub.db.read, hub.replica
            return await compare(read, own, sums=client.audit_sums, names=client.audit_names, part=part)
    except SyncError as err:
        log.info("the cloud was not compared with", extra={"error": str(err)})
        return None


def _is_due(hub: Runtime, done: Done | None) -> bool:
    now_ms = _now_ms(hub)
    return done is None or not done.done_ms <= now_ms < done.done_ms + DAY_MS


def _counted_ms(hub: Runtime) -> int:
    """Return the time by which rows age: little of it where a clock has jumped ahead."""
    counted = last_done(hub.db.read).get("counted")
    return _now_ms(hub) if counted is None else min(_now_ms(hub), counted.done_ms + AGES_MS_MAX)


def _is_behind(hub: Runtime, now_ms: int) -> bool:
    counted = last_done(hub.db.read).get("counted")
    return counted is not None and now_ms < counted.done_ms


def _now_ms(hub: Runtime) -> int:
    offset_ms = hub.replication.link.clock_offset_ms
    return hub.now_ms() + min(0, offset_ms or 0)
