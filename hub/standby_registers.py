"""Members between the two hubs of a store: the one that follows asks every few seconds, both keep what they had not.

    a round     both say how far they hold the rows of each life of this store, and tell what the other side lacks
    it ends     when neither has anything more to tell
    the cloud   how far it holds what each has written is told with it: what a dead hub had not told it the other one tells

So a hub knows the members that were enrolled at the other one when that dies, without a line to the cloud. Not here: the route
(hub.api.replica.standby_registers), SQL (hub.store.upkeep.beside_registers), the logs of the same line (hub.standby.books).
"""

from collections.abc import Mapping, Sequence
from sqlite3 import Connection

from hub.erasures import list_erased
from hub.runtime import Runtime
from hub.store.replica.clock import save_clock
from hub.store.upkeep.beside_registers import STREAMS, RegisterStream, Told, adopted, cloud_of, note_cloud, take_told
from sync.batch import START, batch_of
from sync.model import Feed
from sync.retail.people.members import MEMBER


async def take_registers(hub: Runtime, rep: str, cloud: Mapping[RegisterStream, int], rows: Sequence[Told]) -> None:
    """Merge rows of the store's other lives, and forget whom they have erased; `cloud`: how far it holds what `rep` wrote."""
    rows = [row for row in rows if row.rep != hub.replica.rep]
    is_known = rep == hub.replica.rep or rep in adopted(hub.db.read)
    is_news = not is_known and any(cloud_of(hub.db.read, rep).get(each) != cloud.get(each, 0) for each in STREAMS)
    if not rows and not is_news:
        return
    own, now_ms = hub.replica, hub.now_ms()
    saved = None
    for row in rows:
        if row.stream == MEMBER.stream:
            batch = batch_of(row.rep, row.stream, Feed.STATE, START, [(row.seq, row.body)])
            saved = hub.clock.take(batch) or saved

    def job(tx: Connection) -> None:
        if saved is not None:
            save_clock(tx, saved)
        take_told(tx, own, rows, now_ms=now_ms)
        if is_news:
            note_cloud(tx, rep, cloud)

    await hub.db.write(job)
    await list_erased(hub.db, hub.erasures)
