"""What an audit may correct: what is derived, never a fact. A job of few findings; the difference is added, not the figure set.

A sale between the audit and the repair moves the facts' sum and the cached figure alike: the difference stays what it was.
A repair for an audit that was made before another repair is refused: its differences are gone. Functions of a write job.
"""

from collections.abc import Sequence
from sqlite3 import Connection

from hub.errors import ConflictError
from hub.store.catalogue.product_rows import derive_again, forget_derived
from hub.store.upkeep.audit import Finding
from sync.entities import REGISTRY
from sync.kinds import Kind
from sync.model import Replica, Stream
from sync.retail.stock.levels import LEVEL
from sync.store.retention import add_opening
from sync.store.streams import reserve_state_seqs
from sync.store.writing import grow_tally

MENDED_MAX = 500  # findings of one job: a sale never waits for more
BEHIND_MAX = 30  # upkeeps: what was counted by a clock that ran ahead is given up after so many


def repairs_done(read: Connection) -> int:
    """Return how many repairs there have been: an audit belongs to the one before it."""
    row = read.execute("SELECT n FROM upkeep WHERE task = 'repair'").fetchone()
    return row[0] if row else 0


def mend(tx: Connection, own: Replica, findings: Sequence[Finding], *, seen: int, now_ms: int) -> int:
    """Correct findings of the audit that saw `seen` repairs; return how many. Raise ConflictError after another one."""
    if seen != repairs_done(tx):
        raise ConflictError("repaired_before", "something was repaired since this audit; run `storehub audit` again")
    mended = 0
    for finding in findings:
        if finding.can_repair and finding.check in _MENDERS:
            _MENDERS[finding.check](tx, own, finding)
            mended += 1
    note_done(tx, "repair", found=mended, said="", now_ms=now_ms)
    return mended


def note_done(tx: Connection, task: str, *, found: int, said: str, now_ms: int) -> None:
    """Note that a task of the upkeep was done."""
    tx.execute(
        """
        INSERT INTO upkeep (task, done_ms, n, found, said) VALUES (?, ?, 1, ?, ?)
        ON CONFLICT (task) DO UPDATE SET done_ms = excluded.done_ms, n = n + 1, found = excluded.found, said = excluded.said
        """,
        (task, now_ms, found, said),
    )


def note_counted(tx: Connection, *, now_ms: int) -> None:
    """Note how far time has been counted by which rows age; it goes back for a clock that stays behind for BEHIND_MAX upkeeps."""
    tx.execute(
        """
        INSERT INTO upkeep (task, done_ms, n, found, said) VALUES ('counted', ?, 1, 0, '')
        ON CONFLICT (task) DO UPDATE SET n = n + 1,
          done_ms = iif(found + 1 >= ?, excluded.done_ms, max(done_ms, excluded.done_ms)),
          found = iif(excluded.done_ms >= done_ms OR found + 1 >= ?, 0, found + 1)
        """,
        (now_ms, BEHIND_MAX, BEHIND_MAX),
    )


def _mend_stock(tx: Connection, _own: Replica, finding: Finding) -> None:
    sku, location = finding.key
    tx.execute(
        """
        INSERT INTO stock (sku, location, on_hand) VALUES (?, ?, ?)
        ON CONFLICT (sku, location) DO UPDATE SET on_hand = on_hand + excluded.on_hand
        """,
        (sku, location, finding.by[0]),
    )


def _mend_level(tx: Connection, own: Replica, finding: Finding) -> None:
    """A tally only grows: what was told too much is told on the other side as well, and stands in the opening balance."""
    sku, location = finding.key
    received, issued, picked = finding.by
    extra = max(0, -received, -issued)
    grow_tally(tx, own, LEVEL, {(sku, location): (received + extra, issued + extra, max(0, picked))})
    if extra:
        add_opening(tx, own.local_id, Stream.LEVELS, {(sku, location): [0, extra, extra, 0]})


def _mend_receipt(tx: Connection, _own: Replica, finding: Finding) -> None:
    tx.execute(
        """
        INSERT INTO receipt_series (till_id, series, last_n) VALUES (?, ?, ?)
        ON CONFLICT (till_id, series) DO UPDATE SET last_n = max(last_n, excluded.last_n)
        """,
        (*finding.key, finding.by[0]),
    )


def _mend_gtin(tx: Connection, _own: Replica, finding: Finding) -> None:
    sku, *stray = finding.key
    if not stray:
        derive_again(tx, [sku])
        return
    (gtin,) = stray
    tx.execute("DELETE FROM product_gtin WHERE gtin = ? AND sku = ?", (gtin, sku))
    named_by = tx.execute(
        "SELECT sku FROM product WHERE gone = 0 AND EXISTS (SELECT 1 FROM json_each(gtins) WHERE value = ?)", (gtin,)
    ).fetchall()
    derive_again(tx, [each for (each,) in named_by])


def _mend_text(tx: Connection, _own: Replica, finding: Finding) -> None:
    sku, *stray = finding.key
    if stray:
        tx.execute("DELETE FROM product_text WHERE rowid = ?", (int(stray[0]),))
        return
    forget_derived(tx, tx.execute("SELECT id, sku FROM product WHERE sku = ?", (sku,)).fetchall())
    derive_again(tx, [sku])


def _offer_again(tx: Connection, own: Replica, finding: Finding) -> None:
    """A row that differs at the cloud moves to the end of its stream and is sent once more; one that has moved is so anyway."""
    stream, _, seq = finding.key
    for entity in REGISTRY.of(stream):
        if entity.kind is not Kind.FACT:
            new = reserve_state_seqs(tx, own, stream, 1)
            tx.execute(
                f"UPDATE {entity.table} SET seq = ? WHERE replica = ? AND seq = ?", (new, own.local_id, int(seq))
            )


_MENDERS = {
    "stock": _mend_stock,
    "level": _mend_level,
    "receipt": _mend_receipt,
    "gtin": _mend_gtin,
    "text": _mend_text,
    "peer": _offer_again,
}
