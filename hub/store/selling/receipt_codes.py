"""The bar code on a receipt: which life of the store wrote the sale, and its number there. The same at both hubs of a store.

    29 | two digits of the life | eight of the sale's seq | check digit

The two digits are a hash of the life's name, so that every hub that has heard of the life reads the code. They are kept apart
where lives are begun: the hub that follows draws from the upper half, and nobody takes those of a life that it knows. Where two
sales fit, neither is found: the number on the paper finds it. Source: GS1 General Specifications, 1.4.5 (in-store prefixes).
"""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from sqlite3 import Connection

from devices.codecs.gtin import check_digit
from hub.store.replica.lives import new_dot

RECEIPT_PREFIX = "29"
LIVES = 100  # told apart by two digits
DRAWS_MAX = 10_000  # a hub that has had half a hundred lives takes any


@cache
def life_digits(incarnation: str) -> int:
    """Return the number of a life on its receipts, 0 to 99."""
    return int.from_bytes(blake2b(incarnation.encode("utf-8", "replace"), digest_size=8).digest(), "big") % LIVES


def fresh_incarnation(read: Connection, store: str, *, is_beside: bool, draw: Callable[[], str]) -> str:
    """Return a name for a new life whose receipts are told apart from those of the store's lives that are known here."""
    known = {life_digits(each) for (each,) in read.execute("SELECT incarnation FROM replica WHERE store = ?", (store,))}
    for _ in range(DRAWS_MAX):
        incarnation = draw()
        digits = life_digits(incarnation)
        if digits not in known and (digits >= LIVES // 2) is is_beside:
            return incarnation
    return draw()


def receipt_code(incarnation: str, seq: int) -> str:
    """Return the EAN-13 on a receipt."""
    body = f"{RECEIPT_PREFIX}{life_digits(incarnation):02}{seq % 10**8:08}"
    return f"{body}{check_digit(body)}"


def dots_of_code(read: Connection, text: str) -> list[tuple[int, int]]:
    """Return where the sale of a bar code may stand: (replica, seq); nowhere for what is no such code."""
    is_code = len(text) == 13 and text.isascii() and text.isdecimal() and text.startswith(RECEIPT_PREFIX)
    if not is_code or text[-1] != str(check_digit(text[:-1])):
        return []
    lives = read.execute(
        "SELECT id, incarnation FROM replica WHERE store = (SELECT store FROM replica WHERE own = 1)"
    ).fetchall()
    digits, seq = int(text[2:4]), int(text[4:12])
    return [new_dot(read, life, seq) for life, incarnation in lives if life_digits(incarnation) == digits]
