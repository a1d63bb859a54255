"""Who of the stores is let in: the token as it stands now, the certificate beside it, tokens that end while somebody talks.

Not here: SQL (sync.cloud.collect.tokens), how TLS asks for certificates (sync.cloud.collect.listening).
"""

import asyncio
import logging
from collections.abc import Collection

from sync.cloud.collect.listening import named_store
from sync.cloud.collect.tokens import replaced_by, revoke, revoked_since, take_over
from sync.cloud.config import Certificates
from sync.cloud.store import CloudStore
from sync.cloud.talk.line import Line

LOOK_EVERY_S = 2.0  # for tokens that another worker has revoked
LOOK_BACK_MS = 60_000  # workers' clocks differ

log = logging.getLogger(__name__)


class Admission:
    """Tokens and certificates of those who talk. `revoke` cuts at once here, and within LOOK_EVERY_S at other workers."""

    def __init__(self, books: CloudStore, line: Line) -> None:
        self._books = books
        self._line = line

    async def revoke(self, store: str, tokens: Collection[bytes], *, why: str) -> None:
        """End tokens of a store for ever and hang up on who uses them."""
        now_ms = self._books.now_ms()
        await self._books.db.write(
            lambda tx: revoke(tx, store, tokens, why=why, now_ms=now_ms), then=lambda _: self._line.cut_tokens(tokens)
        )
        log.warning("tokens of a store were revoked", extra={"store": store, "tokens": len(tokens), "why": why})

    async def used(self, store: str, token: bytes) -> None:
        """A token is in use: the one that it replaces ends."""
        if replaced_by(self._books.db.read, token) is None:
            return
        now_ms = self._books.now_ms()
        replaced = await self._books.db.write(lambda tx: take_over(tx, token, store=store, now_ms=now_ms))
        if replaced is not None:
            self._line.cut_tokens([replaced])
            log.info("a store's token was exchanged", extra={"store": store})

    async def run(self) -> None:
        """Cut whoever holds a token that was revoked elsewhere, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._line.cut_tokens(revoked_since(self._books.db.read, self._books.now_ms() - LOOK_BACK_MS))


def certificate_fault(certificate: dict[str, object] | None, store: str, wanted: Certificates) -> str:
    """Return the code of what is wrong with a store's certificate, "" where nothing is."""
    named = named_store(certificate) if wanted != "off" else None
    if named is None:
        return "no_certificate" if wanted == "required" else ""
    return "" if named == store else "wrong_certificate"
