"""Bookkeeping stays small: its tables are bounded by replicas and streams, and files grow with what is sold, not with faults."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.sim.disk import Disk

if TYPE_CHECKING:
    from tests.sim.world import World

STREAMS = 40  # more than there are, of one replica
PEERS = 2
FILE_KIB = 512
KIB_AN_OPERATION = 4


class Auditor:
    """Counts rows and pages."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def check(self) -> Iterator[str]:
        """At the end."""
        for node in self.world.nodes:
            lives = node.disk.value("SELECT count(*) FROM replica")
            for table, most in (("acked", PEERS * STREAMS * lives), ("received", STREAMS * lives)):
                rows = node.disk.value(f"SELECT count(*) FROM {table}")
                if rows > most:
                    yield f"{node.name}: {table} has {rows} rows, {most} at most for {lives} replicas"
            size_kib = _kib(node.disk)
            most_kib = FILE_KIB + KIB_AN_OPERATION * self.world.options.operations
            if size_kib > most_kib:
                yield f"{node.name}: the file has {size_kib} KiB, {most_kib} at most for this run"


def _kib(disk: Disk) -> int:
    return int(disk.value("PRAGMA page_count") * disk.value("PRAGMA page_size") // 1024)
