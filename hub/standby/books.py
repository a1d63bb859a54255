"""The books as the store's other hub sees them, on the line between the two: the logs of this store's lives, both ways.

What either has sold is on two machines before the cloud knows of it, so that it is safe; a machine that was restored learns
here that it was, without a line to the cloud. State streams do not travel here: who passes them on has no boundaries of theirs.

Not here: what becomes of rows that came this way (hub.store.replica.confirmed), sockets (hub.standby.line).
"""

from hub.books import HubBooks
from hub.holders import STANDBY
from hub.store.upkeep.siblings import RELAYED
from sync.batch import START, Batch, Boundary, Gap, Head
from sync.entities import REGISTRY
from sync.errors import ForkError, ProtocolError
from sync.opening import Opening
from sync.protocol import FormerLife


class StandbyBooks:
    """See sync.books.Books."""

    def __init__(self, books: HubBooks) -> None:
        self._books = books

    @property
    def rep(self) -> str:
        """This hub's replica."""
        return self._books.rep

    def admits(self, rep: str) -> bool:
        """Only hubs of the same store talk here, also one that has our own name: that is how it learns that it is a copy."""
        return rep.rpartition(":")[0] == self._books.replica.store

    def meet(self, peer_rep: str) -> None:
        """Any other hub of this store is as good as another."""
        self._books.meet(peer_rep)

    def heads(self) -> list[Head]:
        """Own logs, and those of the store's other lives."""
        return [head for head in self._books.heads() if head.stream in RELAYED and self.admits(head.rep)]

    def vector(self, peer_rep: str) -> dict[tuple[str, str], Boundary]:
        """How far the logs of the store's lives are held here, wherever they came from."""
        del peer_rep
        held = self._books.received()
        return {(rep, stream): at for (rep, stream), at in held.items() if stream in RELAYED and self.admits(rep)}

    def is_offered(self, rep: str, stream: str, boundary: Boundary) -> bool:
        """As for the cloud."""
        return self._books.is_offered(rep, stream, boundary)

    def floor(self, head: Head) -> Boundary:
        """As for the cloud."""
        return self._books.floor(head)

    def is_told_elsewhere(self, head: Head) -> bool:
        """The cloud tells the other hub: rows go once it has held them for long. Telemetry also goes without one."""
        return not all(entity.keep.is_telemetry for entity in REGISTRY.of(head.stream))

    def told_up_to(self, head: Head, at: Boundary) -> int:
        """As for the cloud."""
        return self._books.told_up_to(head, at)

    async def opening(self, head: Head, to: int) -> Opening | None:
        """As for the cloud."""
        return await self._books.opening(head, to)

    async def jump(self, rep: str, stream: str, to: Boundary, opening: Opening | None) -> Boundary:
        """As for the cloud."""
        return await self._books.jump(rep, stream, to, opening)

    async def load(self, head: Head, after: Boundary, rows_max: int, *, batches_max: int = 1) -> list[Batch]:
        """Nothing of a life of which the other hub holds another past: the cloud says which one stands."""
        try:
            return await self._books.load(head, after, rows_max, batches_max=batches_max)
        except ForkError:
            if head.rep == self.rep:
                raise
            return []

    async def apply(self, batch: Batch) -> Boundary | Gap:
        """Take rows of the store's other lives; raise ProtocolError for anything else."""
        if batch.rep == self.rep or batch.stream not in RELAYED or not self.admits(batch.rep):
            raise ProtocolError(f"{batch.rep}: {batch.stream[:64]!r} does not travel between the hubs of a store")
        return await self._books.take_beside(batch)

    def former(self) -> tuple[FormerLife, ...]:
        """The cloud alone seals."""
        return ()

    def sealed(self, peer_rep: str) -> tuple[str, ...]:
        """A hub that has our own name, or that of a sealed life, has to begin anew."""
        is_over = peer_rep == self.rep or peer_rep in self._books.sealed_here()
        return (peer_rep,) if is_over else ()

    async def end_lives(self, peer_rep: str, lives: tuple[FormerLife, ...]) -> None:
        """The cloud alone seals."""

    async def note_sealed(self, reps: tuple[str, ...]) -> None:
        """The cloud alone seals."""

    async def forked(self, why: str) -> None:
        """As when the cloud finds it."""
        await self._books.forked(why)

    async def acked(self, _peer_rep: str, rep: str, stream: str, boundary: Boundary) -> None:
        """What the other hub holds of ours is safe."""
        if rep == self.rep and boundary != START:
            self._books.holders.note(STANDBY, stream, boundary)
