"""Databases of replicas for tests of every entity: what one holds, told without short names, and rows brought to it."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

from hub.migrations import MIGRATIONS
from sync.entities import REGISTRY, Registry
from sync.kinds import Entity
from sync.migrate import migrate
from sync.store.reading import rows_after
from sync.store.replicas import begin_incarnation, replica_id
from sync.store.rows import Taken, apply_rows
from sync.store.schema import compare
from sync.store.tables import table_of
from sync.testing.workload import stream_of

WRITERS = ("aa:1111111111111111", "bb:2222222222222222", "aa:3333333333333333")
WRITER = "replica.store || ':' || incarnation"
Rows = list[tuple[int, bytes]]
NAMES = [each.name for each in REGISTRY.entities]
_spare: list[sqlite3.Connection] = []


class End:
    """A database of its own that takes rows of writers."""

    def __init__(self, store: str = "zz", registry: Registry = REGISTRY) -> None:
        self.registry = registry
        self.tx = _spare.pop() if _spare else _new()
        self.tx.execute("BEGIN")  # all that comes is taken back at the end: another may have the database then
        self.replica = begin_incarnation(self.tx, store, incarnation=store * 8, now_ms=1)

    def take(self, stream: str, rep: str, rows: Sequence[tuple[int, bytes]], **options: Any) -> Taken:
        """Take rows as from a batch."""
        replica = replica_id(self.tx, rep, now_ms=1)
        return apply_rows(self.tx, stream, rows, replica=replica, rep=rep, registry=self.registry, **options)

    def rows(self, stream: str, rep: str, after: int = 0, limit: int = 1000) -> Rows:
        """What is held of a writer's stream."""
        replica = replica_id(self.tx, rep, now_ms=1)
        return rows_after(self.tx, replica, stream, after, limit, registry=self.registry)

    def held(self, entity: Entity) -> dict[str, list[Any]]:
        """All that is held of an entity, whatever the order of its coming."""
        names = [
            name
            for (name,) in self.tx.execute("SELECT name FROM pragma_table_xinfo(?)", (entity.table,))
            if name != "id"
        ]
        columns = ", ".join(WRITER if name == "replica" else f"{entity.table}.{name}" for name in names)
        join = f"{entity.table} JOIN replica ON replica.id = {entity.table}.replica"
        apart = (
            "SELECT store || ':' || incarnation, seq, key, body FROM second_row JOIN replica ON replica.id = replica"
        )
        return {
            "stands": sorted(self.tx.execute(f"SELECT {columns} FROM {join}").fetchall(), key=repr),
            "apart": sorted(self.tx.execute(apart).fetchall()),
        }

    def dots(self, entity: Entity) -> list[tuple[str, int]]:
        """Whose rows stand."""
        sql = "SELECT replica.store || ':' || incarnation, seq FROM {0} JOIN replica ON replica.id = {0}.replica ORDER BY 1, 2"
        return self.tx.execute(sql.format(entity.table)).fetchall()

    def seal(self, rep: str, place: int) -> None:
        """Note that the cloud has sealed a life, as the n-th."""
        ended = (replica_id(self.tx, rep, now_ms=1), place)
        self.tx.execute("INSERT INTO former_life (replica, why, ended_ms, seal_place) VALUES (?, '', 1, ?)", ended)

    def close(self) -> None:
        self.tx.execute("ROLLBACK")
        _spare.append(self.tx)


@contextmanager
def ends(count: int, registry: Registry = REGISTRY) -> Iterator[list[End]]:
    """Databases that are let go at the end."""
    made = [End(registry=registry) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.close()


def _new() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.deserialize(_empty())
    return made


@cache
def _empty() -> bytes:
    with sqlite3.connect(":memory:", isolation_level=None) as made:
        migrate(made, MIGRATIONS)
        made.executescript(
            "\n".join(compare(made, REGISTRY.entities).statements)
        )  # what a migration lacks, test_schema says
        image: bytes = made.serialize()
    made.close()
    return image


def history(entity: Entity, rng: Random, count: int = 12) -> dict[str, Rows]:
    """Streams of the writers: of a state stream the rows that an offer may still show."""
    said = {rep: list(enumerate(stream_of(entity, rng, rep, count), 1)) for rep in WRITERS}
    return {rep: rows for rep, rows in said.items() if rows}


def deliveries(said: dict[str, Rows], rng: Random, *, twice: bool = False) -> list[tuple[str, Rows]]:
    """Cut every writer's stream into batches and mix the writers; with `twice`, some batches come again."""
    cut: dict[str, list[Rows]] = {}
    for rep, rows in said.items():
        ends_at = sorted({rng.randrange(len(rows) + 1) for _ in range(3)} | {0, len(rows)})
        cut[rep] = [rows[one:other] for one, other in pairwise(ends_at)]
    mixed: list[tuple[str, Rows]] = []
    while any(cut.values()):
        rep = rng.choice([each for each, batches in cut.items() if batches])
        mixed.append((rep, cut[rep].pop(0)))
        if twice and rng.random() < 0.5:
            mixed.append(rng.choice(mixed))
    return mixed


@contextmanager
def planted(entity: Entity, change: Callable[[str], str]) -> Iterator[None]:
    """Change the statement by which rows of an entity are taken; it must differ."""
    table = table_of(entity)
    sound = table.insert
    faulty = change(sound)
    assert faulty != sound, sound
    table.__dict__["insert"] = faulty
    try:
        yield
    finally:
        table.__dict__["insert"] = sound
