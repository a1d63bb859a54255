"""Putting a backup back. What is in its way is moved aside, never deleted; the hub then begins a new life
(docs/lives.md).

kept by the machine    who was erased since: the list is united with the backup's, and applied at the start the backup's
the database, the store's CA and certificate not touched            the configuration; the backup's lies beside it as
hub.toml.of-backup
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from hub.backup.age import Identity
from hub.backup.archive import Manifest
from hub.backup.checking import open_backup
from hub.backup.making import DATABASE, LOCK, manifest_of
from hub.backup.targets.target import Target
from hub.config import HUB_LOCK, Config
from hub.erasures import LIST, Erasures
from hub.medium.replay import Replayed, replay_feed
from hub.store.readers import open_to_read
from hub.store.upkeep.copying import copy_database, describe, mark_restored
from hub.tls.files import AUTHORITY, LEAF
from sync.errors import StartError
from sync.folder import own_folder

WORK, FETCHED = "restored", "backup"


class Restored(Struct, frozen=True):
    """What the books are of now, what was moved aside, what a feed copy has brought."""

    manifest: Manifest
    aside: list[Path]
    feed: Replayed | None = None


class Feed(Struct, frozen=True):
    """A copy to go on with behind the backup; `is_whole`: a hole in it is refused."""

    folder: Path
    is_whole: bool = True


def restore(
    config: Config, sealed: Path, key: Identity, *, is_over: bool, now: datetime, feed: Feed | None = None
) -> Restored:
    """Put a backup into the data folder, and what a feed copy has beyond it. Raise StartError, and nothing has
    changed."""
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
            replayed = _go_on(work, feed, key, now) if feed else None
            mark_restored(work / DATABASE)
            aside = [_aside(path, now) for path in in_the_way]
            _put(config, work)
        except OSError as err:
            raise StartError(f"{err.filename or config.data_dir}: {err.strerror}") from err
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return Restored(manifest, aside, replayed)


@contextmanager
def fetched(config: Config, target: Target, name: str) -> Iterator[Path]:
    """Fetch a backup from a target, "": the newest; it goes when all is done. Raise StartError, and nothing has
    changed."""
    there = target.kept(config.shop.store_id)
    name = name or (there[0].name if there else "")
    if not name:
        raise StartError(f"{target.where}: there is no backup of {config.shop.store_id}")
    with own_folder(config.data_dir / FETCHED, LOCK):
        here = config.data_dir / FETCHED / name
        try:
            target.get(name, here)
            yield here
        except OSError as err:
            raise StartError(f"{err.filename or config.data_dir}: {err.strerror}") from err
        finally:
            here.unlink(missing_ok=True)


def take_feed(config: Config, key: Identity, *, now: datetime, feed: Feed) -> Restored:
    """Put what only a feed copy has into the books that are here: an old card was put back. Raise StartError, as
    `restore`."""
    with own_folder(config.data_dir, HUB_LOCK):
        work = config.data_dir / WORK
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            with closing(open_to_read(config.database)) as read:
                copy_database(read, work / DATABASE)
                copied = describe(read)
            if copied is None:
                raise StartError(f"{config.database}: this hub has never run; name the backup as well")
            replayed = _go_on(work, feed, key, now)
            if not replayed.rows:
                raise StartError(
                    f"{feed.folder}: there is nothing in it that is not here. Where the hub has begun a new life since an old "
                    "card was put back, restore the newest backup with --feed and --over: the copy has what both lives sold"
                )
            mark_restored(work / DATABASE)
            aside = [_aside(path, now) for path in _database_files(config) if path.exists()]
            _put(config, work)
        except OSError as err:
            raise StartError(f"{err.filename or config.data_dir}: {err.strerror}") from err
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return Restored(manifest_of(copied, {}, now), aside, replayed)


def _go_on(work: Path, feed: Feed, key: Identity, now: datetime) -> Replayed:
    now_ms = int(now.timestamp() * 1000)
    return replay_feed(work / DATABASE, feed.folder, key, is_whole=feed.is_whole, now_ms=now_ms)


def _database_files(config: Config) -> list[Path]:
    database = config.database
    return [*(database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm")), database]


def _targets(config: Config) -> list[Path]:
    return [*_database_files(config), config.tls_folder / AUTHORITY, config.tls_folder / LEAF]


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
