"""The disk that forgets, its reader and the table of figures, without a machine (tests/appliance has the rest)."""

import asyncio
import random
import sqlite3
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.appliance.disk_auditor import DiskDamagedError, read_disk
from tests.appliance.volatile_disk import SECTOR_BYTES, Loss, VolatileDisk, surviving
from tests.faults.figures import Run, runs_of, with_run

SECTORS = 64
READ, WRITE, DISCONNECT, FLUSH = range(4)
GO, EINVAL = 7, 22
PAGE = """# Durability

<!-- sums -->

| commit | what | cuts | answered | lost | doubled | seed |
|---|---|---|---|---|---|---|

The end.
"""


class Client:
    """A machine's side of the wire, as the protocol's document has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def agree(self) -> int:
        """Shake hands; return the disk's size."""
        assert (await self.reader.readexactly(18))[:16] == b"NBDMAGICIHAVEOPT"
        self.writer.write(struct.pack(">I", 3) + struct.pack(">8sIIIH", b"IHAVEOPT", GO, 6, 0, 0))
        _, option, kind, length = struct.unpack(">QIII", await self.reader.readexactly(20))
        _, size, flags = struct.unpack(">HQH", await self.reader.readexactly(length))
        assert (option, kind, flags & 0b1111) == (GO, 3, 0b101), "it flushes, and may be written to"
        await self.reader.readexactly(20)
        return size

    def ask(self, kind: int, sector: int = 0, content: bytes = b"", *, count: int = 0) -> None:
        length = len(content) or count
        request = struct.pack(">IHHQQI", 0x25609513, 0, kind, 7, sector * SECTOR_BYTES, length)
        self.writer.write(request + content)

    async def answer(self, count: int = 0) -> tuple[int, bytes]:
        """Return error and what was read."""
        magic, error, handle = struct.unpack(">IIQ", await self.reader.readexactly(16))
        assert (magic, handle) == (0x67446698, 7)
        return error, await self.reader.readexactly(0 if error else count)


@asynccontextmanager
async def plugged(disk: VolatileDisk, folder: Path) -> AsyncIterator[Client]:
    async with disk.served(folder / "disk.sock"):
        client = Client(*await asyncio.open_unix_connection(folder / "disk.sock"))
        assert await client.agree() == disk.size
        yield client
        client.writer.close()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(SECTORS * SECTOR_BYTES))
    return path


def sector(mark: int) -> bytes:
    return bytes([mark]) * SECTOR_BYTES


def marks(image: Path) -> list[int]:
    """Return what stands in each sector, which is whole."""
    content = image.read_bytes()
    pieces = [content[at : at + SECTOR_BYTES] for at in range(0, len(content), SECTOR_BYTES)]
    assert all(len(set(piece)) == 1 for piece in pieces), "a sector is torn"
    return [piece[0] for piece in pieces]


async def test_what_was_flushed_outlives_the_power_and_what_was_not_is_read_until_then(
    image: Path, tmp_path: Path
) -> None:
    disk = VolatileDisk(image)
    async with plugged(disk, tmp_path) as machine:
        for mark in (1, 2):
            machine.ask(WRITE, 3, sector(mark) * 2)
            assert await machine.answer() == (0, b"")
            machine.ask(FLUSH)
            assert await machine.answer() == (0, b"")
        machine.ask(WRITE, 4, sector(9))
        await machine.answer()
        machine.ask(READ, 2, count=4 * SECTOR_BYTES)
        assert await machine.answer(4 * SECTOR_BYTES) == (0, sector(0) + sector(2) + sector(9) + sector(0))
        disk.cut(rng := random.Random(0))
        assert marks(image)[2:6] in ([0, 2, 2, 0], [0, 2, 9, 0])
        assert (disk.unflushed, disk.flushes, rng.random() < 1) == (0, 2, True)


async def test_a_disk_without_power_answers_nothing_from_that_write_on(
    image: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = VolatileDisk(image)
    async with plugged(disk, tmp_path) as machine:
        disk.stop_after(2)
        for mark in (1, 2, 3):
            machine.ask(WRITE, mark, sector(mark))
        machine.ask(FLUSH)
        assert await machine.answer() == (0, b"")
        await disk.stopped.wait()
        assert (disk.unflushed, disk.flushes, machine.reader.at_eof()) == (2, 0, False)
    assert not caplog.records, "and ends in silence"


async def test_a_request_beyond_the_end_is_refused(image: Path, tmp_path: Path) -> None:
    async with plugged(VolatileDisk(image), tmp_path) as machine:
        for kind, content in ((WRITE, sector(1)), (READ, b"")):
            machine.ask(kind, SECTORS, content, count=SECTOR_BYTES)
            assert await machine.answer() == (EINVAL, b"")


@pytest.mark.parametrize("loss", Loss)
def test_a_cut_leaves_of_the_cache_what_its_kind_of_loss_says(loss: Loss) -> None:
    """Each sector is as one of the writes has left it; over many draws each kind shows what the others cannot."""
    cache = [(first * SECTOR_BYTES, sector(mark) * 4) for mark, first in enumerate((0, 2, 8, 0, 6), 1)]
    seen = set()
    for seed in range(200):
        found = [0] * 12
        for offset, content in surviving(cache, loss, random.Random(seed)):
            for at in range(0, len(content), SECTOR_BYTES):
                found[(offset + at) // SECTOR_BYTES] = content[at]
        seen.add(tuple(found))
    everything, untorn = (4, 4, 4, 4, 2, 2, 5, 5, 5, 5, 3, 3), 2**5
    assert all(mark in (0, *allowed) for found in seen for mark, allowed in zip(found, WRITTEN, strict=True))
    assert ((0,) * 12 in seen) == (loss is not Loss.TORN), "twenty sectors are never all lost in so few draws"
    assert (everything in seen) == (loss in (Loss.IN_ORDER, Loss.REORDERED))
    if loss is Loss.DROPPED:
        assert len(seen) == 1
    elif loss is Loss.IN_ORDER:
        assert all(5 not in found or found[10] == 3 for found in seen), "the third is there before the fifth"
    elif loss is Loss.REORDERED:
        assert len(seen) <= untorn and any(found[6] == 5 and found[10] == 0 for found in seen), (
            "the fifth without the third"
        )
    else:
        assert any(found[10] != found[11] for found in seen), "half of a write"


WRITTEN = ((1, 4), (1, 4), (1, 2, 4), (1, 2, 4), (2,), (2,), (5,), (5,), (3, 5), (3, 5), (3,), (3,))
"""Which of the writes above touch each sector."""


def test_the_reader_replays_what_a_disk_holds_and_names_damage(tmp_path: Path) -> None:
    folder, image = tmp_path / "root" / "hub", tmp_path / "disk.raw"
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "hub.db") as file:
        file.execute("CREATE TABLE t (x)")
    file.close()
    image.write_bytes(bytes(8 << 20))
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", tmp_path / "root", image], check=True)

    with pytest.raises(sqlite3.OperationalError, match="no such table: sale"):
        read_disk(image, folder="/hub", to=tmp_path / "read")
    assert (tmp_path / "read/hub.db").read_bytes() == (folder / "hub.db").read_bytes()

    subprocess.run(["/sbin/debugfs", "-w", "-R", "clri <2>", image], check=True, capture_output=True)  # the root folder
    with pytest.raises(DiskDamagedError, match="e2fsck said"):
        read_disk(image, folder="/hub", to=tmp_path / "read")


def test_each_run_is_a_line_of_the_page_and_in_its_sums() -> None:
    first, second = Run("kills", 7, 200, 1800, 0, 0, "abc1234"), Run("kills", 8, 20, 200, 1, 0, "def5678+")
    page = with_run(with_run(PAGE, first), second)

    assert runs_of(page) == [first, second]
    assert "<!-- sums -->\n- kills: 220 in all, 2,000 writes answered, 1 of them lost, 0 doubled\n\n|" in page
    assert page.endswith("|\n\nThe end.\n")
