"""What a session and a feed need of a database: the books of one replica. The hub and the cloud end each have theirs."""

from typing import Protocol

from sync.batch import Batch, Boundary, Gap, Head
from sync.opening import Opening
from sync.protocol import FormerLife


class Books(Protocol):
    """Streams out, streams in. Everything is durable when a method returns; all are called on one loop."""

    @property
    def rep(self) -> str:
        """The name of the replica that writes here."""

    def meet(self, peer_rep: str) -> None:
        """Learn who the peer is; what it sends of others is passed on by it."""

    def heads(self) -> list[Head]:
        """Return the streams this side offers to the peer, the urgent ones first, with how far they go.

        Own ones, and those that it passes on (relays): of other lives of the store, of former lives of the peer.
        """

    def vector(self, peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """Return how far each (rep, stream) of the peer is held here; of all peers for "", when it is not yet known."""

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether this boundary of ours was ever offered; the start of a stream always was."""

    def floor(self, head: Head) -> Boundary:
        """Return up to where the rows of a log are no more here; the start where all are, and of a state stream."""

    def is_told_elsewhere(self, head: Head) -> bool:
        """Whether another machine tells the peer of a log's rows that are no more here; if not, they are lost."""

    def told_up_to(self, head: Head, at: Boundary) -> int:
        """Return up to where a peer that holds a log up to `at` is told what rows came to, at least the floor; 0: rows only."""

    async def opening(self, head: Head, to: int) -> Opening | None:
        """Return what the rows of a log came to up to about there; None where nobody can tell."""

    async def jump(self, rep: str, stream: str, to: Boundary, opening: Opening | None) -> Boundary:
        """Go on with a log from `to`, durably; return the cursor, which never goes back.

        What the rows up to there came to is told by `opening`, in the place of those that are here; without it those that are
        not are lost, with an alarm.
        """

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        """Return the next batches behind a boundary, the ends of all stored as offered; none when there is nothing more."""

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Commit the new rows of a peer's batch and its cursor together; return the cursor, or where the gap begins.

        Raise ProtocolError for a batch that lies, ForkError where rows of it are held as others, OutcomeUnknownError or BusyError
        when it may be sent again.
        """

    def former(self) -> tuple[FormerLife, ...]:
        """Return our own lives that have ended and, as far as we know, are not sealed."""

    def sealed(self, peer_rep: str) -> tuple[str, ...]:
        """Return the lives of the peer's store that are sealed here."""

    async def end_lives(self, peer_rep: str, lives: tuple[FormerLife, ...]) -> None:
        """Note that the peer has given up these lives; seal each once all that the peer holds of it is here."""

    async def note_sealed(self, reps: tuple[str, ...]) -> None:
        """Note that the peer has sealed these lives, given in the order of their seals."""

    async def forked(self, why: str) -> None:
        """Take a new incarnation, because the peer knows another past of ours, or has sealed us. Durable when it returns."""

    async def acked(self, peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note that the peer holds a stream durably up to a boundary: ours, or one that we pass on."""
