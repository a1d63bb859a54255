"""Which replica this database writes as."""

from sqlite3 import Connection

from sync.errors import ConfigError
from sync.model import Replica
from sync.store import begin_incarnation, own_replica


def identify(tx: Connection, store_id: str, *, incarnation: str, now_ms: int) -> Replica:
    """Return our replica, begun with `incarnation` at the first start; raise ConfigError for another store's database."""
    replica = own_replica(tx)
    if replica is None:
        return begin_incarnation(tx, store_id, incarnation=incarnation, now_ms=now_ms)
    if replica.store != store_id:
        raise ConfigError(
            f"this database belongs to store {replica.store!r}, the configuration says {store_id!r}: "
            "correct [store] id, or choose another [data] dir"
        )
    return replica


def touch(tx: Connection) -> None:
    """Write something that changes nothing: the proof that the disk takes a commit."""
    tx.execute("UPDATE replica SET own = own WHERE own = 1")
