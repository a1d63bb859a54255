"""What a sink is: it keeps its own place beside what it took, in one commit, so that nothing is taken twice and nothing left out.

A further kind is one file with a class of this shape and a line in sync.cloud.sinks.opening.
"""

from typing import Protocol

from msgspec import Struct

from sync.cloud.web.views import FeedRow
from sync.errors import SyncError


class SinkError(SyncError):
    """A sink cannot be reached or does not take: nothing of the page is there, and the same page may be offered again."""

    def __init__(self, detail: str) -> None:
        super().__init__("sink", detail)


class Place(Struct, frozen=True):
    """Up to where a stream was taken: the row's number in the feed of this life of the cloud, and its dot, "" in a state stream.

    A cloud that was restored may give the number to another row: then the dot is another one.
    """

    life: str = ""
    n: int = 0
    rep: str = ""
    seq: int = 0


class SinkRow(Struct, frozen=True):
    """A row of a page. Not `counts`: its key was known already, it is kept and in no sum. `erases`: all other rows of its key."""

    row: FeedRow
    key: str
    counts: bool = True
    erases: bool = False


class Page(Struct, frozen=True):
    """Rows of a stream behind one place, and the place that they end at."""

    stream: str
    is_log: bool
    begin: Place
    end: Place
    rows: list[SinkRow]


class Sink(Protocol):
    """Takes pages. Every method raises SinkError, and nothing else for what the other side does."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    async def place(self, stream: str) -> Place:
        """Return up to where a stream was taken; a place of nothing before the first page."""

    async def take(self, page: Page) -> bool:
        """Keep the rows and the new place, both or neither; false where the sink does not stand at `begin`: ask again."""

    async def close(self) -> None:
        """Let go of the other side; another call takes hold of it again."""
