"""The registers of the catalogue in one write job: read at once, changed in memory, written at once.

A statement for each row would keep the writer, and all sales that wait for it, for as many round trips to a server as a store
has products. What is read back within the job is what it has written. Not here: whose version stands (sync.cloud.catalogue).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from sqlite3 import Connection

from msgspec import Struct

from sync.cloud.scopes.scope_catalogue import PRICE, PRODUCT, CatalogueScopes
from sync.cloud.scopes.scopes import Numbers
from sync.model import Replica, Stream
from sync.retail.catalogue.registers import CatalogueRow, ProductRow

Key = tuple[str, str]


class Standing(Struct, frozen=True):
    """A register as it stands; `origin` is the replica that it was adopted from, None for the cloud's own version."""

    n: int
    origin: int | None
    body: bytes
    seq: int
    digest: bytes


class Registers:
    """Those of some SKUs, all that a job asks for; gives seqs of the catalogue's stream and rolls its digest.

    `gtins` are all that are asked for beside those that the SKUs have. `close` writes.
    """

    def __init__(
        self, tx: Connection, replica: Replica, *, skus: Collection[str], gtins: Collection[str], now_ms: int
    ) -> None:
        self._tx, self._now_ms = tx, now_ms
        self._numbers = Numbers(tx, replica, Stream.CATALOGUE)
        self._standing = _registers(tx, skus)
        self._written: dict[Key, None] = {}
        self._owners = _owners(tx, skus, gtins)
        self._owners_before = dict(self._owners)
        self._gtins: dict[str, tuple[str, ...]] = _by_sku(self._owners)
        self._scopes = CatalogueScopes(tx, self._numbers, skus=skus, body_of=self._body_of)

    def standing(self, kind: str, sku: str) -> Standing | None:
        """Return what stands, None where there is none."""
        return self._standing.get((kind, sku))

    def put(self, row: CatalogueRow, body: bytes, origin: int | None) -> None:
        """Write a version; it moves to the end of the stream."""
        key = (kind_of(row), row.sku)
        seq = self.next_seq(body)
        digest = self._numbers.digest
        self._standing[key] = Standing(row.n, origin, body, seq, digest)
        self._written[key] = None
        if isinstance(row, ProductRow):
            self._own(row.sku, () if row.gone else tuple(dict.fromkeys(row.gtins)))
        self._scopes.put(row, seq, digest)

    def next_seq(self, body: bytes) -> int:
        """Give the next seq to a row."""
        return self._numbers.next(body)

    def told_by(self, origin: int, rows: Sequence[CatalogueRow]) -> None:
        """Take note that a store has rows of its own: they leave there if they are not in the store's scope."""
        store = self._tx.execute("SELECT store FROM replica WHERE id = ?", (origin,)).fetchone()[0]
        self._scopes.told_by(store, rows)

    def taken(self, sku: str, gtins: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return [gtin, sku, owner] of the GTINs that another SKU has."""
        owners = ((gtin, self._owners.get(gtin, sku)) for gtin in gtins)
        return [(gtin, sku, owner) for gtin, owner in owners if owner != sku]

    def close(self) -> None:
        """Write the registers, who has which GTIN, the scopes and the stream's new end."""
        standing = ((key, self._standing[key]) for key in self._written)
        self._tx.executemany(
            """
            INSERT INTO register (kind, sku, n, seq, digest, origin, changed_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (kind, sku) DO UPDATE SET
              n = excluded.n, seq = excluded.seq, digest = excluded.digest, origin = excluded.origin,
              changed_ms = excluded.changed_ms, body = excluded.body
            """,
            [(*key, row.n, row.seq, row.digest, row.origin, self._now_ms, row.body) for key, row in standing],
        )
        self._write_owners()
        self._scopes.close()
        self._numbers.close()

    def _own(self, sku: str, gtins: tuple[str, ...]) -> None:
        for gtin in self._gtins.get(sku, ()):
            del self._owners[gtin]
        self._gtins[sku] = gtins
        self._owners |= dict.fromkeys(gtins, sku)

    def _write_owners(self) -> None:
        before, now = self._owners_before, self._owners
        if lost := [gtin for gtin, sku in before.items() if now.get(gtin) != sku]:
            self._tx.execute("DELETE FROM gtin WHERE gtin IN (SELECT value FROM json_each(?))", (json.dumps(lost),))
        gained = [(gtin, sku) for gtin, sku in now.items() if before.get(gtin) != sku]
        self._tx.executemany("INSERT INTO gtin (gtin, sku) VALUES (?, ?)", gained)

    def _body_of(self, kind: str, sku: str) -> bytes | None:
        found = self._standing.get((kind, sku))
        return found.body if found else None


def kind_of(row: CatalogueRow) -> str:
    """Return which register of its SKU a row is."""
    return PRODUCT if isinstance(row, ProductRow) else PRICE


def _registers(tx: Connection, skus: Collection[str]) -> dict[Key, Standing]:
    rows = tx.execute(
        """
        SELECT kind, sku, n, origin, body, seq, digest FROM json_each(?) AS asked CROSS JOIN register
        WHERE kind IN ('product', 'price') AND sku = asked.value
        """,
        (json.dumps(list(skus)),),
    )
    return {(kind, sku): Standing(*rest) for kind, sku, *rest in rows}


def _owners(tx: Connection, skus: Collection[str], gtins: Collection[str]) -> dict[str, str]:
    theirs = tx.execute(
        "SELECT gtin.gtin, gtin.sku FROM json_each(?) AS asked CROSS JOIN gtin WHERE gtin.sku = asked.value",
        (json.dumps(list(skus)),),
    ).fetchall()
    asked = tx.execute(
        "SELECT gtin.gtin, gtin.sku FROM json_each(?) AS asked CROSS JOIN gtin WHERE gtin.gtin = asked.value",
        (json.dumps(list(gtins)),),
    ).fetchall()
    return dict(theirs + asked)


def _by_sku(owners: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for gtin, sku in owners.items():
        found[sku] = (*found.get(sku, ()), gtin)
    return found


def asked_of(rows: Iterable[tuple[str, Sequence[str]]]) -> tuple[set[str], set[str]]:
    """Return SKUs and GTINs of (sku, its gtins)."""
    pairs = list(rows)
    return {sku for sku, _ in pairs}, {gtin for _, gtins in pairs for gtin in gtins}
