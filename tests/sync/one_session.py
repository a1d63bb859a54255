"""One session alone, and what it is told by hand."""

from typing import Any

from sync.actions import Load
from sync.batch import Batch, Boundary, Gap
from sync.model import Feed
from sync.protocol import (
    HelloOk,
)
from sync.session import Session
from sync.testing.memory_books import MemoryBooks
from tests.sync.end_to_end import CLOUD, HUB, fill, run

BEGAN_MS = 5_000
AT = Boundary(7, b"\x07" * 8)
GAP = Gap(Boundary(3, b"\x03" * 8))
BATCH = Batch(CLOUD, "catalogue", Feed.STATE, 0, 7, AT.digest, ((7, b"{}"),))
NOBODY = HelloOk(rep=CLOUD, vector=(), t1_ms=0, t2_ms=0, t3_ms=0)


def greeted(books: MemoryBooks | None = None) -> Session:
    """A dialler that has said hello at BEGAN_MS."""
    session = Session("dialler", books or MemoryBooks(HUB))
    session.start(BEGAN_MS, wall_ms=0)
    return session


def opened(books: MemoryBooks | None = None, **said: Any) -> Session:
    session = greeted(books)
    hear(session, HelloOk(**{name: getattr(NOBODY, name) for name in NOBODY.__struct_fields__} | said))
    return session


def hear(session: Session, frame: Any, now_ms: int = BEGAN_MS, wall_ms: int = 0) -> list[Any]:
    return session.receive(frame, now_ms, wall_ms=wall_ms)


def filled(rows: int = 3) -> MemoryBooks:
    books = MemoryBooks(HUB)
    fill(books, "sales", rows)
    return books


def load(session: Session, books: MemoryBooks, effects: list[Any], now_ms: int = BEGAN_MS) -> list[Any]:
    """Carry out the Load that ends the effects."""
    assert isinstance(effects[-1], Load)
    asked = effects[-1]
    return session.loaded(
        run(books.load(asked.head, asked.after, asked.rows_max, batches_max=asked.batches_max)), now_ms
    )
