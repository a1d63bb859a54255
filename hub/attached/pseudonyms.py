"""Names for visitors that are good for one trading day: a keyed hash whose key is in memory only, and replaced at the day's end.

So the same wristband is one visitor all day long, and nobody can say later whose it was, or that it came again, whoever has the
database, the cloud's copy and the beacons. A hub that starts takes a new key: who is in the shop then is another visitor from
there on. Source: the design, section 5.
"""

from collections.abc import Callable
from hashlib import blake2b

KEY_CHARS = 32  # of new_secret: bytes of randomness
NAME_BYTES = 8


class Pseudonyms:
    """The key of the day."""

    def __init__(self, new_secret: Callable[[int], str]) -> None:
        self._new_secret = new_secret
        self._day = ""
        self._key = b""

    def of(self, identity: str, *, day: str) -> str:
        """Return the name of somebody on a trading day; of another day than the last one, all names are new."""
        if day != self._day:
            self._day, self._key = day, self._new_secret(KEY_CHARS).encode()
        return blake2b(identity.encode(), key=self._key, digest_size=NAME_BYTES).hexdigest()
