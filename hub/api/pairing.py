"""POST /v1/pair: a one-time code becomes a token."""

from collections import deque
from typing import Annotated

from msgspec import Meta, Struct

from hub.api.routing import PUBLIC, Call, Reply, Route
from hub.errors import RefusedError
from hub.runtime import Runtime
from hub.store import tills
from hub.store.tills import Paired, Scope

WRONG_CODES_MAX = 10  # wrong codes in WRONG_CODES_S from anybody; beyond it pairing answers 429 until they are older
WRONG_CODES_S = 60
TOKEN_BYTES = 32


class PairRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`code` as the hub showed it; `name` is what people call this till."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class PairAnswer(Struct, frozen=True):
    """The token is shown once; the hub keeps only its hash."""

    token: str
    till_id: str
    scope: Scope


class Pairing:
    """The route with its memory of wrong codes."""

    def __init__(self) -> None:
        self._wrong_ms: deque[int] = deque(maxlen=WRONG_CODES_MAX)

    async def post_pair(self, call: Call) -> Reply:
        """POST /v1/pair"""
        hub, request = call.hub, call.body
        now_ms = hub.now_ms()
        if len(self._wrong_ms) == WRONG_CODES_MAX and self._wrong_ms[0] > now_ms - WRONG_CODES_S * 1000:
            raise RefusedError("too_many_guesses", f"{WRONG_CODES_MAX} wrong codes in {WRONG_CODES_S} s")
        token = hub.new_secret(TOKEN_BYTES)
        self._wrong_ms.append(now_ms)  # before the answer is known: guesses made at once count as well
        paired = await hub.db.write(
            lambda tx: tills.pair(tx, request.code.strip().upper(), request.name, token=token, now_ms=now_ms),
            then=lambda paired: _admit(hub, token, paired),
        )
        if now_ms in self._wrong_ms:
            self._wrong_ms.remove(now_ms)
        return Reply(PairAnswer(token, paired.till_id, paired.scope), 201)


def _admit(hub: Runtime, token: str, paired: Paired) -> None:
    hub.tokens[tills.secret_hash(token)] = paired


def routes() -> tuple[Route, ...]:
    """Return the route of one running hub."""
    pairing = Pairing()
    return (
        Route(
            "POST",
            "/v1/pair",
            pairing.post_pair,
            "Spend a one-time code for a token",
            PUBLIC,
            PairAnswer,
            body=PairRequest,
            status=201,
            problems=(403, 422, 429, 503),
        ),
    )
