"""The targets that a configuration names."""

from datetime import UTC, datetime
from pathlib import Path

from hub.backup.targets.folder import Folder
from hub.backup.targets.rsync import Rsync
from hub.backup.targets.s3 import S3
from hub.backup.targets.target import Target
from hub.client import now_ms
from hub.settings.backup import BackupSection
from sync.errors import StartError


def targets_of(section: BackupSection) -> list[Target]:
    """Return them, the nearest first."""
    found: list[Target] = []
    if section.to:
        found.append(Folder(Path(section.to)))
    if section.rsync is not None:
        found.append(Rsync(section.rsync))
    if section.s3 is not None:
        found.append(S3(section.s3, now=lambda: datetime.fromtimestamp(now_ms() / 1000, UTC)))
    return found


def target_of(section: BackupSection, name: str) -> Target:
    """Return one by its name; raise StartError naming those that there are."""
    there = {target.name: target for target in targets_of(section)}
    if name not in there:
        raise StartError(f"[backup] names no target {name!r}; it names: {', '.join(there) or 'none'}")
    return there[name]
