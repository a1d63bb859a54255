"""Taking back for training: done and undone in one job, so that it is held against all that a return is, and is in no book.

Its dot has seq 0, which is nobody's. Not here: sales for training (hub.store.selling.training), what an exchange makes of both
(hub.store.selling.exchanges).
"""

from collections.abc import Callable
from sqlite3 import Connection

from hub.store.selling.returns import Taken, answer_of
from sync.model import Dot, Replica, Stream


def rehearsed_return(job: Callable[[Connection], Taken], replica: Replica) -> Callable[[Connection], Taken]:
    """Return the job that takes goods back and undoes it; it answers what the till is told and raises what the return would."""

    def rehearse(tx: Connection) -> Taken:
        tx.execute("SAVEPOINT rehearsal")
        taken = job(tx)
        tx.execute("ROLLBACK TO rehearsal")
        tx.execute("RELEASE rehearsal")
        answer = answer_of(taken.fact, Dot(replica.rep, Stream.RETURNS, 0), {}, is_training=True)
        return Taken("trained", taken.fact, answer)

    return rehearse
