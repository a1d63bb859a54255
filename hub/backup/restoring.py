"""Putting a backup back. What is in its way is moved aside, never deleted; the hub then begins a new life (docs/lives.md).

kept by the machine    who was erased since: the list is united with the backup's, and applied at the start
the backup's           the database, the store's CA and certificate
not touched            the configuration; the backup's lies beside it as hub.toml.of-backup
"""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from hub.backup.age import Identity
from hub.backup.archive import Manifest
from hub.backup.checking import open_backup
from hub.backup.making import DATABASE
from hub.config import HUB_LOCK, Config
from hub.erasures import LIST, Erasures
from hub.store.upkeep.copying import mark_restored
from hub.tls.files import AUTHORITY, LEAF
from sync.errors import StartError
from sync.folder import own_folder

WORK = "restored"


def restore(
    config: Config, sealed: Path, key: Identity, *, is_over: bool, now: datetime
) -> tuple[Manifest, list[Path]]:
    """Put a backup into the data folder; return it and what was moved aside. Raise StartError, and nothing has changed."""
    with own_folder(config.data_dir, HUB_LOCK):
        work = config.data_dir / WORK
        shutil.rmtree(work, ignore_errors=True)
        try:
            manifest = open_backup(sealed, key, work)
            if manifest.store != config.shop.store_id:
                raise StartError(
                    f"this backup is of store {manifest.store}, the configuration says {config.shop.store_id}"
                )
            in_the_way = [path for path in _targets(config) if path.exists()]
            if config.database in in_the_way and not is_over:
                raise StartError(
                    f"{config.database} is there already: --over moves it aside and puts the backup in its place"
                )
            mark_restored(work / DATABASE)
            aside = [_aside(path, now) for path in in_the_way]
            _put(config, work)
        except OSError as err:
            raise StartError(f"{err.filename or config.data_dir}: {err.strerror}") from err
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return manifest, aside


def _targets(config: Config) -> list[Path]:
    database = config.database
    logs = [database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm")]
    return [*logs, database, config.tls_folder / AUTHORITY, config.tls_folder / LEAF]


def _aside(path: Path, now: datetime) -> Path:
    return path.rename(path.with_name(f"{path.name}.before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"))


def _put(config: Config, work: Path) -> None:
    """The database comes last: until it is there, a restore that was cut short can be made again."""
    erased = Erasures(work).all() if (work / LIST).exists() else []
    Erasures(config.data_dir).add(erased)
    for name in (AUTHORITY, LEAF):
        if (work / "tls" / name).exists():
            config.tls_folder.mkdir(parents=True, exist_ok=True)
            (work / "tls" / name).rename(config.tls_folder / name)
    if (work / "hub.toml").exists():
        (work / "hub.toml").rename(config.data_dir / "hub.toml.of-backup")
    (work / DATABASE).rename(config.database)
    folder = os.open(config.data_dir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
