"""The stamps in rows of shared registers, for whoever keeps a clock: what a peer has written is seen before we write again.

Pure. Not here: the clock (sync.clock), the merge (sync.merge).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from sync.batch import Row
from sync.clock import Stamp
from sync.entities import REGISTRY, Registry
from sync.json_errors import NOT_JSON
from sync.merge import Cell


class StampedCell(NamedTuple):
    """Which cell of which register, and what it says with its stamp."""

    entity: str
    key: str
    field: str
    cell: Cell

    @property
    def stamp(self) -> Stamp:
        """When it was written."""
        return self.cell.stamp


def is_stamped(stream: str, *, registry: Registry = REGISTRY) -> bool:
    """Whether rows of a stream have stamps."""
    return any(entity.is_shared for entity in registry.of(stream))


def stamped_cells(stream: str, rows: Iterable[Row], *, registry: Registry = REGISTRY) -> Iterator[StampedCell]:
    """Give every cell of a batch's rows; rows that cannot be read have none."""
    for entity in registry.of(stream):
        if not entity.is_shared:
            continue
        (named,) = entity.key
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(entity.row).decode  # Any: the entity's row
        for _, body in rows:
            try:
                row = decode(body)
            except NOT_JSON:
                continue
            key = str(getattr(row, named.path))
            yield from (StampedCell(entity.name, key, field, cell) for field, cell in row.cells.items())
