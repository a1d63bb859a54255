"""What becomes of two rows that say something about the same thing: three merges, and nothing else. Pure.

    fact              two under one key stand for one: that of the writer that was sealed first, else of the smaller rep;
                      of two of one writer the later
    tally             the larger of each number, per (key, writer)
    register          the larger (n, rep)
    shared register   per field, the larger stamp (physical, logical, rep); `erased` absorbs every other field, past and future

Each is commutative, associative and idempotent (tests/sync/test_merge.py). sync.store.rows does the same in SQL, where a batch is
merged at once; a test holds the two against each other. Source: the design, 3.2.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from sync.clock import Stamp

ERASED = "erased"
NEVER = 2**63
Numbers = tuple[int, ...]


class FactDot(NamedTuple):
    """Who wrote a fact, and where in its stream."""

    rep: str
    seq: int


class Version(NamedTuple):
    """A register's version; the larger stands. `n` is given by the authority, `rep` says which life of it gave it."""

    n: int
    rep: str


class Cell(Struct, frozen=True, array_like=True):
    """A field of a shared register: [value, [physical, logical, rep]]. Any: JSON."""

    value: Any
    stamp: Stamp


class Lost(Struct, frozen=True):
    """A value that another one, of another writer, has overruled: kept for a person to see."""

    field: str
    cell: Cell


class Merged(Struct, frozen=True):
    """A shared register as it stands, and what lost."""

    cells: dict[str, Cell]
    lost: tuple[Lost, ...] = ()

    @property
    def is_erased(self) -> bool:
        """Whether nothing of it may be kept but that it was erased."""
        return ERASED in self.cells


def standing(one: FactDot, other: FactDot, sealed: Mapping[str, int] = MappingProxyType({})) -> FactDot:
    """Return whose row stands of two under one key: that of the writer that was sealed first, else of the smaller rep.

    `sealed` is rep -> place in the one stream of seals. What stands by a seal stands for ever. One writer has two where it
    adopted another's row to which its own had given way: it took that one back before it wrote the later.
    """
    return min(one, other, key=lambda dot: (sealed.get(dot.rep, NEVER), dot.rep, -dot.seq))


def larger(one: Numbers, other: Numbers) -> Numbers:
    """Return a tally's numbers out of two rows of the same writer."""
    return tuple(map(max, one, other))


def later(one: Version, other: Version) -> Version:
    """Return the version that stands. No clock has a say in it."""
    return max(one, other)


def merge_cells(
    rows: Iterable[Mapping[str, Cell]], *, effective: Callable[[Stamp], Stamp] = lambda stamp: stamp
) -> Merged:
    """Merge the rows of all writers of a shared register; `effective` gives the stamp that counts (see sync.clock)."""
    rows = list(rows)
    if len(rows) == 1 and ERASED not in rows[0]:
        return Merged(dict(sorted(rows[0].items())))
    said: dict[str, list[Cell]] = {}
    for row in rows:
        for field, cell in row.items():
            if field != ERASED or cell.value is True:
                said.setdefault(field, []).append(cell)
    stands = {field: max(cells, key=lambda cell: _rank(cell, effective)) for field, cells in sorted(said.items())}
    if ERASED in stands:
        return Merged({ERASED: stands[ERASED]})
    lost = {
        (field, cell.stamp): Lost(field, cell)
        for field, cells in said.items()
        for cell in cells
        if cell.value != stands[field].value and cell.stamp.rep != stands[field].stamp.rep
    }
    return Merged(stands, tuple(lost[key] for key in sorted(lost)))


def _rank(cell: Cell, effective: Callable[[Stamp], Stamp]) -> tuple[Stamp, Stamp]:
    return effective(cell.stamp), cell.stamp
