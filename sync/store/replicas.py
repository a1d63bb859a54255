"""Who writes here: our own replica, its former lives, the replicas of peers. Functions of a write job."""

from sqlite3 import Connection

from sync.digest import EMPTY
from sync.entities import FEED_OF_STREAM
from sync.errors import ConfigError, ProtocolError
from sync.model import Replica


def own_replica(tx: Connection) -> Replica | None:
    """Return the replica that this database writes as, or None before the first start."""
    row = tx.execute("SELECT id, store, incarnation FROM replica WHERE own = 1").fetchone()
    return Replica(*row) if row else None


def begin_incarnation(tx: Connection, store: str, *, incarnation: str, now_ms: int) -> Replica:
    """Start a new life: the former own replica becomes a former one, all streams of the new one are empty."""
    tx.execute("UPDATE replica SET own = 0 WHERE own = 1")
    local_id = tx.execute(
        "INSERT INTO replica (store, incarnation, began_ms, own) VALUES (?, ?, ?, 1) RETURNING id",
        (store, incarnation, now_ms),
    ).fetchone()[0]
    open_streams(tx, local_id)
    return Replica(local_id, store, incarnation)


def open_streams(tx: Connection, local_id: int) -> None:
    """Begin the streams that this program declares and this life does not have yet, as after an upgrade."""
    tx.executemany(
        "INSERT INTO stream (replica, name, feed, seq, digest) VALUES (?, ?, ?, 0, ?) ON CONFLICT DO NOTHING",
        [(local_id, stream, feed, EMPTY) for stream, feed in FEED_OF_STREAM.items()],
    )


def identify(tx: Connection, name: str, *, incarnation: str, now_ms: int) -> Replica:
    """Return our replica, begun with `incarnation` at the first start; raise ConfigError for another's database."""
    replica = own_replica(tx)
    if replica is None:
        return begin_incarnation(tx, name, incarnation=incarnation, now_ms=now_ms)
    if replica.store != name:
        raise ConfigError(
            f"this database belongs to {replica.store!r}, the configuration says {name!r}: "
            "correct the id, or choose another data folder"
        )
    open_streams(tx, replica.local_id)
    return replica


def touch(tx: Connection) -> None:
    """Write something that changes nothing: the proof that the disk takes a commit."""
    tx.execute("UPDATE replica SET own = own WHERE own = 1")


def known_id(read: Connection, rep: str) -> int | None:
    """Return the short name of a replica, None for one that was never seen here."""
    row = read.execute("SELECT id FROM replica WHERE incarnation = ?", (rep.rpartition(":")[2],)).fetchone()
    return row[0] if row else None


def replica_id(tx: Connection, rep: str, *, now_ms: int) -> int:
    """Return the short name of a peer's replica, given when it is first seen."""
    store, _, incarnation = rep.rpartition(":")
    known = "SELECT id, store FROM replica WHERE incarnation = ?"
    found: tuple[int, str] | None = tx.execute(known, (incarnation,)).fetchone()  # of a batch's writer nearly always
    if found is None:
        tx.execute(
            "INSERT INTO replica (store, incarnation, began_ms, own) VALUES (?, ?, ?, 0) "
            "ON CONFLICT (incarnation) DO NOTHING",
            (store, incarnation, now_ms),
        )
        found = tx.execute(known, (incarnation,)).fetchone()
    assert found is not None
    if found[1] != store:
        raise ProtocolError(f"{rep}: this incarnation belongs to {found[1]}")
    return found[0]
