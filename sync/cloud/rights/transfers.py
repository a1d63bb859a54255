"""What goes from branch to branch: the cloud hands a transfer to its receiver, what has come of it to its sender, and goods that
were taken back elsewhere to the store that sold them. A write job's part.

Each goes into the other store's own scope (`transfers@hk02`), once: a row that is told again, by a restored hub or to a restored
cloud, is known there. A store speaks for itself only: a row that names another one as its writer is kept and handed to nobody.
"""

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from sync.batch import Row
from sync.cloud.arrivals.rows import key_of
from sync.cloud.scopes.scopes import put_row, scope_of, standing
from sync.json_errors import NOT_JSON
from sync.kinds import Entity
from sync.model import Replica, Stream
from sync.retail.selling.claims import RETURNED_ELSEWHERE, ReturnedElsewhere
from sync.retail.stock.movements import MovementFact
from sync.retail.stock.transfers import ARRIVAL, TRANSFER, ArrivalFact, TransferFact, travelling

_decode = msgspec.json.Decoder(TransferFact | ArrivalFact | ReturnedElsewhere).decode
_movement = msgspec.json.Decoder(MovementFact).decode


def hand_on(tx: Connection, own: Replica, store: str, rows: Sequence[Row]) -> bool:
    """Put a store's new rows into the scopes of the other stores that they name; say whether any has grown."""
    is_grown = False
    for _, body in rows:
        try:
            fact = _decode(body)
        except NOT_JSON:
            continue
        entity, key, writer, other = _addressed(fact)
        scope = scope_of(tx, other, entity.stream)
        if writer != store or other == store or (scope is not None and standing(tx, scope, entity.name, key)):
            continue
        put_row(tx, own, other, entity, fact)
        is_grown = True
    return is_grown


def hand_on_of_sealed(tx: Connection, own: Replica, replica: int, store: str) -> None:
    """Tell both stores of the transfers in a sealed life's movements of which the row that travels has not come.

    It goes in a stream of its own, and a card that was put back in between has neither: nobody else would ever say it.
    """
    bodies = tx.execute(
        """
        SELECT body FROM fact
        WHERE replica = ? AND stream = (SELECT id FROM feed WHERE stream = ?)
          AND CAST(body AS TEXT) LIKE '%"reason":"transfer_%'
        """,
        (replica, Stream.STOCK),
    ).fetchall()
    for (body,) in bodies:
        try:
            booked = _movement(body)
        except NOT_JSON:
            continue
        fact = travelling(store, booked.movement, booked.committed_at)
        if fact is None:
            continue
        entity, key, writer, other = _addressed(fact)
        for each in (writer, other):
            scope = scope_of(tx, each, entity.stream)
            is_told = scope is not None and standing(tx, scope, entity.name, key)
            if not is_told and not _has_come(tx, key_of(entity.name, key)):
                put_row(tx, own, each, entity, fact)


def _has_come(read: Connection, key: str) -> bool:
    row = read.execute(
        "SELECT 1 FROM fact_key WHERE stream = (SELECT id FROM feed WHERE stream = ?) AND key = ?",
        (Stream.TRANSFERS, key),
    ).fetchone()
    return row is not None


def _addressed(fact: TransferFact | ArrivalFact | ReturnedElsewhere) -> tuple[Entity, str, str, str]:
    """Return the entity, the key, who wrote it, whom it is for."""
    match fact:
        case TransferFact():
            return TRANSFER, fact.transfer_id, fact.sender, fact.receiver
        case ArrivalFact():
            return ARRIVAL, fact.arrival_id, fact.receiver, fact.sender
    return RETURNED_ELSEWHERE, fact.elsewhere_id, fact.taker, fact.seller
