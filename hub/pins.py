"""PINs as hashes: scrypt (RFC 7914) over the PIN and a key of the store, off the event loop, a few at a time.

    key (pepper)   256 random bits, made on this machine, kept in its database beside the hashes and told to the store's other hub
                   alone; never sent to the cloud. A PIN has 13 to 20 bits: whoever gets the hashes from the cloud, where those
                   of all shops lie together, learns nothing without it
    scrypt         N=2^14, r=8, p=1: 16 MiB and about 0.1 s, for whoever takes card, key and hashes. It makes a guess
                   dear, not impossible: a million of them are a day's work. Then all PINs of the store have to be set anew
    salt           128 random bits, so that equal PINs do not look equal

Not here: which PINs are weak (sync.retail.staff.cashiers), wrong guesses (hub.store.staff.sign_ins), where keys stand
(hub.store.staff.pin_keys).
"""

import asyncio
import hmac
from collections.abc import Callable
from hashlib import blake2b, scrypt

from msgspec import Struct

from hub.errors import HubError
from sync.errors import BusyError
from sync.retail.staff.cashiers import PinHash

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
SCRYPT_MEMORY_MAX = 64 * 1024 * 1024  # what a hash from elsewhere may ask of this machine, with other parameters
HASH_BYTES = 32
SALT_BYTES = 16
KEY_BYTES = 32
AT_ONCE = 2  # each takes 16 MiB and a core; more would slow the selling
WAITING_MAX = 16  # a shop has a dozen tills; beyond it 503 with Retry-After


class PinKey(Struct, frozen=True):
    """A key and its name, which is a hash of it."""

    key_id: str
    secret: str


class PinKeyError(HubError):
    """The key by which this PIN was made is not held here; nothing was changed. Set the PIN anew, or join the other hub."""


def require_key(known: PinHash, keys: dict[str, PinKey]) -> PinKey:
    """Return the key by which a hash was made; raise PinKeyError when it is not held here."""
    key = keys.get(known.key)
    if key is None or known.scheme != "scrypt":
        raise PinKeyError("pin_key", "this hub does not hold the key by which the PIN was made")
    return key


def key_named(secret: str) -> PinKey:
    """Return a key with its name."""
    return PinKey(blake2b(secret.encode(), digest_size=8, person=b"pin-key").hexdigest(), secret)


class Pins:
    """Hashes and checks PINs in threads of their own."""

    def __init__(self, new_secret: Callable[[int], str]) -> None:
        self._new_secret = new_secret
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, pin: str, key: PinKey) -> PinHash:
        """Return a PIN's hash with a fresh salt."""
        salt = self._new_secret(SALT_BYTES)
        made = await self._in_thread(pin, key, salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)
        return PinHash(n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, salt=salt, hash=made, key=key.key_id)

    async def is_right(self, pin: str, known: PinHash, keys: dict[str, PinKey]) -> bool:
        """Return whether this is the PIN; raise PinKeyError without its key, BusyError where too many are checked."""
        key = require_key(known, keys)
        made = await self._in_thread(pin, key, known.salt, n=known.n, r=known.r, p=known.p)
        return hmac.compare_digest(made, known.hash)

    async def _in_thread(self, pin: str, key: PinKey, salt: str, *, n: int, r: int, p: int) -> str:
        if self._waiting >= WAITING_MAX:
            raise BusyError("pin_busy", f"{self._waiting} PINs wait to be checked")
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.to_thread(derive, pin, key.secret, salt, n=n, r=r, p=p)
        finally:
            self._waiting -= 1


def derive(pin: str, secret: str, salt: str, *, n: int, r: int, p: int) -> str:
    """Return scrypt(HMAC-SHA256(key, PIN), salt) in hex. Blocks; releases the interpreter while it works."""
    keyed = hmac.digest(secret.encode(), pin.encode(), "sha256")
    return scrypt(keyed, salt=salt.encode(), n=n, r=r, p=p, maxmem=SCRYPT_MEMORY_MAX, dklen=HASH_BYTES).hex()
