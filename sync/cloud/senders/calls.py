"""What every sender speaks of: a letter, the call it becomes, the reply, what that means for the ledger. Pure.

    outcome   the message was                            what follows
    sent      accepted, now or by the same key before    nothing
    failed    refused for good: no such address          nothing; a person may look why
    later     not taken: too many calls, nobody there    queued again
    quota     not taken: the month's messages are gone   the campaign waits for a person
    lost      perhaps taken: no answer, or a broken one  the same call by its key, where keys are known there; else unknown

Not here: the network (sync.cloud.talk.outgoing), when to send (sync.cloud.campaigns).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

from msgspec import Struct

Verdict = Literal["sent", "failed", "later", "quota", "lost"]


class Letter(Struct, frozen=True):
    """A text for one address, or the same for several; `key` is a UUID, the same for the same attempt."""

    key: str
    to: tuple[str, ...]
    text: str


class Call(Struct, frozen=True):
    """A request to somebody's API."""

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class Reply(Struct, frozen=True):
    """What came back. Status 0: nothing did; `was_sent` then says whether the request may have arrived."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    was_sent: bool = True


Speak = Callable[[Call], Awaitable[Reply]]
"""Makes a call; raises nothing."""


class Outcome(Struct, frozen=True):
    """What a reply means. `why` is the other end's reason, without addresses."""

    verdict: Verdict
    why: str = ""
    request_id: str = ""
    after_s: float = 60.0


class Sender(Protocol):
    """How one service is spoken to."""

    @property
    def name(self) -> str:
        """Its name in cloud.toml."""

    @property
    def knows_keys(self) -> bool:
        """Whether the same key twice is one message."""

    @property
    def group_max(self) -> int:
        """How many addresses one call takes for the same text."""

    def address_of(self, cells: Mapping[str, object]) -> str:
        """Return where a person is reached, empty where not."""

    def call(self, letter: Letter, *, now_ms: int) -> Call:
        """Return the request for a letter."""

    def read(self, reply: Reply) -> Outcome:
        """Return what a reply means."""

    def quota_calls(self) -> tuple[Call, ...]:
        """Return the questions after what is left of the month; none where nobody can be asked."""
