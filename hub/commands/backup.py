"""`storehub backup make | list | check | new-key` and `storehub restore`: copies of the books, and the way back.

Made beside a running hub; put back with the hub stopped. Not here: how (hub.backup).
"""

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hub.backup.age import Identity
from hub.backup.archive import Manifest
from hub.backup.checking import open_backup
from hub.backup.kept import LATE_AFTER, Kept
from hub.backup.making import make_backup
from hub.backup.restoring import Feed, fetched, restore, take_feed
from hub.backup.targets.configured import target_of, targets_of
from hub.backup.targets.folder import Folder
from hub.backup.targets.target import Target
from hub.client import now_ms
from hub.config import Config
from hub.medium.replay import Replayed
from sync.errors import StartError


def make(config: Config, folder: Path | None, *, configuration: Path, reason: str) -> int:
    """Make one and say what is in it, and where it is; exit code 1 where a target did not take it."""
    kept, manifest, brought = make_backup(
        config,
        _targets(config, folder),
        configuration=configuration,
        now=_now(),
        reason=reason,
        is_noted=folder is None,
    )
    _tell(manifest)
    for each in brought:
        if not each.error:
            print(f"{each.target}: {each.where}: {kept.name}  {_size(kept)}, read back and whole")
    failed = [each for each in brought if each.error]
    for each in failed:
        print(f"storehub: {each.target}: {each.error}", file=sys.stderr)
    return 1 if failed else 0


def show(config: Config, folder: Path | None) -> int:
    """List them, the newest first; exit code 1 when the newest of a target is late, there is none, or it does not
    answer."""
    code, now = 0, _now()
    for target in _targets(config, folder):
        try:
            _show_target(target, config.shop.store_id, now)
        except StartError as err:
            print(f"storehub: {target.name}: {err}", file=sys.stderr)
            code = 1
    return code


def _show_target(target: Target, store: str, now: datetime) -> None:
    found = target.kept(store)
    print(f"{target.name}: {target.where}")
    for kept in found:
        print(f"  {kept.made_at:%Y-%m-%d %H:%M} UTC  {_size(kept):>10}  {kept.name}")
    if not found:
        raise StartError("there is no backup yet: `storehub backup make`")
    if now - found[0].made_at > LATE_AFTER:
        raise StartError(f"the newest backup is {(now - found[0].made_at).days} days old: see why none was made since")


def check(sealed: Path, identity: Path) -> int:
    """Read one to its end, as a restore would, and say what is in it."""
    key = Identity.of_file(identity)
    with tempfile.TemporaryDirectory(prefix="storehub-check-") as folder:
        _tell(open_backup(sealed, key, Path(folder) / "books"))
    print("whole; a hub could start on it")
    return 0


def new_key(file: Path) -> int:
    """Write a new key into a file for its owner only, and print the recipient for the configuration."""
    key = Identity.new()
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as err:
        raise StartError(f"{file}: {err.strerror}; a key is never overwritten") from err
    with os.fdopen(opened, "w", encoding="ascii") as out:
        out.write(f"# public key: {key.recipient}\n{key.secret}\n")
    print(f'recipients = ["{key.recipient}"]')
    return 0


def put_back(
    config: Config, sealed: Path | None, identity: Path, *, is_over: bool, source: str, feed: Feed | None
) -> int:
    """Restore one, and what a feed copy has of the time since, or that alone; say what comes next. Exit code 1: it
    has a hole."""
    key = Identity.of_file(identity)
    if source:
        with fetched(config, target_of(config.backup, source), sealed.name if sealed else "") as here:
            done = restore(config, here, key, is_over=is_over, now=_now(), feed=feed)
    elif sealed is not None:
        done = restore(config, sealed, key, is_over=is_over, now=_now(), feed=feed)
    elif feed is not None:
        done = take_feed(config, key, now=_now(), feed=feed)
    else:
        raise StartError("say what: a backup's FILE, --from a target of [backup], or --feed FOLDER with a feed copy")
    _tell(done.manifest)
    for path in done.aside:
        print(f"moved aside: {path}")
    if done.feed is not None:
        _tell_feed(done.feed)
    print(
        f"the books are in {config.data_dir}. See that no other machine sells as this store, then start "
        "the hub: it begins a new life, and what the cloud has of the time since comes back by the line"
    )
    return 1 if done.feed is not None and done.feed.lost else 0


def _tell_feed(feed: Replayed) -> None:
    print(f"the feed copy brought {feed.rows} rows that were not in the backup, up to {feed.upto}")
    if feed.unread:
        print(f"{feed.unread} bytes of it are no whole record: a power cut leaves such")
    if feed.lost:
        print(f"NOT ALL IS BACK: {feed.lost}", file=sys.stderr)


def _targets(config: Config, folder: Path | None) -> list[Target]:
    found = targets_of(config.backup)
    if folder is not None:
        return [Folder(folder)]
    if not found:
        raise StartError("say where: [backup] to, [backup.rsync] or [backup.s3] in the configuration, or --to FOLDER")
    return found


def _now() -> datetime:
    return datetime.fromtimestamp(now_ms() / 1000, UTC)


def _size(kept: Kept) -> str:
    return f"{kept.bytes / 1e6:.2f} MB"


def _tell(manifest: Manifest) -> None:
    why = f", {manifest.reason}" if manifest.reason else ""
    print(f"store {manifest.store}, life {manifest.rep}, {manifest.made_at}, program {manifest.program}{why}")
    print("  ".join(f"{stream} {seq}" for stream, seq in manifest.heads.items()) or "no rows yet")
