"""`storehub backup make | list | check | new-key` and `storehub restore`: copies of the books, and the way back.

Made beside a running hub; put back with the hub stopped. Not here: how (hub.backup).
"""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hub.backup.age import Identity
from hub.backup.archive import Manifest
from hub.backup.checking import open_backup
from hub.backup.kept import LATE_AFTER, Kept, kept_in
from hub.backup.making import make_backup
from hub.backup.restoring import restore
from hub.client import now_ms
from hub.config import Config
from sync.errors import StartError


def make(config: Config, folder: Path | None, *, configuration: Path) -> int:
    """Make one and say what is in it."""
    kept, manifest = make_backup(config, _folder(config, folder), configuration=configuration, now=_now())
    print(f"{kept.path}  {_size(kept)}, read back and whole")
    _tell(manifest)
    return 0


def show(config: Config, folder: Path | None) -> int:
    """List them, the newest first; exit code 1 when the newest is late or there is none."""
    found, now = kept_in(_folder(config, folder), config.shop.store_id), _now()
    for kept in found:
        print(f"{kept.made_at:%Y-%m-%d %H:%M} UTC  {_size(kept):>10}  {kept.path}")
    if not found:
        raise StartError("there is no backup yet: `storehub backup make`")
    if now - found[0].made_at > LATE_AFTER:
        raise StartError(f"the newest backup is {(now - found[0].made_at).days} days old: see why none was made since")
    return 0


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


def put_back(config: Config, sealed: Path, identity: Path, *, is_over: bool) -> int:
    """Restore one and say what comes next."""
    manifest, aside = restore(config, sealed, Identity.of_file(identity), is_over=is_over, now=_now())
    _tell(manifest)
    for path in aside:
        print(f"moved aside: {path}")
    print(
        f"the books of {manifest.made_at} are in {config.data_dir}. See that no other machine sells as this store, then start "
        "the hub: it begins a new life, and what the cloud has of the time since comes back by the line"
    )
    return 0


def _folder(config: Config, folder: Path | None) -> Path:
    if folder is None and not config.backup.to:
        raise StartError("say where: --to FOLDER, or [backup] to in the configuration")
    return folder or Path(config.backup.to)


def _now() -> datetime:
    return datetime.fromtimestamp(now_ms() / 1000, UTC)


def _size(kept: Kept) -> str:
    return f"{kept.bytes / 1e6:.2f} MB"


def _tell(manifest: Manifest) -> None:
    print(f"store {manifest.store}, life {manifest.rep}, {manifest.made_at}, program {manifest.program}")
    print("  ".join(f"{stream} {seq}" for stream, seq in manifest.heads.items()) or "no rows yet")
