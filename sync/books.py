"""What a session and a feed need of a database: the books of one replica. The hub and the cloud end each have theirs."""

from typing import Protocol

from sync.batch import Batch, Boundary, Gap, Head


class Books(Protocol):
    """Streams out, streams in. Everything is durable when a method returns; all are called on one loop."""

    @property
    def rep(self) -> str:
        """The name of the replica that writes here."""

    def heads(self) -> list[Head]:
        """Return the streams this side offers to the peer, the urgent ones first, with how far they go."""

    def vector(self, peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """Return how far each (rep, stream) of the peer is held here; of all peers for "", when it is not yet known."""

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """Whether this boundary of ours was ever offered; the start of a stream always was."""

    async def load(self, head: Head, after: Boundary, rows_max: int) -> Batch | None:
        """Return the next batch behind a boundary, its end stored as offered; None when there is nothing more."""

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Commit the new rows of a peer's batch and its cursor together; return the cursor, or where the gap begins.

        Raise ProtocolError for a batch that lies, OutcomeUnknownError or BusyError when it may be sent again.
        """

    async def acked(self, peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """Note that the peer holds our stream durably up to a boundary."""
