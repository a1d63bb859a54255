"""A backup's inside: a tar packed by zstd whose first file, `manifest.json`, names the others with size and digest.

`age -d -i KEY FILE | zstd -d | tar x` opens it without us. Not here: what goes in (hub.backup.making), keys (hub.backup.age).
"""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
from backports import zstd
from msgspec import Struct

from sync.errors import StartError
from sync.json_errors import NOT_JSON

MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 1 << 20
_BLOCK = 1 << 20


class Part(Struct, frozen=True):
    """A file of a backup."""

    name: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True):
    """What a backup is of: the life `rep` as it stood at `made_at` (RFC 3339), `heads` how far each of its streams goes."""

    store: str
    rep: str
    made_at: str
    program: str
    schema: int
    heads: dict[str, int]
    parts: list[Part]
    reason: str = ""


def part_of(path: Path, name: str) -> Part:
    """Describe a file."""
    with path.open("rb") as file:
        return Part(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def pack(manifest: Manifest, files: Mapping[str, Path], into: Path) -> None:
    """Write an archive; raise OSError."""
    said = msgspec.json.format(msgspec.json.encode(manifest))
    with zstd.open(into, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        head = tarfile.TarInfo(MANIFEST)
        head.size = len(said)
        tar.addfile(head, io.BytesIO(said))
        for part in manifest.parts:
            with files[part.name].open("rb") as file:
                head = tarfile.TarInfo(part.name)
                head.size = part.bytes
                tar.addfile(head, file)


def unpack(archive: Path, into: Path) -> Manifest:
    """Write the files of an archive into a folder; raise StartError for one that is damaged or not whole."""
    try:
        with zstd.open(archive, "rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            entries = iter(tar)
            manifest = _manifest(tar, next(entries, None))
            missing = {part.name: part for part in manifest.parts}
            for entry in entries:
                _take(tar, entry, missing.pop(entry.name, None), into)
    except (tarfile.TarError, zstd.ZstdError, EOFError, OSError) as err:
        raise StartError(f"this backup is damaged: {err}") from err
    if missing:
        raise StartError(f"this backup is not whole: {', '.join(missing)} is missing")
    return manifest


def _manifest(tar: tarfile.TarFile, entry: tarfile.TarInfo | None) -> Manifest:
    file = tar.extractfile(entry) if entry is not None and entry.name == MANIFEST else None
    if file is None:
        raise StartError("this is no backup of a hub: there is no manifest in it")
    try:
        return msgspec.json.decode(file.read(MANIFEST_BYTES_MAX), type=Manifest)
    except NOT_JSON as err:
        raise StartError(f"this backup's manifest cannot be read: {err}") from err


def _take(tar: tarfile.TarFile, entry: tarfile.TarInfo, part: Part | None, into: Path) -> None:
    """Only what the manifest names is written, under that name, and no more of it than it says."""
    source = tar.extractfile(entry)
    if part is None or source is None or ".." in Path(part.name).parts or part.name.startswith("/"):
        raise StartError(f"this backup is damaged: {entry.name!r} is not in its manifest")
    target, digest, left = into / part.name, hashlib.sha256(), part.bytes
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while left and (block := source.read(min(_BLOCK, left))):
            digest.update(block)
            file.write(block)
            left -= len(block)
    if digest.hexdigest() != part.sha256:
        raise StartError(f"this backup is damaged: {part.name} is not what was written")
