"""The code of a receipt's page: the receipt's bar code and 80 bits that only this shop's key gives. No row is written for it.

Whoever has the code sees the receipt and nothing else; nobody finds one by counting. The key stays for ever: a link
is good as long as its sale is here, after a restore as well. Links that the store's other hub has given out are read by its key,
which that one tells. Functions of a write job or of a read.
"""

import hmac
from collections.abc import Iterable
from hashlib import blake2b
from sqlite3 import Connection

from hub.store.selling.sales import SaleView, find_sale

KEY_BYTES = 32
MAC_BYTES = 10
RECEIPT_DIGITS = 13
KEYS_BESIDE_MAX = 16  # machines that were ever the other hub; links of later ones are read there only
CODE_CHARS = RECEIPT_DIGITS + 2 * MAC_BYTES


def receipt_key(tx: Connection, *, fresh: bytes) -> bytes:
    """Return the shop's key, `fresh` where it has none yet."""
    tx.execute("INSERT INTO receipt_key (id, key) VALUES (1, ?) ON CONFLICT (id) DO NOTHING", (fresh,))
    found: bytes = tx.execute("SELECT key FROM receipt_key WHERE id = 1").fetchone()[0]
    return found


def add_keys_beside(tx: Connection, keys: Iterable[bytes], *, own: bytes) -> int:
    """Keep keys of the store's other hub, KEYS_BESIDE_MAX at most; return how many were new."""
    known = keys_beside(tx)
    fresh = [(key,) for key in dict.fromkeys(keys) if key not in (own, *known)][: KEYS_BESIDE_MAX - len(known)]
    tx.executemany("INSERT INTO receipt_key_beside (key) VALUES (?)", fresh)
    return len(fresh)


def keys_beside(read: Connection) -> list[bytes]:
    """Return the keys by which links of the store's other hub are read."""
    return [key for (key,) in read.execute("SELECT key FROM receipt_key_beside ORDER BY key").fetchall()]


def link_code(receipt_code: str, key: bytes) -> str:
    """Return the code of a receipt's page."""
    assert len(key) == KEY_BYTES and len(receipt_code) == RECEIPT_DIGITS
    return receipt_code + blake2b(receipt_code.encode(), digest_size=MAC_BYTES, key=key).hexdigest()


def sale_of_code(read: Connection, code: str, key: bytes) -> SaleView | None:
    """Return the sale of a code; None for one that no hub of this shop has given; `key` is this hub's."""
    receipt_code = code[:RECEIPT_DIGITS]
    if len(code) != CODE_CHARS or not code.isascii():
        return None
    keys = (key, *keys_beside(read))
    if not any(hmac.compare_digest(code, link_code(receipt_code, each)) for each in keys):
        return None
    return find_sale(read, receipt_code)
