"""The rolling digest of a stream: d_n = blake2b-8(d_{n-1} ‖ row bytes). Pure."""

from hashlib import blake2b

DIGEST_BYTES = 8
EMPTY = bytes(DIGEST_BYTES)


def roll(previous: bytes, row: bytes) -> bytes:
    """Return the digest after `row`; `previous` is EMPTY before the first row."""
    return blake2b(previous + row, digest_size=DIGEST_BYTES).digest()
