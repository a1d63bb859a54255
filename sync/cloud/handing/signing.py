"""Signatures of webhooks, in the manner of Standard Webhooks, and their secrets. Pure.

    webhook-id         the same at every attempt
    webhook-timestamp  seconds; of the attempt
    webhook-signature  `v1,` and base64 of HMAC-SHA-256 over id.timestamp.body; one for each secret that is good, apart by a space

A secret is `whsec_` and base64 of 24 to 64 bytes. Source: github.com/standard-webhooks/standard-webhooks, spec.
"""

import base64
import binascii
import hmac
from collections.abc import Iterable

from sync.errors import RuleError

PREFIX = "whsec_"
SECRET_BYTES = 32
BYTES_MIN, BYTES_MAX = 24, 64


def secret_of(key: bytes) -> str:
    """Return a secret as it is shown."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """Return the key of a secret; raise RuleError where it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as err:
        raise RuleError("webhook_secret", "/secret", "the secret is no base64 behind whsec_") from err
    if not BYTES_MIN <= len(key) <= BYTES_MAX:
        raise RuleError("webhook_secret", "/secret", f"{len(key)} bytes; {BYTES_MIN} to {BYTES_MAX} are wanted")
    return key


def signed(secrets: Iterable[str], message_id: str, body: bytes, *, at_s: int) -> dict[str, str]:
    """Return the headers of a message."""
    content = b".".join((message_id.encode(), str(at_s).encode(), body))
    signatures = (base64.b64encode(hmac.digest(key_of(secret), content, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }
