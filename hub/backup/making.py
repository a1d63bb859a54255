"""Making a backup: one consistent copy of the books and what belongs to them, encrypted, read again, brought to every
target.

    copy the database beside the hub ─ pack ─ encrypt ─ read back in another process ─ for each target: bring, read back, prune

Each is readable by the recipients of the configuration, and while it is checked by a key that is made for this once and
kept nowhere. A target that takes none does not keep the others from theirs. What came of each: hub.backup.noted.
Not here: the way back (hub.backup.restoring), targets (hub.backup.targets).
"""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from hub.backup.age import Identity, encrypt
from hub.backup.archive import Manifest, pack, part_of
from hub.backup.kept import Kept, name_of
from hub.backup.noted import Made, Told, note
from hub.backup.targets.target import Target
from hub.config import Config
from hub.erasures import LIST
from hub.monitoring.version import installed_version
from hub.store.readers import open_to_read
from hub.store.upkeep.copying import Copied, copy_database, describe
from hub.tls.files import AUTHORITY, LEAF
from sync.errors import StartError
from sync.folder import own_folder

WORK, LOCK = "backup", "backup.lock"
DATABASE, SEALED = "hub.db", "sealed"
SPARE_BYTES = 64 << 20  # what selling goes on with while a copy is made
CHECK_TIMEOUT_S = 3600


class Brought(Struct, frozen=True):
    """What became of a backup at a target; `error` is empty where it is there."""

    target: str
    where: str
    error: str = ""


def make_backup(
    config: Config,
    targets: Sequence[Target],
    *,
    configuration: Path,
    now: datetime,
    reason: str = "manual",
    is_noted: bool = True,
) -> tuple[Kept, Manifest, list[Brought]]:
    """Make one, bring it to every target and take away there those beyond `keep`; raise StartError where none could
    be made.

    `is_noted`: these are the targets of the configuration, and what came of each is written down.
    """
    if not config.backup.recipients:
        raise StartError(
            "backup.recipients is empty: make a key with `storehub backup new-key FILE`, keep FILE away from this machine and "
            "write the recipient that it shows into [backup]"
        )
    name = name_of(config.shop.store_id, now)
    with own_folder(config.data_dir / WORK, LOCK), _empty(config.data_dir / WORK / "new") as work:
        try:
            try:
                manifest = _seal(config, work, configuration=configuration, now=now, reason=reason)
            except StartError as err:
                if is_noted:
                    note(config.data_dir, {each.name: Told(now, error=str(err)) for each in targets})
                raise
            kept = Kept(name, now, (work / SEALED).stat().st_size)
            made = Made(name, now, kept.bytes, manifest.rep, manifest.heads)
            brought = [_bring(config, each, work / SEALED, name) for each in targets]
            if is_noted:
                told = {each.target: Told(now, None if each.error else made, each.error) for each in brought}
                note(config.data_dir, told)
        except OSError as err:
            raise StartError(f"{err.filename or config.data_dir}: {err.strerror}; the books are as they were") from err
    return kept, manifest, brought


def _seal(config: Config, work: Path, *, configuration: Path, now: datetime, reason: str) -> Manifest:
    manifest, plain = _pack(config, work, configuration=configuration, now=now, reason=reason)
    once = Identity.new()
    encrypt(plain, work / SEALED, [*config.backup.recipients, once.recipient])
    plain.unlink()
    _check_elsewhere(work / SEALED, once, work)
    return manifest


def _bring(config: Config, target: Target, sealed: Path, name: str) -> Brought:
    try:
        target.put(sealed, name)
        for old in target.kept(config.shop.store_id)[config.backup.keep :]:
            target.remove(old.name)
    except StartError as err:
        return Brought(target.name, target.where, str(err))
    return Brought(target.name, target.where)


def _pack(config: Config, work: Path, *, configuration: Path, now: datetime, reason: str) -> tuple[Manifest, Path]:
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
    manifest = manifest_of(copied, files, now, reason=reason)
    pack(manifest, files, work / "plain")
    return manifest, work / "plain"


def manifest_of(copied: Copied, files: dict[str, Path], now: datetime, *, reason: str = "") -> Manifest:
    """Say what a copy of the books is of, and what lies beside it."""
    return Manifest(
        store=copied.store,
        rep=copied.rep,
        made_at=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        program=installed_version(),
        schema=copied.schema,
        heads=copied.heads,
        parts=[part_of(path, name) for name, path in files.items()],
        reason=reason,
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
            f"{folder} has {free >> 20} MiB free, to make a backup takes {(3 * size + SPARE_BYTES) >> 20}: make room there"
        )
