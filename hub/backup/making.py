"""Making a backup: one consistent copy of the books and what belongs to them, encrypted, read again, put beside the others.

    copy the database beside the hub ─ pack ─ encrypt to FILE.partial on the medium ─ read back in another process ─ FILE ─ prune

A file has its name only once it was read back whole. Each is readable by the recipients of the configuration, and while it is
checked by a key that is made for this once and kept nowhere. Not here: the way back (hub.backup.restoring).
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from hub.backup.age import Identity, encrypt
from hub.backup.archive import Manifest, pack, part_of
from hub.backup.kept import SUFFIX, Kept, kept_in
from hub.config import Config
from hub.erasures import LIST
from hub.store.readers import open_to_read
from hub.store.upkeep.copying import Copied, copy_database, describe
from hub.tls.files import AUTHORITY, LEAF
from sync.errors import StartError
from sync.folder import own_folder

WORK, LOCK = "backup", "backup.lock"
DATABASE = "hub.db"
SPARE_BYTES = 64 << 20  # what selling goes on with while a copy is made
CHECK_TIMEOUT_S = 3600


def make_backup(config: Config, folder: Path, *, configuration: Path, now: datetime) -> tuple[Kept, Manifest]:
    """Make one and take away those beyond `keep`; raise StartError with the remedy."""
    if not config.backup.recipients:
        raise StartError(
            "backup.recipients is empty: make a key with `storehub backup new-key FILE`, keep FILE away from this machine and "
            "write the recipient that it shows into [backup]"
        )
    if not folder.is_dir():
        raise StartError(f"{folder} is not there: is the medium plugged in and mounted?")
    name = f"{config.shop.store_id}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    partial = folder / f"{name}.partial"
    with own_folder(config.data_dir / WORK, LOCK), _empty(config.data_dir / WORK / "new") as work:
        try:
            manifest, plain = _pack(config, work, configuration=configuration, now=now)
            _room(folder, plain.stat().st_size)
            once = Identity.new()
            encrypt(plain, partial, [*config.backup.recipients, once.recipient])
            _sync(partial)
            _check_elsewhere(partial, once, work)
            partial.rename(folder / name)
            _sync(folder)
        except OSError as err:
            raise StartError(f"{err.filename or folder}: {err.strerror}; the books are as they were") from err
        finally:
            partial.unlink(missing_ok=True)
    made = kept_in(folder, config.shop.store_id)
    for old in made[config.backup.keep :]:
        old.path.unlink(missing_ok=True)
    return made[0], manifest


def _pack(config: Config, work: Path, *, configuration: Path, now: datetime) -> tuple[Manifest, Path]:
    _room(config.data_dir, config.database.stat().st_size if config.database.exists() else 0)
    try:
        with closing(open_to_read(config.database)) as read:
            copy_database(read, work / DATABASE)
        with closing(open_to_read(work / DATABASE)) as read:
            copied = describe(read)
    except sqlite3.Error as err:
        raise StartError(f"{config.database} cannot be copied: {err}; `storehub audit` says more") from err
    if copied is None:
        raise StartError(f"{config.database}: this hub has never run; there is nothing to back up")
    beside = {
        LIST: config.data_dir / LIST,
        f"tls/{AUTHORITY}": config.tls_folder / AUTHORITY,
        f"tls/{LEAF}": config.tls_folder / LEAF,
        "hub.toml": configuration,
    }
    files = {DATABASE: work / DATABASE}
    for name, path in beside.items():
        if path.exists():  # copied first: the hub may write while it is packed
            files[name] = Path(shutil.copy(path, work / name.replace("/", "-")))
    manifest = _manifest(copied, files, now)
    pack(manifest, files, work / "plain")
    return manifest, work / "plain"


def _manifest(copied: Copied, files: dict[str, Path], now: datetime) -> Manifest:
    return Manifest(
        store=copied.store,
        rep=copied.rep,
        made_at=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        program=version("store-hub"),
        schema=copied.schema,
        heads=copied.heads,
        parts=[part_of(path, name) for name, path in files.items()],
    )


def _check_elsewhere(sealed: Path, once: Identity, work: Path) -> None:
    """Read a file back in a process of its own: what it sees is what is on the medium."""
    command = [sys.executable, "-m", "hub.backup.checking", str(sealed), str(work / "check")]
    ran = subprocess.run(  # noqa: S603 - ourselves, and names of our own
        command, input=once.secret, capture_output=True, text=True, timeout=CHECK_TIMEOUT_S, check=False
    )
    if ran.returncode:
        raise StartError(f"the new backup cannot be read back, the older ones stay: {ran.stderr.strip()}")
    msgspec.json.decode(ran.stdout, type=Manifest)


@contextmanager
def _empty(folder: Path) -> Iterator[Path]:
    """A folder for this once; what a killed one left goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _room(folder: Path, size: int) -> None:
    """Raise StartError where a copy, packed and unpacked again, would leave too little."""
    free = shutil.disk_usage(folder).free
    if free < 3 * size + SPARE_BYTES:
        raise StartError(
            f"{folder} has {free >> 20} MiB free, a backup takes {(3 * size + SPARE_BYTES) >> 20}: make room, or choose another "
            "medium with [backup] to"
        )


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
