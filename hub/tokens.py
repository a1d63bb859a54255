"""Who holds which token, in memory, and the change from one to the next.

    held ── offered (POST /v1/pair/rotate): old and new are both good ── the new one is used ──▶ only the new one is good
                └── offered again, because an answer was lost: the newest offer counts, the old token stays good

Only hashes are kept. Not here: the table (hub.store.staff.tills), who may do what (hub.api.routing).
"""

from collections.abc import Callable, Mapping

from hub.store.staff.tills import Paired, secret_hash


class Tokens:
    """Every good token's holder. `on_first_use` hears of (holder, hash) when an offered token has taken over."""

    def __init__(
        self, held: Mapping[bytes, Paired] | None = None, *, offered: Mapping[str, bytes] | None = None
    ) -> None:
        """`offered`: by the id of a client the hash that is in `held` beside the one in use."""
        self._held = dict(held or {})
        self._offered = dict(offered or {})
        self.on_first_use: Callable[[Paired, bytes], None] = lambda _holder, _hash: None

    def holder(self, token: str) -> Paired | None:
        """Return who holds a token and uses it now; the first use of an offered one ends the one before."""
        token_hash = secret_hash(token)
        paired = self._held.get(token_hash)
        if paired is not None and self._offered.get(paired.till_id) == token_hash:
            self._take_over(paired, token_hash)
        return paired

    def client(self, till_id: str) -> Paired | None:
        """Return a client that holds a token."""
        return next((paired for paired in self._held.values() if paired.till_id == till_id), None)

    def is_good(self, text: str) -> bool:
        """Whether a text is somebody's token; looking is no use."""
        return secret_hash(text) in self._held

    def admit(self, token: str, paired: Paired) -> None:
        """A client was paired."""
        self._held[secret_hash(token)] = paired

    def offer(self, token: str, paired: Paired) -> None:
        """A client may use this one from now on; what it was offered before and never used is worth nothing."""
        former = self._offered.pop(paired.till_id, None)
        if former is not None:
            del self._held[former]
        self._offered[paired.till_id] = secret_hash(token)
        self.admit(token, paired)

    def shut_out(self, till_id: str) -> None:
        """Nothing that a client holds is good any more."""
        self._held = {token_hash: paired for token_hash, paired in self._held.items() if paired.till_id != till_id}
        self._offered.pop(till_id, None)

    def renew(self, till_id: str, held: Mapping[bytes, Paired], *, offered: bytes | None = None) -> None:
        """The store's other hub has told otherwise of a client: these are its good tokens now, none for one that is shut out."""
        self.shut_out(till_id)
        self._held |= held
        if offered is not None:
            self._offered[till_id] = offered

    def _take_over(self, paired: Paired, token_hash: bytes) -> None:
        self.shut_out(paired.till_id)
        self._held[token_hash] = paired
        self.on_first_use(paired, token_hash)
